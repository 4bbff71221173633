// What was acknowledged survives kill -9: node and workers are killed at random moments of a mixed load and started
// again on the same directory, until every acknowledged job has ended in exactly one way. COPPICE_CRASH_ROUNDS
// makes it longer; COPPICE_SEED decides the load, the victims and the moments.
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "runtime/client/blocking_client.hpp"
#include "schema/limits.hpp"
#include "tests/end_to_end/cli_process.hpp"
#include "tests/end_to_end/crash_load.hpp"

namespace coppice::end_to_end {
namespace {

constexpr std::size_t lines_per_round = 30;
constexpr std::uint64_t round_ms = 400; // within which something is killed

std::uint64_t number_from_environment(const char* name, std::uint64_t otherwise) {
    const char* given = std::getenv(name);
    return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

std::vector<std::string> filled_lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);)
        if (!line.empty()) lines.push_back(line);
    return lines;
}

// Messages of checks are made whether they are needed or not.
template <class T>
std::string why(const expected<T>& answer) {
    return answer ? std::string{} : to_string(answer.error());
}

client::options as_operator(const node& n) {
    client::options o;
    o.server = n.address();
    o.token_file = (n.data() / "operator.token").string();
    return o;
}

// A node, two workers and their load; rounds of it, and the verdict.
class crash_run {
  public:
    explicit crash_run(std::uint64_t seed) : load_(files_, seed) {
        const auto applied = node_.run({"apply", "-f", files_.write("platform.yaml", load_.documents())});
        BOOST_REQUIRE_MESSAGE(applied.status == 0, applied.err);
        for (std::size_t i = 0; i < workers_.size(); ++i) start_worker(i);
    }

    void round();
    void wait_for_all(client::blocking_client& as);
    void check_each_job(client::blocking_client& as);
    void check_events(client::blocking_client& as);
    void check_keys();
    void check_store();
    const node& the_node() const { return node_; }
    std::string figures() const;

  private:
    void start_worker(std::size_t i) {
        workers_.at(i) = node_.start(load_.worker_command("worker-" + std::to_string(i)));
    }
    std::unique_ptr<process> cancel_some();
    void take_cancels(const process& cancel);
    void kill_something();

    scratch_directory files_;
    crash_load load_;
    node node_;
    std::array<std::unique_ptr<process>, 2> workers_;
    std::vector<job_id> newest_; // of the last round
    std::size_t node_kills_ = 0;
    std::size_t worker_kills_ = 0;
    std::size_t attempts_ = 0;
    std::size_t attempts_lost_ = 0;
};

// A load goes in, and some of the last one's jobs are cancelled, while something is killed.
void crash_run::round() {
    const std::vector<submitted_line> lines = load_.next_lines(lines_per_round);
    std::string text;
    for (const submitted_line& line : lines) text += line.text;
    const auto submit = node_.start({"job", "submit", "-f", files_.write("lines", text), "-o", "json"});
    const auto cancel = cancel_some();
    std::this_thread::sleep_for(std::chrono::milliseconds{load_.below(round_ms)});
    kill_something();
    BOOST_REQUIRE_NE(submit->wait(), -1000);
    newest_ = load_.acknowledged(lines, submit->out());
    if (cancel) take_cancels(*cancel);
}

std::unique_ptr<process> crash_run::cancel_some() {
    std::vector<std::string> arguments{"job", "cancel", "-o", "json"};
    for (const job_id& id : load_.choose(newest_, 2)) {
        load_.jobs().at(id).cancel_tried = true;
        arguments.push_back(to_string(id));
    }
    return arguments.size() > 4 ? node_.start(std::move(arguments)) : nullptr;
}

void crash_run::take_cancels(const process& cancel) {
    for (const std::string& line : filled_lines_of(cancel.out())) {
        const auto row = nlohmann::json::parse(line);
        if (row.at("cancelled") == true)
            load_.jobs().at(*job_id::parse(row.at("id").get<std::string>())).cancelled = true;
    }
}

