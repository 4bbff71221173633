// Schedules in the machine: runs at their times, what becomes of times that meet a run or pass without a node, and
// that no time makes two runs.
#include "actors/journal/batch_rules.hpp"
#include "schema/wire_ids.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

struct scheduled : world {
    scheduled() {
        declare_usual();
        attach(worker_id{1}, {"build"}, 100);
        set_clock(*parse_rfc3339("2026-05-04T12:00:30Z"));
    }
    void declare(schedule_spec spec) {
        spec.name = "nightly";
        spec.type = "build";
        if (spec.timing.cron.empty() && spec.timing.every.count() == 0) spec.timing.cron = "* * * * *";
        last_ = spec;
        run({schedule_op{.version = ++version_, .spec = spec}});
        upkeep();
    }
    void pause(bool paused) {
        schedule_spec spec = last_;
        spec.paused = paused;
        declare(spec);
    }
    void after(microseconds time) {
        pass(time);
        upkeep();
    }
    template <class Get>
    auto row(Get&& get) {
        const auto tables = data().begin_read();
        record_reader<rec::ScheduleRow> reader;
        return get(reader.read(*tables->get(table::schedules, keys::schedule(test_shard, schedule_id{1}))));
    }
    std::uint64_t runs() {
        return row([](auto r) { return r.getRuns(); });
    }
    std::uint64_t missed() {
        return row([](auto r) { return r.getMissed(); });
    }
    std::uint64_t overlapped() {
        return row([](auto r) { return r.getOverlapped(); });
    }
    job_id last() {
        return row([](auto r) { return read_id(r.getLastJob()); });
    }
    void end_last() { report(last(), outcome::SUCCEEDED); }

