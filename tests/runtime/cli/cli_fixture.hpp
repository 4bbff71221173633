// What the tests of the command line share: a console that writes into files, and whole commands run on it.
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "runtime/cli/command_line.hpp"
#include "runtime/cli/console.hpp"

namespace coppice::cli_test {

constexpr const char* some_id = "0199a1b2-c3d4-7000-8000-000000000001";

class temporary_directory {
  public:
    temporary_directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "coppice-cli-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) std::abort();
        path_ = pattern;
    }
    ~temporary_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;

    std::string file(const std::string& name) const { return (path_ / name).string(); }
    std::string write(const std::string& name, std::string_view text) const {
        std::ofstream(path_ / name, std::ios::binary) << text;
        return file(name);
    }

  private:
    std::filesystem::path path_;
};

inline std::string contents(std::FILE* file) {
    std::string text;
    std::rewind(file);
    for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
    return text;
}

// stdout and stderr as files: neither is a terminal.
struct captured_console {
    std::FILE* out_file = std::tmpfile();
    std::FILE* err_file = std::tmpfile();
    cli::console con{::fileno(out_file), ::fileno(err_file)};

    captured_console() = default;
    captured_console(const captured_console&) = delete;
    captured_console& operator=(const captured_console&) = delete;
    ~captured_console() {
        con.finish();
        std::fclose(out_file);
        std::fclose(err_file);
    }
    std::string out() {
        con.flush();
        return contents(out_file);
    }
    std::string err() { return contents(err_file); }
};

struct command_outcome {
    int status = -1;
    std::string out;
    std::string err;
};

inline command_outcome run(std::vector<std::string> arguments, cli::serve_function serve = nullptr) {
    captured_console captured;
    const int status = cli::run_command_line(std::move(arguments), captured.con, serve);
    return {status, captured.out(), captured.err()};
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

} // namespace coppice::cli_test