void crash_run::kill_something() {
    const auto dice = load_.below(4);
    const bool kill_node = dice<3, kill_worker = dice> 1;
    const std::size_t victim = load_.below(workers_.size());
    if (kill_worker) BOOST_REQUIRE_EQUAL(workers_.at(victim)->kill(SIGKILL), -SIGKILL);
    if (kill_node) {
        BOOST_REQUIRE_EQUAL(node_.kill(SIGKILL), -SIGKILL);
        node_.start_again();
    }
    if (kill_worker) start_worker(victim);
    node_kills_ += kill_node ? 1 : 0;
    worker_kills_ += kill_worker ? 1 : 0;
}

void crash_run::wait_for_all(client::blocking_client& as) {
    std::vector<job_id> ids;
    for (const auto& [id, known] : load_.jobs()) ids.push_back(id);
    BOOST_REQUIRE_GT(ids.size(), 0U);
    const auto ends = as.wait_all(ids);
    BOOST_REQUIRE_MESSAGE(ends.has_value(), why(ends));
    for (std::size_t i = 0; i < ids.size(); ++i)
        BOOST_REQUIRE_MESSAGE((*ends)[i].has_value(), to_string(ids[i]) << ": " << why((*ends)[i]));
}

// Each is there, has ended as it may, and was started as often as it says, each attempt once; the result of one
// that succeeded is what its last attempt wrote.
void crash_run::check_each_job(client::blocking_client& as) {
    const auto started = load_.started();
    attempts_ = started.size();
    for (const auto& [ref, wrote] : started)
        BOOST_CHECK_MESSAGE(wrote.size() == 1, to_string(ref.first) << " was started " << wrote.size()
                                                                    << " times as attempt " << ref.second);
    std::map<job_id, client::job_view> views;
    for (const auto& [id, known] : load_.jobs()) {
        const auto got = as.get(id);
        BOOST_REQUIRE_MESSAGE(got.has_value(), to_string(id) << ": " << why(got));
        views.emplace(id, *got);
    }
    for (const auto& [id, known] : load_.jobs()) {
        const client::job_view& view = views.at(id);
        const bool parents_succeeded = std::ranges::all_of(
            known.line.after, [&](const job_id& parent) { return views.at(parent).state == job_state::SUCCEEDED; });
        const auto possible = crash_load::possible_ends(known, parents_succeeded);
        // One that is under way in so many kills is taken for one that takes workers down.
        const bool lost_too_often = view.state == job_state::FAILED && view.error.code == errc::worker_lost &&
                                    view.attempts >= limits::attempts_lost_max;
        BOOST_CHECK_MESSAGE(lost_too_often || std::ranges::count(possible, view.state) == 1,
                            to_string(id) << " is " << to_string(view.state) << ": " << known.line.text
                                          << to_string(view.error));
        const auto last = started.lower_bound({id, view.attempts + 1});
        BOOST_CHECK_MESSAGE(last == started.end() || last->first.first != id,
                            to_string(id) << " knows of " << view.attempts << " attempts only");
        attempts_lost_ += static_cast<std::size_t>(std::ranges::count(
            view.history, errc::worker_lost, [](const client::attempt_end& end) { return end.code; }));
        if (view.state != job_state::SUCCEEDED) continue;
        const auto wrote = started.find({id, view.attempts});
        BOOST_REQUIRE_MESSAGE(wrote != started.end(), to_string(id) << " succeeded without an attempt");
        const auto result = as.result(id);
        BOOST_CHECK_MESSAGE(result && *result == wrote->second.front() + "\n",
                            to_string(id) << " has the result of another attempt than its last one");
        for (const job_id& parent : known.line.after) BOOST_CHECK(views.at(parent).finished <= view.started);
    }
}

