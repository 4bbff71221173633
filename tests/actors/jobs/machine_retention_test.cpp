// The end of a record: what is erased when its time is over, what is deleted, and what stays.
#include "actors/journal/batch_rules.hpp"
#include "tests/actors/jobs/machine_world.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

struct kept_world : world {
    explicit kept_world(keep_spec keep = {.succeeded = seconds{60}, .failed = hours{24}},
                        std::unique_ptr<store> data = make_memory_store())
        : world(std::move(data)) {
        declare_usual();
        declare(keep);
        attach(worker_id{1}, {"build"}, 100);
    }
    void declare(keep_spec keep) {
        run({tenant_op{.version = ++version, .spec = {.name = "acme", .keep = keep, .types = {"*"}}}});
    }
    job_id ended(outcome how, submit_op s = {}, report_op r = {}) {
        const job_id id = submit(std::move(s));
        r.permanent = true;
        report(id, how, std::move(r));
        return id;
    }
    std::uint64_t version = 1;
};

} // namespace

BOOST_AUTO_TEST_SUITE(machine_retention, *boost::unit_test::label("one_thread"))

BOOST_AUTO_TEST_CASE(an_ended_job_goes_when_its_time_is_over_and_its_evidence_stays) {
    kept_world w;
    const job_id good = w.ended(outcome::SUCCEEDED, {.payload = std::string(3000, ' ') + "1"},
                                {.result = std::string(2000, 'r'), .lines = {0, 1, 2}});
    const job_id bad = w.ended(outcome::FAILED);
    const job_id runs = w.submit();
    w.pass(seconds{59});
    w.upkeep();
    BOOST_TEST(w.exists(good));
    w.pass(seconds{6}); // a tenth of the shortest time is the longest that a sweep is late
    w.upkeep();
    BOOST_TEST((!w.exists(good) && w.exists(bad) && w.exists(runs)));
    BOOST_TEST((w.rows(table::payloads) == 0U && w.rows(table::results) == 0U && w.rows(table::logs) == 0U));
    BOOST_TEST(w.evidence().size() == 2U);
    BOOST_TEST(w.machine().book().tenants().at(tenant_id{1}).types.at(type_id{1}).in(job_state::SUCCEEDED) == 0U);
    w.pass(hours{25});
    w.upkeep();
    BOOST_TEST((!w.exists(bad) && w.exists(runs)));
    BOOST_TEST(w.evidence().size() == 2U);
}

