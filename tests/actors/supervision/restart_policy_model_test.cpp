// restart_policy against a slow, obvious model, over random histories.
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <random>

#include "actors/supervision/restart_policy.hpp"

namespace coppice {

using namespace std::chrono_literals;
using kind = supervisor_action::kind;

namespace {

enum class is { down, up, told, killed };

struct model_child {
    child_rules rules;
    is state = is::down;
    bool forgotten = false;
    bool first_start = true;
    std::uint32_t incarnation = 0;
    std::uint32_t failures = 0;
    instant started{};
    std::optional<instant> waits_until; // to start
    std::optional<instant> deadline;
    std::optional<std::uint64_t> stop_ticket; // asked to stop, and when in the row
    bool comes_back = true;
};

// Everything is looked for anew, each time, over all children and the whole history.
struct model {
    supervisor_rules rules;
    std::vector<model_child> children;
    std::vector<instant> history;
    std::uint64_t tickets = 0;
    bool stopping = false, gave_up = false, finished = false;

    bool simple() const { return rules.strategy == strategy::simple_one_for_one; }

    std::optional<supervisor_action> next(instant now) {
        std::optional<std::size_t> late;
        bool some_told = false;
        for (std::size_t i = 0; i < children.size(); ++i) {
            const auto& c = children[i];
            if (c.state == is::told || c.state == is::killed) some_told = true;
            if (c.deadline && *c.deadline <= now && (!late || *c.deadline < *children[*late].deadline)) late = i;
        }
        if (late) return children[*late].state == is::told ? kill(*late, now) : abandon(*late);
        if (finished || (some_told && !simple())) return std::nullopt;
        if (stopping) {
            for (std::size_t i = children.size(); i-- > 0;)
                if (children[i].state == is::up) return tell(i, now);
            if (some_told) return std::nullopt;
            finished = true;
            return supervisor_action{kind::finish};
        }
        std::optional<std::size_t> asked;
        for (std::size_t i = 0; i < children.size(); ++i)
            if (children[i].stop_ticket && (!asked || *children[i].stop_ticket < *children[*asked].stop_ticket))
                asked = i;
        if (asked) return tell(*asked, now);
        std::optional<std::size_t> due;
        for (std::size_t i = 0; i < children.size(); ++i) {
            const auto& c = children[i];
            if (c.state == is::down && c.waits_until && *c.waits_until <= now &&
                (!due || *c.waits_until < *children[*due].waits_until))
                due = i;
        }
        if (!due) return std::nullopt;
        auto& c = children[*due];
        c.state = is::up;
        c.started = now;
        c.waits_until.reset();
        return supervisor_action{kind::start, static_cast<std::uint32_t>(*due), ++c.incarnation};
    }

    supervisor_action tell(std::size_t i, instant now) {
        auto& c = children[i];
        c.stop_ticket.reset();
        if (c.rules.shutdown.grace == 0ms) return kill(i, now);
        c.state = is::told;
        if (c.rules.shutdown.grace > 0ms) c.deadline = now + c.rules.shutdown.grace;
        return {kind::tell_exit, static_cast<std::uint32_t>(i), c.incarnation};
    }
    supervisor_action kill(std::size_t i, instant now) {
        children[i].state = is::killed;
        children[i].deadline = now + limits::kill_wait;
        return {kind::kill, static_cast<std::uint32_t>(i), children[i].incarnation};
    }
    supervisor_action abandon(std::size_t i) {
        down(i);
        return {kind::abandon, static_cast<std::uint32_t>(i), children[i].incarnation};
    }
    void down(std::size_t i) {
        children[i].state = is::down;
        children[i].deadline.reset();
        children[i].stop_ticket.reset();
    }

    exit_verdict exited(std::size_t i, bool failed, instant now, std::uint64_t random) {
        auto& c = children[i];
        const bool asked = stopping || c.state != is::up || c.stop_ticket;
        down(i);
        if (asked) return exit_verdict::stopped;
        if (c.rules.restart == restart_type::temporary) c.forgotten = true;
        if (c.rules.restart == restart_type::temporary || (c.rules.restart == restart_type::transient && !failed))
            return exit_verdict::ended;
        return fail(i, now, random);
    }

    exit_verdict start_failed(std::size_t i, instant now, std::uint64_t random, bool first) {
        down(i);
        if (first && simple()) return exit_verdict::ended;
        if (first) {
            stopping = gave_up = true;
            return exit_verdict::gave_up;
        }
        return fail(i, now, random);
    }

