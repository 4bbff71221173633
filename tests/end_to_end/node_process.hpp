// A real node in a real process, and commands run against it: what the end-to-end tests drive.
#pragma once

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

namespace coppice {

struct finished_command {
    int status = -1; // exit status; 128 + signal when it was killed
    std::string out;
    std::string err;
};

// Runs a program to its end, with `input` on stdin and nothing of this environment but PATH and what `env` says.
finished_command run_command(const std::vector<std::string>& argv, const std::vector<std::string>& env = {},
                             const std::string& input = {});

std::string coppice_binary(); // $COPPICE_BIN, or next to the test program

class node_process {
  public:
    // A fresh data directory, removed at the end.
    node_process();
    ~node_process();
    node_process(const node_process&) = delete;
    node_process& operator=(const node_process&) = delete;

    // Starts `coppice serve --dev` and waits until it says where it listens.
    void start(const std::vector<std::string>& more = {});
    void kill(int signal); // and waits for its end
    bool running() const { return pid_ > 0; }

    // `coppice ARGS` with the operator's token.
    finished_command command(std::vector<std::string> args, const std::string& input = {}) const;
    std::vector<std::string> environment() const;
    const std::filesystem::path& data() const { return data_; }
    const std::string& address() const { return address_; }
    const std::string& metrics_address() const { return metrics_address_; }
    std::string log() const;

  private:
    std::filesystem::path root_;
    std::filesystem::path data_;
    std::string address_;
    std::string metrics_address_;
    int pid_ = -1;
};

} // namespace coppice
