// Who waits for whom when thousands of schedules are due at once.
#include "persistence/keys.hpp"
#include "tests/actors/journal/commit_bench.hpp"

namespace coppice::testing {

BOOST_AUTO_TEST_SUITE(schedule_turns_suite)

BOOST_AUTO_TEST_CASE(batches_that_somebody_waits_for_take_some_along) {
    schedule_turns turns;
    const std::optional due{test_start};
    BOOST_TEST(turns.next(3, test_start, due) == limits::schedules_per_batch_min);
    BOOST_TEST(turns.next(3, test_start, due) == limits::schedules_per_batch_min);
    BOOST_TEST(turns.next(3, test_start, due->max()) == 0U); // none is due
    BOOST_TEST(turns.next(3, test_start, std::nullopt) == 0U);
}

BOOST_AUTO_TEST_CASE(alone_they_run_when_nobody_calls_or_nobody_took_them_along) {
    schedule_turns turns;
    const std::optional due{test_start};
    const auto now = test_start;
    const std::size_t alone = turns.next(0, now, due);
    BOOST_TEST(alone > limits::schedules_per_batch_min);
    BOOST_TEST(turns.next(0, now, due) == alone); // nobody ever called: one batch after the other
    (void)turns.next(1, now, due);
    BOOST_TEST(turns.next(0, now + milliseconds{1}, due) == 0U);
    const instant soon = now + schedule_turns::patience;
    BOOST_TEST((turns.not_before(due) == soon));
    BOOST_TEST(turns.next(0, soon, due) == alone);
    BOOST_TEST(turns.next(0, soon, due) == 0U);
    const instant quiet = now + schedule_turns::quiet;
    BOOST_TEST(turns.next(0, quiet, due) == alone);
    BOOST_TEST(turns.next(0, quiet, due) == alone);
}

BOOST_AUTO_TEST_CASE(what_is_late_is_no_longer_polite) {
    schedule_turns turns;
    const std::optional due{test_start};
    const instant late = test_start + schedule_turns::late;
    for (int i = 0; i < 3; ++i) {
        BOOST_TEST(turns.next(1, late, due) == limits::schedules_per_batch_max);
        BOOST_TEST(turns.next(0, late, due) == limits::schedules_per_batch_max);
    }
    // A clock that is set back holds them up no longer than that.
    BOOST_TEST((turns.not_before(test_start - std::chrono::hours{1}) <= test_start));
}

BOOST_AUTO_TEST_CASE(the_slower_a_commit_is_the_more_go_into_one) {
    schedule_turns turns;
    const std::optional due{test_start};
    turns.commit_took(microseconds{600});
    const std::size_t slow = turns.next(1, test_start, due);
    BOOST_TEST(slow > limits::schedules_per_batch_min);
    turns.commit_took(microseconds{60'000'000});
    BOOST_TEST(turns.next(1, test_start, due) > slow);
    BOOST_TEST(turns.next(0, test_start + milliseconds{30}, due) == limits::schedules_per_batch_max);
    turns.commit_took(microseconds{0});
    BOOST_TEST(turns.next(1, test_start, due) == limits::schedules_per_batch_min);
}

// Whoever calls without end gets every batch to himself, but for a few schedules; and the journal is woken when
// they may go on alone, not before.
BOOST_AUTO_TEST_CASE(a_journal_takes_some_along_and_wakes_for_the_rest) {
    commit_bench b;
    b.commits = std::make_unique<group_commit>(b.job_options);
    constexpr std::uint32_t count = 300;
    std::vector<op> ops;
    for (std::uint32_t i = 1; i <= count; ++i) {
        schedule_op o{.schedule = schedule_id{i}};
        o.spec.name = "s" + std::to_string(i);
        o.spec.type = "build";
        o.spec.timing.every = std::chrono::minutes{1};
        ops.push_back(o);
    }
    b.propose(ops);
    b.run();
    const auto jobs = [&] { return count_rows(*b.data->begin_read(), table::jobs, keys::shard(test_shard)); };
    const auto all_planned = [&] { return b.commits->machine().schedules().next_due() > b.now; };
    const auto next_batch = [&] {
        std::ranges::move(b.commits->upkeep(b.now, b.waiting.size()), std::back_inserter(b.waiting));
        b.run();
    };
    b.now += std::chrono::minutes{1};
    while (!all_planned()) next_batch(); // their first times are found
    b.now = *b.commits->machine().schedules().next_due();
    for (std::size_t i = 1; i <= 10; ++i) {
        const std::size_t before = jobs();
        b.propose({b.submission()});
        next_batch();
        BOOST_TEST(jobs() > before + 1);
        BOOST_TEST(jobs() <= before + 1 + limits::schedules_per_batch_max / 4);
        BOOST_TEST((b.commits->next_due() == b.now + schedule_turns::patience));
    }
    BOOST_TEST(!all_planned());
    for (int i = 0; !all_planned() && i < 100; ++i) {
        b.now = std::max(b.now, *b.commits->next_due());
        next_batch();
    }
    BOOST_TEST(jobs() == count + 10);
    b.require_sound();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