    exit_verdict fail(std::size_t i, instant now, std::uint64_t random) {
        history.push_back(now);
        std::size_t recent = 0;
        for (const instant t : history) recent += now - t <= rules.intensity.period;
        if (recent > rules.intensity.restarts) {
            stopping = gave_up = true;
            return exit_verdict::gave_up;
        }
        auto& c = children[i];
        if (now - c.started >= rules.backoff.stable) c.failures = 0;
        microseconds delay{0};
        if (c.failures > 0) {
            microseconds full = rules.backoff.base;
            for (std::uint32_t n = 1; n < c.failures && full < rules.backoff.max; ++n) full *= 2;
            full = std::min<microseconds>(full, rules.backoff.max);
            const std::int64_t half = full.count() / 2;
            delay = microseconds{
                half + static_cast<std::int64_t>(random % static_cast<std::uint64_t>(full.count() - half + 1))};
        }
        ++c.failures;
        for (std::size_t j = children.size(); j-- > 0;) {
            const bool in_set = j == i || rules.strategy == strategy::one_for_all ||
                                (rules.strategy == strategy::rest_for_one && j > i);
            auto& other = children[j];
            if (!in_set || other.forgotten) continue;
            if (other.state == is::up && !other.stop_ticket) other.stop_ticket = ++tickets;
            if (j != i && other.rules.restart == restart_type::temporary) {
                other.forgotten = true;
                other.waits_until.reset();
                continue;
            }
            const instant when = now + delay;
            other.waits_until = other.waits_until ? std::max(*other.waits_until, when) : when;
        }
        return exit_verdict::restarting;
    }
};

milliseconds pick_grace(std::mt19937_64& random) {
    constexpr std::array graces{0ms, -1ms, 100ms, 500ms};
    return graces[random() % graces.size()];
}

std::string text(const std::optional<supervisor_action>& a) {
    if (!a) return "nothing";
    constexpr std::array names{"start", "tell", "kill", "abandon", "finish"};
    return std::string{names[static_cast<std::size_t>(a->what)]} + ' ' + std::to_string(a->child) + '/' +
           std::to_string(a->incarnation);
}

void run_history(std::uint64_t seed) {
    std::mt19937_64 random{seed};
    const supervisor_rules rules{static_cast<strategy>(random() % 4),
                                 {static_cast<std::uint32_t>(random() % 12), milliseconds{1 + random() % 4000}},
                                 {milliseconds{random() % 200}, milliseconds{random() % 1500}, 2s}};
    restart_policy policy{rules};
    model expected_{rules};
    instant now{1h};
    const auto add = [&] {
        const child_rules child{static_cast<restart_type>(random() % 3), {pick_grace(random)}};
        expected_.children.push_back({.rules = child, .waits_until = now});
        BOOST_REQUIRE(policy.add(child, now) == expected_.children.size() - 1);
    };
    for (std::size_t n = 1 + random() % 6; n > 0; --n) add();
    const auto pick = [&] { return static_cast<std::uint32_t>(random() % expected_.children.size()); };
    for (int step = 0; step < 120; ++step) {
        while (true) {
            const auto got = policy.next(now);
            const auto want = expected_.next(now);
            BOOST_REQUIRE_MESSAGE(got == want, "seed " << seed << " step " << step << ": the policy says "
                                                       << text(got) << ", the model " << text(want));
            if (!got) break;
            if (got->what != kind::start) continue;
            auto& child = expected_.children[got->child];
            const bool first = std::exchange(child.first_start, false);
            if (random() % 12 != 0) continue;
            const std::uint64_t r = random();
            BOOST_REQUIRE_MESSAGE(policy.start_failed(got->child, now, r) ==
                                      expected_.start_failed(got->child, now, r, first),
                                  "seed " << seed << " step " << step);
        }
        switch (random() % 8) {
        case 0:
        case 1:
        case 2:
            now += milliseconds{random() % 300};
            break;
        case 3:
            if (const auto wake = policy.wake_at()) now = std::max(now, *wake);
            break;
        case 4:
            if (random() % 30 == 0) {
                policy.shut_down();
                expected_.stopping = true;
            }
            break;
        default: {
            const std::uint32_t i = pick();
            auto& child = expected_.children[i];
            const std::uint64_t r = random();
            const bool failed = random() % 3 != 0;
            const bool stale = random() % 8 == 0;
            const auto got = policy.exited(i, child.incarnation - stale, failed, now, r);
            const bool counts = !stale && child.state != is::down;
            const auto want = counts ? expected_.exited(i, failed, now, r) : exit_verdict::ignored;
            BOOST_REQUIRE_MESSAGE(got == want, "seed " << seed << " step " << step);
        }
        }
        BOOST_REQUIRE(policy.gave_up() == expected_.gave_up);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(restart_policy_model, *boost::unit_test::label("one_thread"))

BOOST_AUTO_TEST_CASE(the_policy_does_what_the_obvious_model_does) {
    const char* given = std::getenv("COPPICE_SEED");
    const std::uint64_t first = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << first << " (COPPICE_SEED repeats it)");
    for (std::uint64_t i = 0; i < (given ? 1 : 20'000); ++i) run_history(first + i);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