BOOST_AUTO_TEST_CASE(nothing_is_swept_where_nothing_is_declared) {
    kept_world w(keep_spec{});
    w.ended(outcome::SUCCEEDED);
    w.pass(hours{10'000});
    BOOST_TEST(!w.machine().next_due(*w.data().begin_read()).has_value());
    BOOST_TEST(upkeep_of(w.machine(), std::nullopt, w.now(), 1000).empty());
    w.declare({.succeeded = hours{1}}); // and acts at once, on what is there
    w.upkeep();
    BOOST_TEST(w.rows(table::jobs) == 0U);
}

BOOST_AUTO_TEST_CASE(a_sweep_goes_on_without_room) {
    kept_world w;
    w.ended(outcome::SUCCEEDED);
    w.pass(seconds{70});
    BOOST_TEST((w.machine().next_due(*w.data().begin_read(), false) <= w.now()));
    const auto proposals = upkeep_of(w.machine(), std::nullopt, w.now(), 1000, 0);
    BOOST_REQUIRE(proposals.size() == 1U);
    BOOST_TEST(!proposals.front()->grows());
}

BOOST_AUTO_TEST_CASE(many_go_in_slices_and_then_there_is_a_pause) {
    kept_world w;
    constexpr std::size_t count = limits::sweep_jobs_max * 2 + 10;
    for (std::size_t i = 0; i < count; ++i) w.ended(outcome::SUCCEEDED);
    w.pass(seconds{70});
    w.run({sweep_op{}});
    BOOST_TEST(w.rows(table::jobs) == count - limits::sweep_jobs_max);
    BOOST_TEST((w.machine().sweeps().due(w.now()).has_value()));
    w.upkeep();
    BOOST_TEST(w.rows(table::jobs) == 0U);
    BOOST_TEST((w.machine().sweeps().next_due() == w.now() + seconds{6}));
}

BOOST_AUTO_TEST_CASE(what_was_erased_makes_room_for_what_comes) {
    const scratch_directory directory;
    kept_world w({.succeeded = seconds{60}}, open_or_fail(options_for(directory.path())));
    const auto pages = [&] {
        const store_stats s = w.data().stats();
        return (s.used_bytes + s.free_bytes) / s.page_bytes;
    };
    std::uint64_t after_first = 0;
    for (int round = 0; round < 4; ++round) {
        for (int i = 0; i < 100; ++i) w.ended(outcome::SUCCEEDED, {.payload = '"' + std::string(8000, 'p') + '"'});
        w.pass(seconds{70});
        w.upkeep();
        BOOST_TEST(w.rows(table::jobs) == 0U);
        if (round == 0) after_first = pages();
    }
    // Evidence and events are all that grows.
    BOOST_TEST(pages() < after_first + after_first / 4, pages() << " pages after " << after_first);
}

BOOST_AUTO_TEST_CASE(a_job_is_kept_as_long_as_its_key_answers_with_it) {
    kept_world w;
    const job_id keyed = w.ended(outcome::SUCCEEDED, {.key = "once"});
    w.pass(hours{23});
    w.upkeep();
    BOOST_TEST(w.exists(keyed));
    const auto again = w.one(submit_op{.job = w.new_id(), .key = "once"});
    BOOST_TEST((again.existing && again.job == keyed));
    w.pass(hours{1});
    w.upkeep();
    w.pass(seconds{6});
    w.upkeep();
    BOOST_TEST(!w.exists(keyed));
    BOOST_TEST((w.rows(table::idempotency) == 0U && w.rows(table::timers) == 0U));
}

BOOST_AUTO_TEST_CASE(deleting_erases_at_once_and_says_who_and_why) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id id = w.submit({.key = "once"});
    BOOST_TEST((w.one(delete_op{id, {}}).code == errc::illegal_transition));
    w.report(id, outcome::SUCCEEDED);
    BOOST_TEST((w.one(delete_op{id, "a wrong upload"}).code == errc::ok));
    BOOST_TEST(!w.exists(id));
    BOOST_TEST((w.one(delete_op{id, {}}).code == errc::not_found));
    const auto proof = w.evidence().back();
    BOOST_TEST((proof.kind == rec::EvidenceRow::Kind::JOB_DELETED && proof.state == job_state::SUCCEEDED));
    BOOST_TEST(proof.detail == "a wrong upload");
    BOOST_TEST(w.rows(table::timers) == 0U);
    BOOST_TEST(!w.one(submit_op{.job = w.new_id(), .key = "once"}).existing); // its key went with it
}

BOOST_AUTO_TEST_CASE(the_lines_of_a_talkative_job_go_a_batch_at_a_time) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id id = w.submit();
    constexpr std::uint32_t attempts = 3;
    for (std::uint32_t attempt = 1; attempt <= attempts; ++attempt) {
        report_op r{.attempt = attempt, .code = errc::exit_status};
        for (std::uint64_t n = 0; n < limits::log_lines_per_attempt_max; ++n) r.lines.push_back(n);
        r.retry_after_ms = 0;
        w.report(id, outcome::FAILED, r);
    }
    BOOST_REQUIRE(w.job(id).state == job_state::FAILED);
    BOOST_REQUIRE(w.rows(table::logs) == attempts * limits::log_lines_per_attempt_max);
    w.one(delete_op{id, {}});
    BOOST_TEST(!w.exists(id));
    BOOST_TEST(w.rows(table::logs) == (attempts - 1) * limits::log_lines_per_attempt_max);
    w.tick(); // one slice a tick, whatever is due
    BOOST_TEST(w.rows(table::logs) == (attempts - 2) * limits::log_lines_per_attempt_max);
    w.tick();
    w.tick();
    BOOST_TEST((w.rows(table::logs) == 0U && w.rows(table::timers) == 0U));
}

