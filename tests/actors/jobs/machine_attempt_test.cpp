// Attempts: start, report, cancel, loss, adoption.
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

// A world with one worker of ten slots.
struct at_work : world {
    at_work() {
        declare_usual();
        attach(worker_id{1}, {"build"}, 10);
    }
    // Declares type 1 anew.
    void redeclare(job_type_spec spec) {
        spec.name = "build";
        run({type_op{.version = ++version, .spec = spec}});
    }
    job_id submit_now() { return submit({.version = static_cast<std::uint32_t>(version)}); }
    std::uint64_t version = 1;
};

} // namespace

BOOST_AUTO_TEST_SUITE(attempts)

BOOST_AUTO_TEST_CASE(a_success_ends_the_job_with_its_result_evidence_and_event) {
    at_work w;
    const job_id id = w.submit();
    w.report(id, outcome::SUCCEEDED, {.result = "done"});
    const job_view j = w.job(id);
    BOOST_TEST((j.state == job_state::SUCCEEDED));
    BOOST_TEST(j.result == "done");
    BOOST_TEST(j.result_size == 4U);
    BOOST_TEST(w.rows(table::evidence) == 1U);
    BOOST_TEST(w.rows(table::events) == 1U);
    BOOST_TEST(w.rows(table::running) == 0U);
    BOOST_TEST(w.rows(table::timers) == 0U);
    BOOST_TEST(!w.out().ends.at(0).revoke);
}

