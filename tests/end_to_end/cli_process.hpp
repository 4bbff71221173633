// Real processes of the program under test: a node in a directory of its own, and commands run against it.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/free_port.hpp"
#include "tests/sanitized.hpp"

namespace coppice::end_to_end {

constexpr std::chrono::seconds patience{30};

using testing::sanitized; // bounds on memory and on descriptors say nothing of such a node, and are left out

// Asks again until it is so; false after `patience`.
bool eventually(const std::function<bool()>& is_so);
std::string read_file(const std::filesystem::path& path);
bool contains(std::string_view text, std::string_view part);
std::string first_line(const std::string& text);

class scratch_directory {
  public:
    scratch_directory();
    ~scratch_directory();
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
    std::string write(const std::string& name, std::string_view text) const;

  private:
    std::filesystem::path path_;
};

using environment = std::vector<std::pair<std::string, std::string>>;

// One process; killed when it is still there at the end. Its output goes to files, so it never waits for us.
class process {
  public:
    struct options {
        std::vector<std::string> argv;
        environment env;         // besides PATH
        bool open_stdin = false; // a pipe that we write to; otherwise what is in `input`
        std::string input;
        int out_fd = -1; // instead of the file
    };
    explicit process(options chosen);
    // A copy of this process that does `body` and ends with what it gives; its output is ours.
    explicit process(const std::function<int()>& body);
    ~process();
    process(const process&) = delete;
    process& operator=(const process&) = delete;

    void write(std::string_view text) const;
    void close_stdin();
    void signal(int number) const;
    bool ended();
    // The exit status, or minus the signal that ended it; -1000 when it did not end within `patience`.
    int wait();
    // The signal, and the wait for the end that it brings.
    int kill(int number);
    std::string out() const;
    std::string err() const;

  private:
    scratch_directory files_;
    pid_t pid_ = -1;
    int stdin_ = -1;
    int status_ = -1000;
};

struct outcome {
    int status = -1000;
    std::string out;
    std::string err;
};

// The program: COPPICE_BIN, or the one that was built with the tests.
std::string program();

// For whoever reads why a test failed: what a node says (nothing: it does not run), and the end of its log.
std::string account_of(std::size_t node, const std::optional<outcome>& said, const std::string& logged);

struct node_options {
    bool development = true;        // --dev
    std::filesystem::path data;     // empty: in a directory of the node's own, removed with it
    std::vector<std::string> flags; // more of `serve`'s
    environment client_env;         // what a client needs besides the address and the token
};

// `coppice serve` on free ports, and again on the same ones after its end.
class node {
  public:
    explicit node(node_options chosen = {});
    ~node();

    outcome run(std::vector<std::string> arguments, std::string input = {}) const;
    outcome run_as(const environment& env, std::vector<std::string> arguments) const;
    std::unique_ptr<process> start(std::vector<std::string> arguments, bool open_stdin = false,
                                   int out_fd = -1) const;

    const std::string& address() const { return address_; }
    const std::string& metrics_address() const { return metrics_address_; }
    std::filesystem::path data() const { return chosen_.data; }
    environment operator_env() const;
    // SIGTERM; the exit status.
    int stop() { return kill(SIGTERM); }
    // Any signal that ends it; what `process::wait` says.
    int kill(int signal);
    // Any signal that does not.
    void signal(int number) const;
    // After its end: another life on the same directory and ports.
    void start_again();
    // What all its lives have logged, as JSON lines.
    std::string log() const;

  private:
    void serve();

    scratch_directory directory_;
    node_options chosen_;
    std::unique_ptr<process> process_;
    std::string address_ = "127.0.0.1:" + std::to_string(bench::free_port());
    std::string metrics_address_ = "127.0.0.1:" + std::to_string(bench::free_port());
    std::string earlier_log_;
};

// What `coppice job get ID -o json` says.
nlohmann::json job_of(const node& n, const std::string& id);
// Whether it comes to be so, such as "succeeded".
bool reaches(const node& n, const std::string& id, const std::string& status);
// `coppice apply` of these documents.
void declare(const node& n, const std::string& documents);

} // namespace coppice::end_to_end
