#include "tests/end_to_end/crash_load.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

// No process besides the shell, but for a sleep. The payload comes without a newline, so `read` says false.
constexpr std::string_view script_text = R"(read -r payload
read -r unique < /proc/sys/kernel/random/uuid
echo "$JOB_ID $JOB_ATTEMPT $unique" >> "$0.started"
pause=${payload##*\"sleep\":\"}
pause=${pause%%\"*}
[ "$pause" = 0 ] || sleep "$pause"
case $payload in
*fails_once*) [ "$JOB_ATTEMPT" -gt 1 ] || exit 1 ;;
*fails_for_good*) exit 100 ;;
*fails_always*) exit 1 ;;
esac
echo "$unique"
)";

constexpr std::string_view word_of(job_mode mode) {
    switch (mode) {
    case job_mode::succeeds:
        return "succeeds";
    case job_mode::fails_once:
        return "fails_once";
    case job_mode::fails_for_good:
        return "fails_for_good";
    case job_mode::fails_always:
        return "fails_always";
    }
    return {};
}

} // namespace

crash_load::crash_load(const scratch_directory& files, std::uint64_t seed)
    : files_(files), random_(seed), script_(files.write("attempt.sh", script_text)) {}

std::string crash_load::documents() const {
    const std::string bounds =
        "spec: {attempts_max: 3, retry: {base: 10ms, max: 50ms}, timeouts: {cancel_grace: 200ms}, executor: ";
    return "kind: JobType\nmetadata: {name: local}\n" + bounds + "exec, argv: [sh, \"" + script_ + "\"]}\n---\n" +
           "kind: JobType\nmetadata: {name: remote}\n" + bounds + "worker}\n---\n" +
           "kind: Tenant\nmetadata: {name: acme}\nspec: {weight: 3, types: [local, remote]}\n---\n"
           "kind: Tenant\nmetadata: {name: birch}\nspec: {weight: 1, types: [local, remote]}\n";
}

std::vector<std::string> crash_load::worker_command(const std::string& name) const {
    // A worker that is killed leaves its working directories behind: they go with our files.
    const std::string root = (files_ / name).string();
    std::filesystem::create_directories(root);
    return {"worker", "--types",     "remote", "--slots", "3",  "--name",
            name,     "--work-root", root,     "--",      "sh", script_};
}

submitted_line crash_load::next_line() {
    submitted_line line;
    const auto dice = below(20);
    line.mode = dice < 15   ? job_mode::succeeds
                : dice < 17 ? job_mode::fails_once
                : dice < 19 ? job_mode::fails_for_good
                            : job_mode::fails_always;
    const char* const pauses[] = {"0", "0", "0", "0.01", "0.05", "0.3"};
    const bool birch = below(3) == 0;
    json text{{"tenant", birch ? "birch" : "acme"},
              {"type", below(2) == 0 ? "local" : "remote"},
              {"priority", 1 + below(5)},
              {"payload", {{"mode", word_of(line.mode)}, {"sleep", pauses[below(std::size(pauses))]}}}};
    line.keyed = below(5) < 3;
    if (line.keyed) text["key"] = "line-" + std::to_string(lines_);
    if (below(6) == 0) text["delay"] = std::to_string(1 + below(400)) + "ms";
    // Parents must be of the same tenant: only acme's jobs are remembered.
    if (!birch && below(5) == 0) line.after = choose(recent_, 1 + below(2));
    for (const job_id& parent : line.after) text["after"].push_back(to_string(parent));
    line.text = text.dump() + "\n";
    ++lines_;
    return line;
}

std::vector<submitted_line> crash_load::next_lines(std::size_t count) {
    std::vector<submitted_line> lines;
    while (lines.size() < count) lines.push_back(next_line());
    return lines;
}

std::vector<job_id> crash_load::acknowledged(const std::vector<submitted_line>& lines, const std::string& printed) {
    std::vector<job_id> ids;
    std::istringstream rows{printed};
    for (std::string text; std::getline(rows, text);) {
        const json row = json::parse(text);
        if (!row.contains("id")) continue; // refused, or nobody knows
        const auto id = job_id::parse(row.at("id").get<std::string>());
        const submitted_line& line = lines.at(row.at("line").get<std::size_t>() - 1);
        BOOST_REQUIRE(id.has_value());
        BOOST_REQUIRE_MESSAGE(jobs_.emplace(*id, known_job{.line = line}).second, text << " was given out twice");
        ids.push_back(*id);
        if (line.text.find("\"acme\"") != std::string::npos) recent_.push_back(*id);
    }
    if (recent_.size() > 60) recent_.erase(recent_.begin(), recent_.end() - 60);
    return ids;
}

std::vector<job_id> crash_load::choose(const std::vector<job_id>& from, std::size_t count) {
    std::vector<job_id> chosen;
    std::sample(from.begin(), from.end(), std::back_inserter(chosen), count, random_);
    return chosen;
}

std::map<std::pair<job_id, std::uint32_t>, std::vector<std::string>> crash_load::started() const {
    std::map<std::pair<job_id, std::uint32_t>, std::vector<std::string>> found;
    std::ifstream file(script_ + ".started");
    std::string id, unique;
    for (std::uint32_t attempt = 0; file >> id >> attempt >> unique;) {
        const auto job = job_id::parse(id);
        BOOST_REQUIRE_MESSAGE(job.has_value(), "not a job's id: " << id);
        found[{*job, attempt}].push_back(unique);
    }
    BOOST_REQUIRE(file.eof());
    return found;
}

std::vector<job_state> crash_load::possible_ends(const known_job& job, bool parents_succeeded) {
    if (!parents_succeeded) return {job_state::CANCELLED};
    const bool may_succeed = job.line.mode == job_mode::succeeds || job.line.mode == job_mode::fails_once;
    std::vector<job_state> ends{may_succeed ? job_state::SUCCEEDED : job_state::FAILED};
    // One that ran when it was told to stop may still have succeeded, and never fails.
    if (job.cancelled && !may_succeed) ends.clear();
    if (job.cancelled || job.cancel_tried) ends.push_back(job_state::CANCELLED);
    return ends;
}

} // namespace coppice::end_to_end
