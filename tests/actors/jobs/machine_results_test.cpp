// Results and lines that are in the result store: what the machine keeps of them, and when it lets go.
#include "actors/jobs/start_completion.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

struct result_world : world {
    explicit result_world(std::uint64_t bytes_max = limits::result_stored_size_max) {
        declare_usual();
        job_type_spec spec;
        spec.name = "build";
        spec.result_bytes_max = bytes_max;
        spec.attempts_max = 1;
        run({type_op{.version = 2, .spec = spec}});
        attach(worker_id{1}, {"build"}, 10);
    }
    static stored_result of(std::uint64_t size) {
        stored_result r{.size = size, .digest = {}};
        r.digest.fill(std::byte{7});
        return r;
    }
    job_id add(std::vector<job_id> after = {}) {
        return submit({.job = new_id(), .version = 2, .after = std::move(after)});
    }
    job_id ended(std::uint64_t size) {
        const job_id id = add();
        report(id, outcome::SUCCEEDED, {.stored = of(size)});
        return id;
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(machine_results)

BOOST_AUTO_TEST_CASE(a_row_says_where_its_result_is_and_holds_no_bytes) {
    result_world w;
    const job_id id = w.ended(5'000'000);
    BOOST_TEST((w.job(id).state == job_state::SUCCEEDED));
    BOOST_TEST(w.job(id).result_size == 5'000'000U);
    BOOST_TEST(w.job(id).result.empty());
    BOOST_TEST(w.rows(table::results) == 0U);
    w.reload();
    BOOST_TEST(w.job(id).result_size == 5'000'000U);
}

BOOST_AUTO_TEST_CASE(one_that_its_type_does_not_allow_is_dropped_and_fails_the_job) {
    result_world w(1000);
    const job_id id = w.ended(1001);
    BOOST_TEST((w.job(id).state == job_state::FAILED && w.job(id).code == errc::result_too_large));
    BOOST_REQUIRE(w.out().dropped_results.size() == 1U);
    BOOST_TEST((w.out().dropped_results.front() == attempt_ref{id, 1}));
}

BOOST_AUTO_TEST_CASE(one_that_fits_nowhere_is_refused_by_its_size_alone) {
    result_world w;
    const job_id id = w.add();
    w.report(id, outcome::SUCCEEDED, {.result_size = limits::result_size_max + 1});
    BOOST_TEST((w.job(id).state == job_state::FAILED && w.job(id).code == errc::result_too_large));
    BOOST_TEST(w.job(id).message.find("without a result store at most 1048576") != std::string::npos);
    BOOST_TEST(w.out().dropped_results.empty());
}

BOOST_AUTO_TEST_CASE(a_stale_report_drops_nothing_here_for_whoever_put_it_there_does) {
    result_world w;
    const job_id id = w.add();
    const auto stale = w.one(report_op{.job = id, .attempt = 9, .stored = w.of(5000)});
    BOOST_TEST((stale.code == errc::stale_attempt));
    BOOST_TEST(w.out().dropped_results.empty());
    BOOST_TEST((w.job(id).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_job_that_is_deleted_or_swept_lets_go_of_it) {
    result_world w;
    const job_id deleted = w.ended(5000), swept = w.ended(6000), kept_apart = w.add();
    w.report(kept_apart, outcome::SUCCEEDED, {.result = std::string(5000, 'x')});
    BOOST_TEST((w.one(delete_op{deleted, "a test"}).code == errc::ok));
    BOOST_REQUIRE(w.out().dropped_results.size() == 1U);
    BOOST_TEST((w.out().dropped_results.front() == attempt_ref{deleted, 1}));
    w.run({tenant_op{.version = 2,
                     .spec = {.name = "acme", .keep = {.succeeded = milliseconds{1000}}, .types = {"*"}}}});
    w.pass(std::chrono::hours{48});
    w.run({sweep_op{}});
    BOOST_TEST(!w.exists(swept));
    BOOST_REQUIRE(w.out().dropped_results.size() == 1U);
    BOOST_TEST((w.out().dropped_results.front() == attempt_ref{swept, 1}));
}

BOOST_AUTO_TEST_CASE(a_child_is_told_where_its_parents_results_are) {
    result_world w;
    const job_id near = w.add(), far = w.add();
    const job_id child = w.add({near, far});
    w.report(near, outcome::SUCCEEDED, {.result = "here"});
    w.report(far, outcome::SUCCEEDED, {.stored = w.of(5000)});
    BOOST_REQUIRE(w.out().starts.size() == 1U);
    const start_effect& start = w.out().starts.front();
    BOOST_TEST((start.work.ref.job == child));
    BOOST_TEST(!is_complete(start));
    BOOST_REQUIRE(start.work.parents.size() == 2U);
    BOOST_TEST(start.work.parents[0].result == "here");
    BOOST_TEST(!start.work.parents[0].stored.has_value());
    BOOST_TEST((start.work.parents[1].stored == w.of(5000)));
    BOOST_TEST(start.work.parents[1].attempt == 1U);
}

BOOST_AUTO_TEST_CASE(parents_with_too_much_together_are_told_as_such) {
    result_world w;
    const job_id large = w.add();
    w.add({large});
    w.report(large, outcome::SUCCEEDED, {.stored = w.of(limits::parent_results_size_max + 1)});
    BOOST_REQUIRE(w.out().starts.size() == 1U);
    BOOST_TEST(w.out().starts.front().work.parents.front().truncated);
    BOOST_TEST(is_complete(w.out().starts.front()));
}

BOOST_AUTO_TEST_CASE(a_start_is_whole_when_all_its_parents_have_answered) {
    start_effect start;
    start.work.parents.resize(3);
    for (const std::size_t i : {0, 2})
        start.work.parents[i].stored = result_world::of(i + 1), start.work.parents[i].attempt = 1;
    start.work.parents[1].result = "here";
    std::vector<std::function<void(expected<std::string>)>> asked;
    const result_port port{
        .get = [&](const attempt_ref&, const stored_result&, auto then) { asked.push_back(std::move(then)); },
        .drop = {}};
    std::optional<start_effect> whole;
    std::optional<failure> why;
    const auto then = [&](start_effect s, std::optional<failure> no) { whole = std::move(s), why = std::move(no); };
    complete_start(port, start, then);
    BOOST_REQUIRE(asked.size() == 2U);
    asked[1]("third");
    BOOST_TEST(!whole.has_value());
    asked[0]("first");
    BOOST_REQUIRE((whole.has_value() && !why.has_value()));
    BOOST_TEST(is_complete(*whole));
    BOOST_TEST((whole->work.parents[0].result == "first" && whole->work.parents[2].result == "third"));

    asked.clear();
    complete_start(port, start, then);
    asked[0](fail(errc::unavailable, "away"));
    asked[1]("third");
    BOOST_TEST((why.has_value() && why->code == errc::unavailable));
    complete_start({}, start, then); // no store
    BOOST_TEST((why.has_value() && why->code == errc::unavailable));
}

BOOST_AUTO_TEST_CASE(a_size_that_is_not_that_of_its_bytes_is_not_believed) {
    result_world w; // is checked after every batch
    const job_id with = w.add(), without = w.add();
    w.report(with, outcome::SUCCEEDED, {.result = "r", .result_size = 48'640});
    w.report(without, outcome::SUCCEEDED, {.result_size = 10});
    BOOST_TEST(w.job(with).result_size == 1U);
    BOOST_TEST(w.job(without).result_size == 0U);
}

// Ten lines are to stay in the tables, and older ones wait there for the store.
struct talkative_world : world {
    static constexpr std::uint64_t kept = 10, waits = limits::lines_to_store_max;
    talkative_world() {
        declare_usual();
        job_type_spec spec;
        spec.name = "build";
        spec.retry = {milliseconds{0}, milliseconds{0}};
        spec.logs = {.lines = kept, .stored = limits::stored_lines_object_size};
        run({type_op{.version = 2, .spec = spec}});
        attach(worker_id{1}, {"build"}, 10);
        id = submit({.job = new_id(), .version = 2});
    }
    void say(std::uint64_t count) {
        report_op r;
        for (; count > 0; --count) r.lines.push_back(said++);
        report(id, outcome::NONE, r);
    }
    std::uint64_t lines(std::uint32_t attempt = 1) { return rows(table::logs, keys::logs_of(id, attempt)); }

    job_id id;
    std::uint64_t said = 0;
};

BOOST_AUTO_TEST_CASE(older_lines_wait_for_the_result_store_and_leave_when_they_are_there) {
    talkative_world w;
    w.say(w.kept + w.waits / 2 - 1);
    BOOST_TEST(w.out().lines_to_store.empty());
    w.say(2);
    BOOST_REQUIRE(w.out().lines_to_store.size() == 1U);
    BOOST_TEST((w.out().lines_to_store[0].ref == attempt_ref{w.id, 1}));
    BOOST_TEST(w.out().lines_to_store[0].below == w.said - w.kept);
    BOOST_TEST(w.lines() == w.said);
    w.say(3); // meanwhile
    BOOST_TEST((w.one(lines_stored_op{w.id, 1, w.said - 3 - w.kept, 5000}).code == errc::ok));
    BOOST_TEST(w.lines() == w.kept + 3);
    BOOST_TEST(w.rows(table::logs, keys::log(w.id, 1, w.said - 3 - w.kept)) == 1U);
    w.say(1);
    BOOST_TEST(w.out().lines_to_store.empty());
    BOOST_TEST((w.one(lines_stored_op{w.new_id(), 1, 5, 5}).code == errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_store_that_is_away_costs_the_oldest_lines_and_no_room) {
    talkative_world w;
    for (int i = 0; i < 30; ++i) w.say(100);
    BOOST_TEST(w.lines() == w.kept + w.waits);
    BOOST_TEST(w.out().lines_to_store.size() == 1U); // it is asked every time
    // It has as many bytes as the type lets it have: from now on only the newest are kept.
    w.one(lines_stored_op{w.id, 1, w.said - w.kept, limits::stored_lines_object_size});
    w.say(700);
    BOOST_TEST(w.lines() == w.kept);
    BOOST_TEST(w.out().lines_to_store.empty());
    // The next attempt may store as much again.
    w.report(w.id, outcome::FAILED);
    w.said = 0;
    w.report(w.id, outcome::NONE, {.attempt = 2, .lines = {0}});
    report_op many{.attempt = 2};
    for (std::uint64_t n = 1; n < w.kept + w.waits; ++n) many.lines.push_back(n);
    w.report(w.id, outcome::NONE, many);
    BOOST_TEST(w.lines(2) == w.kept + w.waits);
    BOOST_TEST(w.out().lines_to_store.size() == 1U);
}

BOOST_AUTO_TEST_CASE(lines_there_go_with_their_job) {
    talkative_world w;
    w.say(700);
    w.one(lines_stored_op{w.id, 1, 600, 5000});
    w.report(w.id, outcome::SUCCEEDED);
    BOOST_TEST((w.one(delete_op{w.id, {}}).code == errc::ok));
    BOOST_TEST((w.out().dropped_lines == std::vector{w.id}));
    const job_id quiet = w.submit({.job = w.new_id(), .version = 2});
    w.report(quiet, outcome::SUCCEEDED);
    w.one(delete_op{quiet, {}});
    BOOST_TEST(w.out().dropped_lines.empty());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