BOOST_AUTO_TEST_CASE(a_large_result_is_kept_apart_and_one_too_large_fails_for_good) {
    at_work w;
    const job_id large = w.submit();
    w.report(large, outcome::SUCCEEDED, {.result = std::string(100'000, 'r')});
    BOOST_TEST(w.job(large).result_size == 100'000U);
    BOOST_TEST(w.job(large).result.empty());
    BOOST_TEST(w.rows(table::results) == 1U);

    w.redeclare({.attempts_max = 3, .result_bytes_max = 10});
    const job_id over = w.submit_now();
    w.report(over, outcome::SUCCEEDED, {.result = std::string(11, 'r')});
    BOOST_TEST((w.job(over).state == job_state::FAILED));
    BOOST_TEST((w.job(over).code == errc::result_too_large));
    BOOST_TEST((w.out().ends.at(0).code == errc::result_too_large));
    BOOST_TEST((w.evidence().back().code == errc::result_too_large));
    BOOST_TEST(w.rows(table::results) == 1U);
}

BOOST_AUTO_TEST_CASE(a_stale_attempts_report_changes_nothing) {
    at_work w;
    const job_id id = w.submit();
    w.report(id, outcome::FAILED); // tried again at once: attempt 2
    const job_view before = w.job(id);
    BOOST_TEST(before.attempt == 2U);
    for (const std::uint32_t stale : {0U, 1U, 3U}) {
        const auto r = w.one(report_op{.job = id, .attempt = stale, .result = "old", .lines = {1, 2}});
        BOOST_TEST((r.code == errc::stale_attempt));
        BOOST_TEST(w.out().stale_reports == 1U);
    }
    BOOST_TEST(w.job(id).revision == before.revision);
    BOOST_TEST(w.rows(table::logs) == 0U);
    w.report(id, outcome::SUCCEEDED);
    BOOST_TEST((w.one(report_op{.job = id, .attempt = 2, .what = outcome::FAILED}).code == errc::stale_attempt));
    BOOST_TEST((w.job(id).state == job_state::SUCCEEDED));
    BOOST_TEST((w.one(report_op{.job = w.new_id()}).code == errc::stale_attempt));
}

BOOST_AUTO_TEST_CASE(a_failed_attempt_is_tried_again_until_the_tries_are_used_up) {
    at_work w;
    const job_id id = w.submit();
    for (std::uint32_t n = 1; n <= 3; ++n) {
        BOOST_TEST(w.job(id).attempt == n);
        w.report(id, outcome::FAILED, {.code = errc::exit_status, .message = "status " + std::to_string(n)});
    }
    const job_view j = w.job(id);
    BOOST_TEST((j.state == job_state::FAILED));
    BOOST_TEST(j.tries == 3U);
    BOOST_TEST(j.history == 3U);
    BOOST_TEST(j.message == "status 3");
    BOOST_TEST((w.evidence().back().code == errc::exit_status));
}

BOOST_AUTO_TEST_CASE(a_failure_that_names_no_code_is_recorded_as_one_all_the_same) {
    at_work w;
    const job_id id = w.submit();
    w.report(id, outcome::FAILED, {.permanent = true});
    BOOST_TEST((w.job(id).code == errc::job_failed));
    BOOST_TEST((w.evidence().back().code == errc::job_failed));
    const job_id late = w.submit();
    w.report(late, outcome::TIMED_OUT, {.permanent = true});
    BOOST_TEST((w.job(late).code == errc::timeout_attempt));
}

BOOST_AUTO_TEST_CASE(a_permanent_failure_is_not_tried_again) {
    at_work w;
    const job_id id = w.submit();
    w.report(id, outcome::FAILED, {.code = errc::job_failed, .permanent = true});
    BOOST_TEST((w.job(id).state == job_state::FAILED));
    BOOST_TEST(w.job(id).tries == 1U);
}

BOOST_AUTO_TEST_CASE(a_failed_attempt_waits_as_the_type_says_or_as_it_says_itself) {
    at_work w;
    w.redeclare({.attempts_max = 9, .retry = {milliseconds{1000}, milliseconds{8000}}});
    const job_id id = w.submit_now();
    for (std::uint32_t n = 1; n <= 5; ++n) {
        w.report(id, outcome::FAILED);
        const job_view j = w.job(id);
        if (j.state == job_state::SCHEDULED) {
            BOOST_TEST(j.due_us > to_us(w.now()));
            BOOST_TEST(j.due_us <=
                       to_us(w.now() + std::min(milliseconds{1000} * (1 << (n - 1)), milliseconds{8000})));
            w.set_clock(from_us(j.due_us) - microseconds{1});
            w.tick();
            BOOST_TEST((w.job(id).state == job_state::SCHEDULED));
            w.pass(microseconds{1});
            w.tick();
        }
        BOOST_TEST((w.job(id).state == job_state::RUNNING));
    }
    w.report(id, outcome::FAILED, {.retry_after_ms = 123'456});
    BOOST_TEST(w.job(id).due_us == to_us(w.now() + milliseconds{123'456}));
    w.pass(milliseconds{123'456});
    w.tick();
    w.report(id, outcome::FAILED, {.retry_after_ms = 0});
    BOOST_TEST((w.job(id).state == job_state::RUNNING)); // at once
    w.report(id, outcome::FAILED, {.retry_after_ms = std::numeric_limits<std::int64_t>::max()});
    BOOST_TEST(w.job(id).due_us == to_us(w.now() + limits::delay_max));
}

BOOST_AUTO_TEST_CASE(a_lost_attempt_is_no_try_and_keeps_the_jobs_place_twice_and_is_not_tried_for_ever) {
    at_work w;
    const job_id id = w.submit();
    const std::int64_t place = w.job(id).ready_us;
    for (std::uint32_t n = 1; n <= limits::attempts_lost_max; ++n) {
        w.pass(milliseconds{1000});
        w.report(id, outcome::LOST);
        BOOST_TEST(w.out().ends.at(0).revoke);
        if (n <= 2) {
            BOOST_TEST(w.job(id).ready_us == place);
        } else { // it is waited with
            BOOST_TEST((w.job(id).state == job_state::SCHEDULED));
            const milliseconds pause =
                std::chrono::duration_cast<milliseconds>(from_us(w.job(id).due_us) - w.now());
            BOOST_TEST(pause.count() == std::min(100LL << (n - 3), 10'000LL));
            w.pass(pause);
            w.one(tick_op{});
        }
        BOOST_TEST((w.job(id).state == job_state::RUNNING));
    }
    BOOST_TEST(w.job(id).tries == 0U);
    BOOST_TEST(w.job(id).lost == limits::attempts_lost_max);
    BOOST_TEST(w.job(id).history == limits::history_max); // the oldest were dropped
    w.report(id, outcome::LOST);
    BOOST_TEST((w.job(id).state == job_state::FAILED));
    BOOST_TEST((w.evidence().back().code == errc::worker_lost));
}

BOOST_AUTO_TEST_CASE(a_worker_whose_heartbeat_stopped_gets_nothing_until_it_is_offered_again) {
    at_work w;
    w.redeclare({.attempts_max = 3, .retry = {milliseconds{0}, milliseconds{0}}});
    const job_id id = w.submit_now();
    w.report(id, outcome::TIMED_OUT, {.code = errc::timeout_heartbeat});
    const job_id next = w.submit_now();
    BOOST_TEST((w.job(id).state == job_state::QUEUED));
    BOOST_TEST((w.job(next).state == job_state::QUEUED));
    w.attach(worker_id{1}, {"build"}, 10);
    w.tick();
    BOOST_TEST((w.job(id).state == job_state::RUNNING));
    BOOST_TEST((w.job(next).state == job_state::RUNNING));
    // One that was merely slow is told so, and goes on with the next.
    w.report(id, outcome::TIMED_OUT, {.code = errc::timeout_attempt});
    BOOST_TEST((w.job(id).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_waiting_job_is_cancelled_at_once_and_says_who_wanted_it) {
    at_work w;
    w.machine().detach_worker(worker_id{1});
    const job_id id = w.submit();
    BOOST_TEST((w.one(cancel_op{id, "no longer wanted"}).code == errc::ok));
    BOOST_TEST((w.job(id).state == job_state::CANCELLED));
    BOOST_TEST(w.job(id).message == "cancelled by operator: no longer wanted");
    BOOST_TEST((w.evidence().back().code == errc::cancelled));
    BOOST_TEST(w.rows(table::queue) == 0U);
    BOOST_TEST((w.one(cancel_op{id, ""}).code == errc::illegal_transition));
    BOOST_TEST((w.one(cancel_op{w.new_id(), ""}).code == errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_running_job_is_told_to_stop_once_and_may_still_succeed) {
    at_work w;
    const job_id id = w.submit();
    w.one(cancel_op{id, ""});
    BOOST_REQUIRE(w.out().cancels.size() == 1U);
    BOOST_TEST((w.out().cancels[0].ref == attempt_ref{id, 1}));
    w.one(cancel_op{id, ""});
    BOOST_TEST(w.out().cancels.empty());
    w.report(id, outcome::SUCCEEDED, {.result = "just in time"});
    BOOST_TEST((w.job(id).state == job_state::SUCCEEDED));
}

BOOST_AUTO_TEST_CASE(a_job_that_was_told_to_stop_ends_cancelled_and_keeps_who_wanted_it) {
    for (const outcome how : {outcome::CANCELLED, outcome::FAILED, outcome::TIMED_OUT, outcome::LOST}) {
        at_work w;
        const job_id id = w.submit();
        w.one(cancel_op{id, "no longer wanted"});
        w.report(id, how, {.code = errc::killed_by_signal, .message = "signal 9"});
        const job_view j = w.job(id);
        BOOST_TEST((j.state == job_state::CANCELLED));
        BOOST_TEST((j.code == errc::cancelled));
        BOOST_TEST(j.message == "cancelled by operator: no longer wanted");
        BOOST_TEST(j.last_end == "signal 9");
        BOOST_TEST((w.evidence().back().code == errc::cancelled));
        BOOST_TEST(w.evidence().back().detail == j.message);
    }
}

BOOST_AUTO_TEST_CASE(an_attempt_that_says_cancelled_unasked_has_failed) {
    at_work w;
    const job_id id = w.submit();
    w.report(id, outcome::CANCELLED);
    BOOST_TEST(w.job(id).attempt == 2U);
    BOOST_TEST(w.job(id).tries == 1U);
}

BOOST_AUTO_TEST_CASE(an_outcome_of_no_known_kind_is_refused_and_the_attempt_goes_on) {
    at_work w;
    const job_id id = w.submit();
    const auto r = w.one(report_op{.job = id, .attempt = 1, .what = static_cast<outcome>(77), .lines = {1}});
    BOOST_TEST((r.code == errc::invalid_argument));
    BOOST_TEST((w.job(id).state == job_state::RUNNING));
    BOOST_TEST(w.out().ends.empty());
    BOOST_TEST(w.rows(table::logs) == 0U);
}

BOOST_AUTO_TEST_CASE(progress_is_kept_within_its_bounds) {
    at_work w;
    const job_id id = w.submit();
    std::string text(limits::progress_text_size_max - 1, 'x');
    text += "\xc3\xa9 and more"; // the bound falls inside a character
    w.report(id, outcome::NONE, {.progress = 7, .progress_text = text});
    record_reader<rec::JobRow> reader;
    const auto tables = w.data().begin_read();
    const auto row = reader.read(*tables->get(table::jobs, keys::job(id)));
    BOOST_TEST(row.getProgress() == 1.0F);
    const std::string kept = row.getProgressText().cStr();
    BOOST_TEST(kept.size() <= limits::progress_text_size_max);
    BOOST_TEST(kept.ends_with("x..."));
    BOOST_TEST(w.out().changes.size() == 1U);
    w.report(id, outcome::NONE, {.progress = std::numeric_limits<float>::quiet_NaN()});
    BOOST_TEST(w.out().changes.empty());
}

BOOST_AUTO_TEST_CASE(log_lines_beyond_the_bound_drop_the_oldest) {
    at_work w;
    const job_id id = w.submit();
    std::vector<std::uint64_t> lines;
    for (std::uint64_t n = 0; n < limits::log_lines_per_attempt_max + 5; ++n) lines.push_back(n);
    w.report(id, outcome::NONE, {.lines = lines});
    BOOST_TEST(w.rows(table::logs) == limits::log_lines_per_attempt_max);
    BOOST_TEST(w.rows(table::logs, keys::log(id, 1, 4)) == 0U);
    BOOST_TEST(w.rows(table::logs, keys::log(id, 1, 5)) == 1U);
}

// Whatever comes in whatever order and how often: the bytes are counted right, and within the bound but for one
// line.
BOOST_AUTO_TEST_CASE(log_lines_are_bounded_by_bytes_where_their_type_says_so) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    std::mt19937_64 random{seed};
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
        at_work w;
        job_type_spec spec;
        spec.logs = {.lines = 40, .bytes = 200};
        w.redeclare(spec);
        const job_id id = w.submit_now();
        std::uint64_t newest = 0;
        for (int round = 0; round < 300; ++round) {
            report_op r;
            for (std::uint64_t n = random() % 6; n > 0; --n)
                r.lines.push_back(newest + random() % 4 - (newest > 9 ? random() % 9 : 0));
            w.report(id, outcome::NONE, r);
            for (const std::uint64_t line : r.lines) newest = std::max(newest, line);
            record_reader<rec::LogRow> reader;
            const auto tables = w.data().begin_read();
            std::uint64_t bytes = 0, lines = 0, last = 0;
            const row_key prefix = keys::logs_of(id, 1);
            for (auto row = tables->seek(table::logs, prefix); row && has_prefix(row->key, prefix);
                 row = tables->next(table::logs), ++lines) {
                bytes += reader.read(row->value).getText().size();
                last = key_reader{row->key.subspan(prefix.view().size())}.u64();
            }
            record_reader<rec::JobRow> job;
            BOOST_REQUIRE_EQUAL(job.read(*tables->get(table::jobs, keys::job(id))).getLogBytes(), bytes);
            BOOST_REQUIRE(bytes <= 200);
            BOOST_REQUIRE(lines <= 40);
            if (lines > 0) BOOST_REQUIRE_EQUAL(last, newest);
        }
    }
}

BOOST_AUTO_TEST_CASE(the_newest_line_is_kept_though_it_alone_is_too_large) {
    at_work w;
    job_type_spec spec;
    spec.logs = {.lines = 40, .bytes = 3};
    w.redeclare(spec);
    const job_id id = w.submit_now();
    w.report(id, outcome::NONE, {.lines = {1, 2, 3}});
    BOOST_TEST(w.rows(table::logs) == 1U);
    BOOST_TEST(w.rows(table::logs, keys::log(id, 1, 3)) == 1U);
}

BOOST_AUTO_TEST_CASE(gaps_in_the_numbers_of_log_lines_let_no_more_of_them_in) {
    at_work w;
    const job_id id = w.submit();
    for (std::uint64_t n = 0; n < 50; ++n) w.report(id, outcome::NONE, {.lines = {n * 1'000'003}});
    BOOST_TEST(w.rows(table::logs) == 1U);
    w.report(id, outcome::NONE, {.lines = {7, ~std::uint64_t{0}, 8}}); // out of order, and as far as it goes
    BOOST_TEST(w.rows(table::logs) == 1U);
    BOOST_TEST(w.rows(table::logs, keys::log(id, 1, ~std::uint64_t{0})) == 1U);
}

BOOST_AUTO_TEST_CASE(each_attempt_has_its_own_log) {
    at_work w;
    const job_id id = w.submit();
    w.report(id, outcome::FAILED, {.lines = {0, 1}});
    w.report(id, outcome::SUCCEEDED, {.lines = {0, 1, 2}});
    BOOST_TEST(w.rows(table::logs, keys::logs_of(id, 1)) == 2U);
    BOOST_TEST(w.rows(table::logs, keys::logs_of(id, 2)) == 3U);
}

BOOST_AUTO_TEST_CASE(an_attempt_goes_on_under_another_session_and_its_slot_with_it) {
    at_work w;
    const job_id id = w.submit();
    w.machine().detach_worker(worker_id{1});
    BOOST_TEST(w.machine().pool().held(worker_id{1}) == 1U);
    w.attach(worker_id{2}, {"build"}, 1);
    BOOST_TEST((w.one(adopt_op{id, 1, worker_id{2}}).code == errc::ok));
    BOOST_TEST(w.out().adopts.size() == 1U);
    BOOST_TEST(w.machine().pool().held(worker_id{1}) == 0U);
    BOOST_TEST(!w.machine().pool().has_free());
    BOOST_TEST((w.one(adopt_op{id, 2, worker_id{2}}).code == errc::stale_attempt));
    BOOST_TEST((w.one(adopt_op{w.new_id(), 1, worker_id{2}}).code == errc::stale_attempt));
    w.report(id, outcome::SUCCEEDED);
    BOOST_TEST(w.machine().pool().free_slots() == 1U);
}

BOOST_AUTO_TEST_CASE(a_worker_that_attaches_after_a_reload_holds_what_it_still_runs) {
    at_work w;
    w.submit();
    const job_id second = w.submit();
    w.reload();
    w.attach(worker_id{1}, {"build"}, 2);
    BOOST_TEST(!w.machine().pool().has_free());
    w.report(second, outcome::SUCCEEDED);
    BOOST_TEST(w.machine().pool().free_slots() == 1U);
}

BOOST_AUTO_TEST_CASE(a_start_by_command_is_as_good_as_a_planned_one_and_only_once) {
    world w;
    w.declare_usual();
    const job_id id = w.submit();
    BOOST_TEST((w.one(start_op{id, worker_id{9}}).code == errc::ok));
    BOOST_TEST((w.one(start_op{id, worker_id{9}}).code == errc::illegal_transition));
    BOOST_TEST((w.one(start_op{w.new_id(), worker_id{9}}).code == errc::not_found));
    BOOST_TEST(w.job(id).attempt == 1U);
    BOOST_TEST(w.machine().pool().held(worker_id{9}) == 1U);
}

BOOST_AUTO_TEST_CASE(a_message_of_any_length_is_cut_and_marked) {
    at_work w;
    const job_id id = w.submit();
    w.report(id, outcome::FAILED, {.message = std::string(100'000, 'm'), .permanent = true});
    BOOST_TEST(w.job(id).message.size() == limits::error_size_max);
    BOOST_TEST(w.job(id).message.ends_with("m..."));
    BOOST_TEST(w.job(id).last_end.size() <= limits::error_size_max / limits::history_max);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
