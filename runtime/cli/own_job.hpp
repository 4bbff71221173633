// A command that runs as a job's program (runtime/executors/README.md) says how far it is in the words of that
// contract, and goes on where an attempt before this one stopped.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "runtime/cli/console.hpp"
#include "schema/time.hpp"

namespace coppice::cli {

class own_job {
  public:
    explicit own_job(console& con)
        : con_(con), is_one_(std::getenv("JOB_ID") != nullptr) {} // NOLINT(concurrency-mt-unsafe)

    bool is_one() const { return is_one_; }
    // What an attempt before this one left; empty: nothing.
    std::string checkpoint() const {
        const char* const path = is_one_ ? std::getenv("JOB_CHECKPOINT") : nullptr; // NOLINT(concurrency-mt-unsafe)
        if (path == nullptr) return {};
        std::ostringstream text;
        text << std::ifstream{path}.rdbuf();
        return text.str();
    }
    // At most one a second is said.
    void progress(double fraction, const std::string& text, instant now) {
        if (!is_one_ || (said_ != never && now - said_ < std::chrono::seconds{1})) return;
        said_ = now;
        con_.say("::progress " + std::to_string(fraction) + " " + text);
    }
    void leave(const std::string& checkpoint) {
        if (is_one_) con_.say("::checkpoint " + checkpoint);
    }

  private:
    console& con_;
    bool is_one_;
    instant said_ = never;
};

} // namespace coppice::cli
