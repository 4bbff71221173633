// How shards share an executor's slots: never more in use than there are, and none idle while work waits, whatever
// is late or lost on the way between the executor's node and the shards' primaries.
#include "cluster/routing/slot_exchange.hpp"

#include <boost/test/unit_test.hpp>
#include <deque>
#include <numeric>
#include <random>

#include "schema/limits.hpp"

namespace coppice::testing {
namespace {

using grant = slot_exchange::grant;

// A shard's primary: what it knows of its slots, and its work.
struct primary {
    std::uint32_t slots = 0, used = 0, waiting = 0;
    std::uint32_t large = 0, large_slots = 0, large_starts = 0; // jobs that wait for several at once, and how many
    std::uint64_t number = 0;
    std::deque<grant> to; // on their way to it, in order
    std::deque<slot_exchange::answer> from;

    bool lacks_room_for_a_large_one() const { return large > 0 && used + large_slots > slots; }
    // Those of several slots first; while its grant would hold one, it is kept for that.
    void start() {
        for (; large > 0 && used + large_slots <= slots; --large, ++large_starts) used += large_slots;
        if (large > 0 && large_slots <= slots) return;
        while (used < slots && waiting > 0) ++used, --waiting;
    }
    slot_exchange::answer now() const {
        const std::uint32_t one = waiting > 0 && used >= slots ? 1 : 0;
        return {number, std::max(slots, used), lacks_room_for_a_large_one() ? large_slots : one, large_starts};
    }
};

class world {
  public:
    world(std::size_t shards, std::uint32_t slots, std::uint64_t seed)
        : exchange(shards, seed), primaries(shards), random_(seed) {
        send(exchange.offer(slots));
    }

    void send(const std::vector<grant>& grants) {
        for (const grant& each : grants) primaries[each.shard].to.push_back(each);
    }
    void take_grant(primary& p) {
        if (p.to.empty()) return;
        const grant g = p.to.front();
        p.to.pop_front();
        p.slots = g.slots;
        p.number = g.number;
        p.start();
        p.from.push_back(p.now());
    }
    void take_report(std::size_t i) {
        primary& p = primaries[i];
        if (p.from.empty()) return;
        const slot_exchange::answer said = p.from.front();
        p.from.pop_front();
        send(exchange.answered(i, said, now));
    }
    void check() const {
        std::uint32_t used = 0;
        for (const primary& p : primaries) used += p.used;
        if (used > exchange.total()) BOOST_FAIL("more slots are used than there are");
    }
    // Everything arrives, and is said again, until nothing changes any more.
    void settle() {
        for (int round = 0; round < 100; ++round) {
            for (std::size_t i = 0; i < primaries.size(); ++i) {
                primary& p = primaries[i];
                while (!p.to.empty()) take_grant(p);
                p.start();
                p.from.push_back(p.now());
                while (!p.from.empty()) take_report(i);
                check();
            }
            send(exchange.unanswered());
        }
    }
    std::size_t draw(std::size_t below) { return random_() % below; }

    slot_exchange exchange;
    std::vector<primary> primaries;
    instant now = from_us(1'000'000);