BOOST_AUTO_TEST_CASE(a_job_is_not_deleted_while_its_children_are_told) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id parent = w.submit();
    std::vector<op> children;
    for (std::size_t i = 0; i < limits::children_per_step + 1; ++i)
        children.push_back(submit_op{.job = w.new_id(), .after = {parent}, .run_anyway = true});
    w.run(children);
    w.report(parent, outcome::SUCCEEDED);
    BOOST_TEST((w.one(delete_op{parent, {}}).code == errc::conflict));
    w.tick();
    BOOST_TEST((w.one(delete_op{parent, {}}).code == errc::ok));
}

BOOST_AUTO_TEST_CASE(a_child_that_ended_first_is_forgotten_by_its_parent) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id parent = w.submit(), child = w.submit({.after = {parent}});
    w.one(cancel_op{child, {}});
    BOOST_TEST((w.one(delete_op{child, {}}).code == errc::ok));
    BOOST_TEST(w.rows(table::dependents) == 0U);
    BOOST_TEST(w.job(parent).children == 0U);
    w.report(parent, outcome::SUCCEEDED);
    BOOST_TEST((w.one(delete_op{parent, {}}).code == errc::ok));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(machine_redrive)

BOOST_AUTO_TEST_CASE(a_failed_job_is_done_again_once_as_a_new_job) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id old = w.submit({.payload = "{}"});
    w.report(old, outcome::FAILED, {.code = errc::exit_status, .permanent = true});
    const auto first = w.one(submit_op{.job = w.new_id(), .redrives = old});
    BOOST_TEST((first.code == errc::ok && !first.existing));
    BOOST_TEST((w.job(first.job).state == job_state::RUNNING));
    BOOST_TEST((w.job(old).state == job_state::FAILED)); // it stays what it is
    const auto second = w.one(submit_op{.job = w.new_id(), .redrives = old});
    BOOST_TEST((second.code == errc::ok && second.existing && second.job == first.job));
    w.reload();
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .redrives = old}).job == first.job));
    BOOST_TEST(w.rows(table::jobs) == 2U);
}

BOOST_AUTO_TEST_CASE(only_what_failed_or_was_cancelled_is_redriven) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id id = w.submit();
    const auto redrive = [&](const job_id& old) { return w.one(submit_op{.job = w.new_id(), .redrives = old}); };
    BOOST_TEST((redrive(id).code == errc::illegal_transition));
    w.report(id, outcome::SUCCEEDED);
    BOOST_TEST((redrive(id).code == errc::illegal_transition));
    BOOST_TEST((redrive(w.new_id()).code == errc::not_found));
    BOOST_TEST((redrive(w.new_id(tenant_id{2})).code == errc::not_found)); // another tenant's
    const job_id cancelled = w.submit({.not_before_us = to_us(w.now() + std::chrono::hours{1})});
    w.one(cancel_op{cancelled, {}});
    BOOST_TEST((redrive(cancelled).code == errc::ok));
}

// Nobody mints an id twice, but whoever does harms nothing, and the check does not take it for damage.
BOOST_AUTO_TEST_CASE(an_id_that_comes_again_after_its_job_was_deleted_is_a_new_job) {
    world w;
    w.declare_usual();
    const submit_op first = w.spec(), second = w.spec();
    w.run({graph_op{.jobs = {first, second}}});
    w.one(cancel_op{second.job, {}});
    BOOST_TEST((w.one(delete_op{second.job, {}}).code == errc::ok));
    w.pass(microseconds{1});
    w.run({second}); // its graph names it yet
    BOOST_TEST((w.job(second.job).state == job_state::QUEUED));
    w.one(cancel_op{second.job, {}});
    w.one(delete_op{second.job, {}});
    w.run({second}); // in the same microsecond as its end before
    w.one(cancel_op{second.job, {}});
    BOOST_TEST((w.job(second.job).state == job_state::CANCELLED));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
