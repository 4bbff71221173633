// How much of the event feed is kept.
#include "persistence/keys.hpp"
#include "tests/actors/journal/commit_bench.hpp"

namespace coppice::testing {

BOOST_AUTO_TEST_SUITE(event_feed)

BOOST_AUTO_TEST_CASE(the_event_feed_is_pruned_to_what_is_kept_and_catches_up_after_a_flood) {
    commit_bench b;
    b.job_options.events_kept = 100;
    b.commits = std::make_unique<group_commit>(b.job_options);
    const auto flood = [&](std::size_t events) {
        std::vector<op> ops;
        for (std::size_t i = 0; i < events; ++i) {
            const submit_op s = b.submission();
            ops.push_back(s);
            ops.push_back(cancel_op{s.job, ""}); // ends, which is an event
        }
        b.propose(ops);
        std::ranges::move(b.commits->upkeep(b.now), std::back_inserter(b.waiting));
        b.run();
    };
    const auto rows = [&] { return count_rows(*b.data->begin_read(), table::events, keys::shard(test_shard)); };
    const std::uint64_t most = 100 + limits::events_pruned_at_once;
    flood(most - 1);
    BOOST_TEST(b.commits->upkeep(b.now).empty());
    BOOST_TEST(rows() == most - 1);
    for (int i = 0; i < 5; ++i) flood(limits::batch_commands_max);
    const std::uint64_t newest = b.commits->machine().next_event() - 1;
    BOOST_TEST(newest == most - 1 + 5 * limits::batch_commands_max);
    BOOST_TEST(rows() < most + limits::batch_commands_max); // what the last flood brought, at the most
    flood(0);
    flood(1);
    BOOST_TEST(rows() < most);
    BOOST_TEST(rows() >= 100U);
    b.require_sound();
    b.commits = std::make_unique<group_commit>(b.job_options); // a restart knows what is left
    BOOST_TEST(b.commits->machine().events() == rows());
    BOOST_TEST(b.commits->machine().next_event() == newest + 2);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