  private:
    std::mt19937_64 random_;
};

void any_step(world& w) {
    const std::size_t i = w.draw(w.primaries.size());
    primary& p = w.primaries[i];
    switch (w.draw(8)) {
    case 0:
        p.waiting += static_cast<std::uint32_t>(w.draw(4));
        if (p.large_slots > 0 && w.draw(3) == 0) ++p.large;
        p.start();
        return p.from.push_back(p.now());
    case 1:
    case 2:
        if (p.used > 0) --p.used;
        p.start();
        return p.from.push_back(p.now());
    case 3:
    case 4:
        return w.take_grant(p);
    case 5:
        if (w.draw(10) == 0 && !p.to.empty()) p.to.pop_front(); // lost
        return;
    case 6:
        if (w.draw(10) == 0 && !p.from.empty()) p.from.pop_front(); // lost
        if (w.draw(10) == 0) w.send(w.exchange.unanswered());
        if (w.draw(10) == 0) w.send(w.exchange.rest(w.now += limits::slots_rest));
        return;
    default:
        return w.take_report(i);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(slot_exchange_suite)

BOOST_AUTO_TEST_CASE(never_more_slots_are_used_than_there_are_and_none_is_idle_while_work_waits) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        BOOST_TEST_CONTEXT("seed " << seed) {
            world w{1 + seed % 5, static_cast<std::uint32_t>(1 + seed % 9), seed};
            if (seed % 2 == 0)
                for (primary& p : w.primaries) p.large_slots = static_cast<std::uint32_t>(2 + w.draw(4));
            for (int step = 0; step < 2000; ++step) {
                any_step(w);
                w.check();
            }
            for (primary& p : w.primaries) p.large = 0;
            w.settle();
            std::uint32_t used = 0, waiting = 0;
            for (const primary& p : w.primaries) used += p.used, waiting += p.waiting;
            const bool keeps_some =
                w.exchange.total() >= limits::slots_kept_factor * w.primaries.size(); // one each, used or not
            const auto idle_at_most = keeps_some ? static_cast<std::uint32_t>(w.primaries.size() - 1) : 0U;
            if (waiting > 0) BOOST_TEST(used + idle_at_most >= w.exchange.total());
        }
    }
}

BOOST_AUTO_TEST_CASE(shards_whose_work_never_ends_share_evenly) {
    world w{3, 7, 4};
    for (primary& p : w.primaries) p.waiting = 1'000'000;
    w.primaries[2].waiting = 0;
    for (int step = 0; step < 3000; ++step) {
        for (primary& p : w.primaries)
            if (p.used > 0) --p.used;
        for (std::size_t i = 0; i < 3; ++i) {
            w.take_grant(w.primaries[i]);
            w.primaries[i].start();
            w.primaries[i].from.push_back(w.primaries[i].now());
            w.take_report(i);
        }
        w.check();
    }
    BOOST_TEST(w.primaries[0].slots + w.primaries[1].slots == 7U);
    BOOST_TEST(w.primaries[0].slots >= 3U);
    BOOST_TEST(w.primaries[1].slots >= 3U);
}

// Three shards with endless work of one slot, two of which have jobs of all six slots besides: each of those starts
// within a bound, and what is left goes on in between.
BOOST_AUTO_TEST_CASE(work_that_needs_more_than_an_even_share_comes_to_the_front_in_turn) {
    world w{3, 6, 3};
    for (primary& p : w.primaries) p.waiting = 1'000'000;
    for (const std::size_t i : {0, 1}) w.primaries[i].large = 5, w.primaries[i].large_slots = 6;
    std::uint32_t small_before = 0;
    for (int step = 0; step < 2000; ++step) {
        w.now += milliseconds{20};
        for (primary& p : w.primaries)
            if (p.used > 0 && w.draw(4) == 0) --p.used;
        for (std::size_t i = 0; i < 3; ++i) {
            while (!w.primaries[i].to.empty()) w.take_grant(w.primaries[i]);
            w.primaries[i].start();
            w.primaries[i].from.push_back(w.primaries[i].now());
            while (!w.primaries[i].from.empty()) w.take_report(i);
        }
        w.check();
        w.send(w.exchange.rest(w.now));
        if (w.primaries[0].large_starts == 1 && small_before == 0) small_before = w.primaries[2].waiting;
    }
    BOOST_TEST(w.primaries[0].large_starts == 5U);
    BOOST_TEST(w.primaries[1].large_starts == 5U);
    BOOST_TEST(w.primaries[2].waiting < small_before);
}

BOOST_AUTO_TEST_CASE(a_need_that_no_executor_could_meet_takes_nothing_from_the_others) {
    world w{2, 4, 1};
    w.primaries[0].large = 1, w.primaries[0].large_slots = 5;
    w.primaries[1].waiting = 10;
    w.settle();
    BOOST_TEST(w.primaries[1].used >= 2U);
}

BOOST_AUTO_TEST_CASE(a_single_slot_goes_round_all_shards_that_want_it) {
    world w{4, 1, 1};
    for (primary& p : w.primaries) p.waiting = 10;
    for (int step = 0; step < 2000; ++step) {
        for (primary& p : w.primaries)
            if (p.used > 0) --p.used;
        w.settle();
    }
    for (const primary& p : w.primaries) BOOST_TEST(p.waiting == 0U);
}

BOOST_AUTO_TEST_CASE(
    an_executor_that_brings_attempts_along_gets_nothing_before_all_shards_have_said_what_they_use) {
    slot_exchange exchange{2, 0};
    const auto first = exchange.offer(4, true);
    BOOST_REQUIRE_EQUAL(first.size(), 2U);
    BOOST_TEST(first[0].slots + first[1].slots == 0U);
    BOOST_TEST(exchange.answered(0, {first[0].number, 3}, from_us(1)).empty());
    const auto then = exchange.answered(1, {first[1].number, 0}, from_us(1));
    // Two each, as far as the three that run with the first shard let it.
    std::uint32_t second_may_use = 0;
    for (const grant& each : then)
        if (each.shard == 1) second_may_use = each.slots;
    BOOST_TEST(second_may_use == 1U);
}

BOOST_AUTO_TEST_CASE(an_answer_to_a_word_that_was_never_said_changes_nothing) {
    slot_exchange exchange{2, 0};
    exchange.offer(4);
    BOOST_TEST(exchange.answered(0, {99, 0, 1}, from_us(1)).empty());
    BOOST_TEST(exchange.held(0) == 2U);
}

BOOST_AUTO_TEST_CASE(what_nobody_wants_is_spread_evenly_after_a_while) {
    world w{2, 4, 2};
    w.primaries[0].waiting = 4;
    w.settle();
    BOOST_TEST(w.primaries[0].used == 4U);
    w.primaries[0].used = 0;
    w.settle();
    BOOST_TEST(w.exchange.rest(w.now).empty());
    for (int time = 0; time < 2; ++time) { // what one gives up is granted to the other the next time
        w.send(w.exchange.rest(w.now + limits::slots_rest));
        w.settle();
    }
    BOOST_TEST(w.primaries[0].slots == 2U);
    BOOST_TEST(w.primaries[1].slots == 2U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