// The feed tells of one end of each, and of none of another job twice.
void crash_run::check_events(client::blocking_client& as) {
    std::map<job_id, std::size_t> ends;
    for (client::feed_place after;;) {
        const auto page = as.follow(after, 1000, milliseconds{0});
        BOOST_REQUIRE_MESSAGE(page.has_value(), why(page));
        if (page->events.empty()) break;
        for (const client::event& e : page->events)
            if (is_terminal(e.state)) ++ends[e.job];
        after = page->last;
    }
    for (const auto& [id, known] : load_.jobs()) BOOST_CHECK_MESSAGE(ends[id] > 0, to_string(id) << " has no end");
    for (const auto& [id, count] : ends)
        BOOST_CHECK_MESSAGE(count <= 1, to_string(id) << " ended " << count << " times");
}

// The same keys once more: the same ids.
void crash_run::check_keys() {
    std::string text;
    std::vector<std::string> expected;
    for (const auto& [id, known] : load_.jobs()) {
        if (!known.line.keyed) continue;
        text += known.line.text;
        expected.push_back(to_string(id));
    }
    const auto again = node_.run({"job", "submit", "-f", "-"}, text);
    BOOST_CHECK_MESSAGE(again.status == 0, again.err);
    BOOST_CHECK(filled_lines_of(again.out) == expected);
}

void crash_run::check_store() {
    const auto check = node_.run({"check"});
    BOOST_CHECK_MESSAGE(check.status == 0, check.out << check.err);
}

std::string crash_run::figures() const {
    std::ostringstream text;
    text << load_.jobs().size() << " jobs acknowledged, " << attempts_ << " attempts started and " << attempts_lost_
         << " of them lost, the node killed " << node_kills_ << " times and a worker " << worker_kills_;
    return text.str();
}

} // namespace

BOOST_AUTO_TEST_SUITE(crash)

BOOST_AUTO_TEST_CASE(no_acknowledged_job_is_lost_or_ends_twice_when_node_and_workers_are_killed) {
    const auto seed = number_from_environment("COPPICE_SEED", std::random_device{}());
    const auto rounds = number_from_environment("COPPICE_CRASH_ROUNDS", 50);
    BOOST_TEST_MESSAGE("seed " << seed);
    BOOST_TEST_CONTEXT("seed " << seed << ", " << rounds << " rounds") {
        crash_run run{seed};
        for (std::uint64_t i = 0; i < rounds; ++i) run.round();
        client::blocking_client as{as_operator(run.the_node())};
        run.wait_for_all(as);
        run.check_each_job(as);
        run.check_events(as);
        run.check_keys();
        run.check_store();
        BOOST_TEST_MESSAGE(run.figures());
    }
}

BOOST_AUTO_TEST_CASE(a_second_node_on_the_same_directory_is_refused_with_the_holders_pid) {
    const node n;
    const auto second =
        n.run({"serve", "--data", n.data().string(), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"});
    BOOST_CHECK_EQUAL(second.status, 1);
    BOOST_CHECK_NE(second.err.find("data_directory_locked"), std::string::npos);
    BOOST_CHECK_NE(second.err.find("held by process "), std::string::npos);
}

BOOST_AUTO_TEST_CASE(sigterm_ends_a_node_in_order_and_its_running_job_runs_again_later) {
    node n;
    const auto submitted = n.run({"job", "submit", "--tenant", "default", "--type", "exec", "--payload",
                                  R"({"argv":["sh","-c","test $JOB_ATTEMPT -gt 1 || sleep 100; echo again"]})"});
    BOOST_REQUIRE_EQUAL(submitted.status, 0);
    const std::string id = filled_lines_of(submitted.out).at(0);
    BOOST_REQUIRE(eventually([&] { return job_of(n, id).at("status") == "running"; }));
    BOOST_CHECK_EQUAL(n.stop(), 0);
    n.start_again();
    BOOST_CHECK_EQUAL(n.run({"job", "watch", id}).status, 0);
    BOOST_CHECK_EQUAL(n.run({"job", "result", id}).out.substr(0, 5), "again");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
