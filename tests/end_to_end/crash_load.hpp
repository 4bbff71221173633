// The mixed load of the crash run: which jobs are submitted, and how each of them may end.
//
// Every attempt, here or on a worker, is a run of one small script. It first appends "JOB_ID JOB_ATTEMPT UNIQUE" to
// a file outside of the node's directory and gives UNIQUE as its result. So the file says what was really started,
// whatever the node believes, and a result says which attempt it comes from.
#pragma once

#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "runtime/client/values.hpp"
#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {

enum class job_mode { succeeds, fails_once, fails_for_good, fails_always };

struct submitted_line {
    std::string text; // NDJSON
    job_mode mode = job_mode::succeeds;
    std::vector<job_id> after;
    bool keyed = false;
};

// What is known of an acknowledged job.
struct known_job {
    submitted_line line;
    bool cancel_tried = false; // and whether it was done is not known
    bool cancelled = false;    // acknowledged
};

class crash_load {
  public:
    crash_load(const scratch_directory& files, std::uint64_t seed);

    std::string documents() const; // the types and the tenants
    // What a worker is started with.
    std::vector<std::string> worker_command(const std::string& name) const;

    std::vector<submitted_line> next_lines(std::size_t count);
    // Of what `coppice job submit -o json` printed for the lines. Gives the ids that are new.
    std::vector<job_id> acknowledged(const std::vector<submitted_line>& lines, const std::string& printed);
    std::vector<job_id> choose(const std::vector<job_id>& from, std::size_t count);
    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

    std::map<job_id, known_job>& jobs() { return jobs_; }
    const std::map<job_id, known_job>& jobs() const { return jobs_; }
    // (job, attempt) -> what the attempts with that number wrote: one each, or something is wrong.
    std::map<std::pair<job_id, std::uint32_t>, std::vector<std::string>> started() const;

    // The states in which the job may end, given how its parents did.
    static std::vector<job_state> possible_ends(const known_job& job, bool parents_succeeded);

  private:
    submitted_line next_line();

    const scratch_directory& files_;
    std::mt19937_64 random_;
    std::map<job_id, known_job> jobs_;
    std::vector<job_id> recent_; // parents to be
    std::uint64_t lines_ = 0;
    std::string script_;
};

} // namespace coppice::end_to_end