  private:
    schedule_spec last_;
    std::uint64_t version_ = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(machine_schedules)

BOOST_AUTO_TEST_CASE(a_run_is_made_at_its_time_and_starts_in_the_same_commit) {
    scheduled w;
    w.declare({.payload = R"({"n":1})"});
    BOOST_TEST(w.runs() == 0U);
    BOOST_TEST((w.machine().next_due(*w.data().begin_read()) == w.now() + seconds{30}));
    w.after(seconds{29});
    BOOST_TEST(w.runs() == 0U);
    w.after(seconds{1});
    BOOST_TEST(w.runs() == 1U);
    BOOST_TEST((w.job(w.last()).state == job_state::RUNNING));
    BOOST_TEST(w.out().starts.at(0).work.payload == R"({"n":1})");
    w.end_last();
    w.after(minutes{1});
    BOOST_TEST(w.runs() == 2U);
}

BOOST_AUTO_TEST_CASE(no_time_makes_two_runs_over_restarts_and_commands_that_come_twice) {
    scheduled w;
    w.declare({.overlap = overlap_policy::allow});
    w.pass(seconds{30});
    const auto again = upkeep_of(w.machine(), w.now(), w.now(), 1000);
    w.upkeep();
    w.reload();
    w.upkeep();
    BOOST_TEST(w.runs() == 1U);
    // What another primary found at the same time, too late.
    const auto t = w.data().begin_write();
    batch_output out;
    w.machine().begin(*t, w.now(), out);
    for (const proposal_ptr& p : again) BOOST_REQUIRE(apply_proposal(*p, w.machine(), out));
    w.machine().finish();
    BOOST_REQUIRE(t->commit().has_value());
    BOOST_TEST(std::ranges::any_of(out.results, [](const auto& r) { return r.code == errc::conflict; }));
    BOOST_TEST(w.runs() == 1U);
    BOOST_TEST(w.rows(table::jobs) == 1U);
}

BOOST_AUTO_TEST_CASE(a_time_that_meets_a_run_is_skipped_buffered_made_or_takes_its_place) {
    const auto at_two_more_times = [](overlap_policy policy) {
        auto w = std::make_unique<scheduled>();
        w->declare({.overlap = policy});
        w->after(seconds{30});
        w->after(minutes{1});
        w->after(minutes{1});
        return w;
    };
    const auto skip = at_two_more_times(overlap_policy::skip);
    BOOST_TEST((skip->runs() == 1U && skip->overlapped() == 2U));
    skip->end_last();
    BOOST_TEST(skip->runs() == 1U);

    const auto buffer = at_two_more_times(overlap_policy::buffer_one);
    BOOST_TEST((buffer->runs() == 1U && buffer->overlapped() == 1U));
    const job_id first = buffer->last();
    buffer->end_last();
    BOOST_TEST(buffer->runs() == 2U);
    BOOST_TEST((buffer->last() != first && buffer->job(buffer->last()).state == job_state::RUNNING));
    buffer->end_last();
    BOOST_TEST(buffer->runs() == 2U);

    BOOST_TEST(at_two_more_times(overlap_policy::allow)->runs() == 3U);

    const auto cancel = at_two_more_times(overlap_policy::cancel_other);
    BOOST_TEST(cancel->runs() == 3U);
    BOOST_TEST(cancel->out().cancels.size() == 1U); // of the last batch
    BOOST_TEST(!cancel->job(cancel->last()).cancel_requested);
}

BOOST_AUTO_TEST_CASE(three_hours_without_a_node_give_none_one_or_all_and_no_time_twice) {
    const auto asleep = [](missed_policy policy, milliseconds catch_up) {
        auto w = std::make_unique<scheduled>();
        w->declare({.overlap = overlap_policy::allow, .missed = policy, .catch_up = catch_up});
        w->pass(hours{3});
        w->reload();
        w->attach(worker_id{1}, {"build"}, 100);
        w->upkeep();
        return w;
    };
    const auto skip = asleep(missed_policy::skip, hours{24});
    BOOST_TEST((skip->runs() == 0U && skip->missed() == 180U));
    skip->after(seconds{30});
    BOOST_TEST(skip->runs() == 1U);
    const auto one = asleep(missed_policy::one, hours{24});
    BOOST_TEST((one->runs() == 1U && one->missed() == 179U));
    BOOST_TEST(
        one->row([](auto r) { return to_rfc3339(from_us(r.getLastUs())); }).starts_with("2026-05-04T15:00:00"));
    const auto all = asleep(missed_policy::all, hours{24});
    BOOST_TEST((all->runs() == 180U && all->missed() == 0U));
    BOOST_TEST(all->rows(table::jobs) == 180U);
    const auto window = asleep(missed_policy::all, hours{1});
    BOOST_TEST((window->runs() == 60U && window->missed() == 120U));
}

BOOST_AUTO_TEST_CASE(what_passes_in_a_pause_is_not_made_up_for) {
    scheduled w;
    w.declare({.overlap = overlap_policy::allow, .missed = missed_policy::all});
    w.pause(true);
    BOOST_TEST(!w.machine().next_due(*w.data().begin_read()).has_value());
    w.after(hours{1});
    w.pause(false);
    BOOST_TEST((w.runs() == 0U && w.missed() == 0U));
    w.after(seconds{30});
    BOOST_TEST(w.runs() == 1U);
    // Another payload leaves the next time as it is; another timing is found from the present on.
    w.declare({.payload = "7", .overlap = overlap_policy::allow});
    w.after(minutes{1});
    BOOST_TEST(w.runs() == 2U);
    w.declare({.timing = {.cron = "0 * * * *"}, .overlap = overlap_policy::allow});
    w.after(minutes{5});
    BOOST_TEST(w.runs() == 2U);
}

BOOST_AUTO_TEST_CASE(a_run_by_hand_is_made_whatever_the_times_are) {
    scheduled w;
    w.declare({.paused = true});
    BOOST_TEST(w.runs() == 0U);
    const job_id id = w.new_id();
    const command_result made = w.one(run_schedule_op{.job = id});
    BOOST_TEST((made.code == errc::ok && made.job == id));
    BOOST_TEST(w.runs() == 1U);
    BOOST_TEST((w.one(run_schedule_op{.schedule = schedule_id{9}, .job = w.new_id()}).code == errc::not_found));
    w.run({tenant_op{.version = 2, .spec = {.name = "acme", .queued_max = 1, .types = {"other"}}}});
    BOOST_TEST((w.one(run_schedule_op{.job = w.new_id()}).code == errc::type_not_allowed));
}

BOOST_AUTO_TEST_CASE(a_run_that_is_refused_is_counted_and_says_why_and_the_next_comes) {
    scheduled w;
    w.declare({.overlap = overlap_policy::allow});
    w.run({tenant_op{.version = 2, .spec = {.name = "acme", .types = {"other"}}}});
    w.after(seconds{30});
    BOOST_TEST(w.row([](auto r) { return r.getRefused(); }) == 1U);
    BOOST_TEST(w.row([](auto r) { return std::string{r.getErrorMessage().cStr()}; }) != "");
    w.run({tenant_op{.version = 3, .spec = {.name = "acme", .types = {"*"}}}});
    w.after(minutes{1});
    BOOST_TEST(w.runs() == 1U);
}

// Else a shard without room would be woken for it again and again.
BOOST_AUTO_TEST_CASE(where_there_is_no_room_a_time_waits_and_wakes_nobody) {
    scheduled w;
    w.declare({});
    w.pass(minutes{1});
    const auto tables = w.data().begin_read();
    BOOST_TEST((w.machine().next_due(*tables) <= w.now()));
    BOOST_TEST(!w.machine().next_due(*tables, false).has_value());
    BOOST_TEST(upkeep_of(w.machine(), std::nullopt, w.now(), 1000, 0).empty());
    BOOST_TEST(upkeep_of(w.machine(), std::nullopt, w.now(), 1000, 1).size() == 1U);
}

BOOST_AUTO_TEST_CASE(ten_thousand_that_are_due_in_one_second_are_all_made) {
    scheduled w;
    std::vector<op> ops;
    for (std::uint32_t i = 1; i <= 10'000; ++i) {
        schedule_op o{.schedule = schedule_id{i}};
        o.spec.name = "s" + std::to_string(i);
        o.spec.type = "build";
        o.spec.timing.every = minutes{1};
        o.spec.jitter = milliseconds{1000};
        ops.push_back(o);
    }
    w.run(ops);
    // As w.upkeep(), which walks the whole store after each batch.
    const auto batches_until_nothing_is_due = [&] {
        int batches = 0;
        for (; w.machine().schedules().next_due() <= w.now(); ++batches) {
            const auto t = w.data().begin_write();
            batch_output out;
            w.machine().begin(*t, w.now(), out);
            for (const proposal_ptr& p : upkeep_of(w.machine(), w.now(), w.now(), 1'000'000))
                BOOST_REQUIRE(apply_proposal(*p, w.machine(), out));
            w.machine().plan(100);
            w.machine().finish();
            BOOST_REQUIRE(t->commit().has_value());
        }
        return batches;
    };
    constexpr int batches = (10'000 + limits::schedules_per_batch_max - 1) / limits::schedules_per_batch_max;
    BOOST_TEST(batches_until_nothing_is_due() == batches); // their first times are found
    BOOST_TEST(w.rows(table::jobs) == 0U);
    w.pass(seconds{31}); // beyond the jitter of all
    BOOST_TEST(batches_until_nothing_is_due() == batches);
    BOOST_TEST(w.rows(table::jobs) == 10'000U);
    require_sound(*w.data().begin_read(), w.machine());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
