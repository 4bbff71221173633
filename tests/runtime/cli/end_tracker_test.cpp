#include "runtime/cli/end_tracker.hpp"

#include <boost/test/unit_test.hpp>
#include <random>

namespace coppice::cli {
namespace {

job_id id(std::uint64_t n) { return job_id::make(1'790'000'000'000, {1}, {2}, n); }

} // namespace

BOOST_AUTO_TEST_SUITE(cli_end_tracker)

BOOST_AUTO_TEST_CASE(an_end_that_comes_before_the_answer_counts) {
    end_tracker ends;
    const auto ticket = ends.sending();
    ends.ended(id(1), true);
    ends.answered(ticket, std::vector{id(1), id(2)});
    BOOST_TEST(ends.ended_count() == 1U);
    BOOST_TEST(ends.awaited_count() == 1U);
    ends.ended(id(2), false);
    BOOST_TEST(ends.ended_count() == 2U);
    BOOST_TEST(ends.failed_count() == 1U);
    BOOST_TEST(ends.awaited_count() == 0U);
}

BOOST_AUTO_TEST_CASE(ends_of_others_are_forgotten_once_no_answer_can_name_them) {
    end_tracker ends;
    const auto first = ends.sending();
    ends.ended(id(100), true);
    const auto second = ends.sending();
    ends.ended(id(101), true);
    BOOST_TEST(ends.kept_early() == 2U);
    ends.answered(second, {});
    BOOST_TEST(ends.kept_early() == 2U); // the first may still name them
    ends.answered(first, {});
    BOOST_TEST(ends.kept_early() == 0U);
    ends.ended(id(102), true);
    BOOST_TEST(ends.kept_early() == 0U);
    BOOST_TEST(ends.ended_count() == 0U);
}

BOOST_AUTO_TEST_CASE(an_end_told_twice_counts_once) {
    end_tracker ends;
    ends.answered(ends.sending(), std::vector{id(1), id(1)});
    ends.ended(id(1), true);
    ends.ended(id(1), false);
    BOOST_TEST(ends.accepted_count() == 1U);
    BOOST_TEST(ends.ended_count() == 1U);
    BOOST_TEST(ends.failed_count() == 0U);
}

BOOST_AUTO_TEST_CASE(in_any_order_every_job_is_counted_exactly_once) {
    const auto seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937_64 random(seed);
    for (int round = 0; round < 200; ++round) {
        end_tracker ends;
        struct call {
            std::uint64_t ticket;
            std::vector<job_id> ids;
        };
        std::vector<call> open;
        std::vector<job_id> committed; // an end may come from here on
        std::uint64_t next = 0, failed = 0;
        for (int step = 0; step < 300; ++step) {
            const auto what = random() % 3;
            if (what == 0 && open.size() < 8) {
                open.push_back({ends.sending(), {}});
                for (auto n = random() % 5; n-- > 0;) {
                    open.back().ids.push_back(id(next++));
                    committed.push_back(open.back().ids.back());
                }
            } else if (what == 1 && !open.empty()) {
                const auto at = static_cast<std::ptrdiff_t>(random() % open.size());
                ends.answered(open[static_cast<std::size_t>(at)].ticket, open[static_cast<std::size_t>(at)].ids);
                open.erase(open.begin() + at);
            } else if (!committed.empty()) {
                const auto at = static_cast<std::ptrdiff_t>(random() % committed.size());
                const bool ok = random() % 4 != 0;
                failed += ok ? 0 : 1;
                ends.ended(committed[static_cast<std::size_t>(at)], ok);
                committed.erase(committed.begin() + at);
                ends.ended(id(1'000'000 + random() % 1000), true); // somebody else's
            }
        }
        for (const call& c : open) ends.answered(c.ticket, c.ids);
        BOOST_REQUIRE_EQUAL(ends.awaited_count(), committed.size());
        BOOST_REQUIRE_EQUAL(ends.accepted_count(), next);
        BOOST_REQUIRE_EQUAL(ends.ended_count(), next - committed.size());
        BOOST_REQUIRE_EQUAL(ends.failed_count(), failed);
        BOOST_REQUIRE_EQUAL(ends.kept_early(), 0U);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::cli
