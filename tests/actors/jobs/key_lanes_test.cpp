// Rates and lanes by themselves: when a start may come, and which job is looked at next.
#include <random>

#include "actors/jobs/key_lanes.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

using std::chrono::milliseconds;
using place = key_lanes::place;

const instant opening{std::chrono::seconds{1'800'000'000}};

place at(std::uint64_t rank) { return {rank, job_id::make(1, test_shard, tenant_id{1}, rank)}; }

// What starts within `time`, one each as soon as it may.
std::size_t starts_within(start_meter& meter, const start_rate& rate, instant from, microseconds time) {
    std::size_t count = 0;
    for (instant now = from; now < from + time; now += milliseconds{1})
        while (meter.free_at(rate) <= now) {
            meter.started(rate, now);
            ++count;
        }
    return count;
}

} // namespace

BOOST_AUTO_TEST_SUITE(start_limits_by_themselves)

BOOST_AUTO_TEST_CASE(a_rate_spaces_starts_evenly_and_lets_a_burst_through_after_a_pause) {
    const start_rate even{10, milliseconds{1000}, 1};
    start_meter meter;
    BOOST_TEST((meter.free_at(even) <= opening));
    meter.started(even, opening);
    BOOST_TEST((meter.free_at(even) == opening + milliseconds{100}));
    BOOST_TEST(starts_within(meter, even, opening, std::chrono::seconds{10}) == 99U);

    const start_rate bursting{10, milliseconds{1000}, 5};
    start_meter other;
    for (int i = 0; i < 5; ++i) {
        BOOST_TEST((other.free_at(bursting) <= opening));
        other.started(bursting, opening);
    }
    BOOST_TEST((other.free_at(bursting) == opening + milliseconds{100}));
    BOOST_TEST((other.rested_at(bursting) == opening + milliseconds{500}));
}

BOOST_AUTO_TEST_CASE(a_faster_rate_counts_from_the_last_start_and_none_holds_nothing) {
    const start_rate slow{1, std::chrono::hours{1}, 1};
    start_meter meter;
    meter.started(slow, opening);
    BOOST_TEST((meter.free_at(slow) == opening + std::chrono::hours{1}));
    BOOST_TEST((meter.free_at({10, milliseconds{1000}, 1}) == opening + milliseconds{100}));
    BOOST_TEST((meter.free_at({}) == never));
}

BOOST_AUTO_TEST_CASE(a_full_key_is_set_aside_and_comes_back_at_its_own_place) {
    key_lanes lanes;
    lanes.set_bounds({.by = "k", .running_max = 1}, opening);
    lanes.started(7, opening);
    BOOST_TEST(!lanes.may_start(7, opening));
    BOOST_TEST(lanes.may_start(8, opening));
    lanes.set_aside({at(1), 7}, opening);
    lanes.set_aside({at(2), 7}, opening);
    BOOST_TEST((lanes.read_to() == at(2)));
    BOOST_TEST(!lanes.first_open(opening));
    BOOST_TEST(lanes.shut_out() == 2U);
    lanes.entered(at(0), 7, opening); // one that is tried again, at the place that it had
    lanes.entered(at(5), 7, opening); // behind what was read: it is read in its turn
    lanes.ended(7, opening);
    BOOST_REQUIRE(lanes.first_open(opening));
    BOOST_TEST((lanes.first_open(opening)->at == at(0)));
    lanes.left(at(0), 7, opening);
    BOOST_TEST((lanes.first_open(opening)->at == at(1)));
    BOOST_TEST(lanes.shut_out() == 0U);
    lanes.set_bounds({.by = "k", .running_max = 2}, opening);
    lanes.started(7, opening);
    BOOST_TEST((lanes.first_open(opening)->at == at(1)));
    lanes.started(7, opening);
    BOOST_TEST(!lanes.first_open(opening));
}

BOOST_AUTO_TEST_CASE(a_key_that_only_its_rate_holds_says_when_it_opens) {
    key_lanes lanes;
    lanes.set_bounds({.by = "k", .rate = {1, milliseconds{1000}, 2}}, opening);
    lanes.started(7, opening);
    lanes.ended(7, opening);
    BOOST_TEST(lanes.may_start(7, opening)); // its burst, which is remembered though nothing of it runs or waits
    lanes.started(7, opening);
    lanes.ended(7, opening);
    BOOST_TEST(!lanes.may_start(7, opening));
    BOOST_TEST(!lanes.opens_at());
    lanes.set_aside({at(1), 7}, opening);
    BOOST_REQUIRE(lanes.opens_at());
    BOOST_TEST((*lanes.opens_at() == opening + milliseconds{1000}));
    BOOST_TEST(!lanes.first_open(opening + milliseconds{999}));
    BOOST_TEST((lanes.first_open(opening + milliseconds{1000})->at == at(1)));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
