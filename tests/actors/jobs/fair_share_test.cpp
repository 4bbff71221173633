#include <boost/test/unit_test.hpp>
#include <cmath>
#include <map>
#include <random>

#include "actors/jobs/fair_share.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

const tenant_id a{1}, b{2}, c{3};

// The rules once more, with every question answered by looking at all tenants.
struct share_model {
    struct tenant {
        double virtual_time = 0;
        std::uint64_t last_start = 0, running = 0;
        std::uint32_t weight = 1;
        bool active = false;
    };
    std::map<tenant_id, tenant> all;
    double floor = 0;
    std::uint64_t starts = 0;
    instant charged = never;

    bool anybody_waits() const {
        for (const auto& [id, t] : all)
            if (t.active) return true;
        return false;
    }
    void set_active(tenant_id id, bool active) {
        tenant& t = all[id];
        if (active && !t.active) {
            double least = INFINITY;
            for (const auto& [other, o] : all)
                if (o.active) least = std::min(least, o.virtual_time);
            if (anybody_waits()) floor = std::max(floor, least);
            t.virtual_time = std::max(t.virtual_time, floor);
        }
        t.active = active;
    }
    void started(tenant_id id) {
        tenant& t = all[id];
        floor = std::max(floor, t.virtual_time);
        t.virtual_time += 1.0 / t.weight;
        t.last_start = ++starts;
        ++t.running;
    }
    void ended(tenant_id id) {
        if (all[id].running > 0) --all[id].running;
    }
    void charge(instant now) {
        if (charged == never || now < charged) charged = now;
        if (now - charged < milliseconds{10}) return;
        const double seconds = std::chrono::duration<double>(now - charged).count();
        charged = now;
        double most = 0;
        for (auto& [id, t] : all) {
            if (t.running == 0) continue;
            t.virtual_time += seconds * static_cast<double>(t.running) / t.weight;
            most = std::max(most, t.virtual_time);
        }
        if (!anybody_waits()) floor = std::max(floor, most);
    }
    void passed_over(tenant_id id) { all[id].virtual_time = std::max(all[id].virtual_time, floor - 10); }
    std::vector<tenant_id> turns() const {
        std::vector<std::tuple<double, std::uint64_t, tenant_id>> order;
        for (const auto& [id, t] : all)
            if (t.active) order.emplace_back(t.virtual_time, t.last_start, id);
        std::ranges::sort(order);
        std::vector<tenant_id> ids;
        for (const auto& each : order) ids.push_back(std::get<2>(each));
        return ids;
    }
};

std::vector<tenant_id> turns_of(const fair_share& share) {
    std::vector<tenant_id> ids;
    for (const auto& turn : share.turns()) ids.push_back(turn.tenant);
    return ids;
}

// Slots and jobs of a known length around a fair_share, in steps of a tenth of a second.
struct simulation {
    fair_share share;
    std::size_t slots = 1;
    instant now = test_start;
    std::multimap<instant, tenant_id> running;
    std::map<tenant_id, std::uint64_t> starts;
    std::map<tenant_id, double> seconds;
    std::map<tenant_id, milliseconds> length;

    tenant_id start_next() {
        const tenant_id t = share.turns().begin()->tenant;
        share.started(t);
        ++starts[t];
        running.emplace(now + length[t], t);
        return t;
    }
    void step() {
        now += milliseconds{100};
        share.charge(now);
        for (const auto& [until, t] : running) seconds[t] += 0.1;
        while (!running.empty() && running.begin()->first <= now) {
            share.ended(running.begin()->second);
            running.erase(running.begin());
        }
        while (running.size() < slots && !share.turns().empty()) start_next();
    }
    void run(milliseconds d) {
        for (const instant end = now + d; now < end;) step();
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(sharing)

BOOST_AUTO_TEST_CASE(the_share_and_a_model_of_it_agree_over_random_histories) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    std::mt19937_64 random{seed};
    const auto below = [&](std::uint64_t n) { return random() % n; };
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
        for (int history = 0; history < 20; ++history) {
            fair_share share;
            share_model model;
            instant now = test_start;
            for (int step = 0; step < 2000; ++step) {
                const tenant_id t{static_cast<std::uint32_t>(1 + below(6))};
                switch (below(10)) {
                case 0:
                case 1: {
                    const bool active = below(3) != 0;
                    share.set_active(t, active);
                    model.set_active(t, active);
                    break;
                }
                case 2: {
                    const auto weight = static_cast<std::uint32_t>(below(5));
                    share.set_weight(t, weight);
                    model.all[t].weight = std::max(weight, 1U);
                    break;
                }
                case 3:
                case 4:
                    share.ended(t);
                    model.ended(t);
                    break;
                case 5:
                    now += milliseconds{below(50)};
                    if (below(50) == 0) now -= std::chrono::seconds{below(100)};
                    share.charge(now);
                    model.charge(now);
                    break;
                case 6:
                    share.passed_over(t);
                    model.passed_over(t);
                    break;
                default: {
                    const tenant_id next = share.turns().empty() ? t : share.turns().begin()->tenant;
                    share.started(next);
                    model.started(next);
                }
                }
                BOOST_REQUIRE(turns_of(share) == model.turns());
                BOOST_REQUIRE_CLOSE(share.virtual_time(t) + 1, model.all[t].virtual_time + 1, 1e-9);
                BOOST_REQUIRE_EQUAL(share.running(t), model.all[t].running);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(short_jobs_share_starts_by_weight_in_every_window_of_a_thousand) {
    fair_share share;
    share.set_weight(a, 3);
    share.set_weight(b, 1);
    share.set_active(a, true);
    share.set_active(b, true);
    std::deque<tenant_id> window;
    std::uint64_t of_a = 0;
    for (int i = 0; i < 20'000; ++i) {
        const tenant_id t = share.turns().begin()->tenant;
        share.started(t);
        share.ended(t);
        window.push_back(t);
        of_a += t == a;
        if (window.size() > 1000) {
            of_a -= window.front() == a;
            window.pop_front();
        }
        if (window.size() == 1000) BOOST_REQUIRE((of_a >= 740 && of_a <= 760));
    }
}

BOOST_AUTO_TEST_CASE(long_jobs_share_slot_time_by_weight_whatever_their_number) {
    simulation s;
    s.slots = 20;
    s.length = {{a, milliseconds{60'000}}, {b, milliseconds{500}}};
    s.share.set_weight(b, 3);
    s.share.set_active(a, true);
    s.share.set_active(b, true);
    s.run(std::chrono::hours{1});
    // A start costs as much as a second, and b starts far more often: it pays for that.
    const double cost_a = s.seconds[a] + static_cast<double>(s.starts[a]);
    const double cost_b = s.seconds[b] + static_cast<double>(s.starts[b]);
    BOOST_TEST(cost_b / cost_a > 2.85);
    BOOST_TEST(cost_b / cost_a < 3.15);
}

BOOST_AUTO_TEST_CASE(a_job_that_holds_the_only_slot_is_charged_for_all_its_time) {
    simulation s;
    s.length = {{a, milliseconds{100'000}}, {b, milliseconds{10'000}}};
    s.share.set_active(a, true);
    s.share.set_active(b, true);
    s.run(std::chrono::hours{2});
    BOOST_TEST(s.seconds[a] / (s.seconds[b] + static_cast<double>(s.starts[b])) < 1.1);
    BOOST_TEST(s.seconds[a] / (s.seconds[b] + static_cast<double>(s.starts[b])) > 0.9);
}

BOOST_AUTO_TEST_CASE(a_tenant_with_jobs_of_an_hour_can_not_starve_another) {
    simulation s;
    s.slots = 10;
    s.length = {{a, std::chrono::hours{1}}, {b, milliseconds{1000}}};
    s.share.set_active(a, true);
    s.run(milliseconds{1'800'000}); // a holds every slot
    BOOST_TEST(s.starts[a] == 10U);
    s.share.set_active(b, true);
    // As a's jobs end, b gets all the slots until it has had as much: a used 18,000 seconds of them while b waited,
    // and b's jobs cost two for each second, so that is 900 seconds.
    s.run(milliseconds{1'800'000 + 890'000});
    BOOST_TEST(s.seconds[b] > 0.98 * 10 * 890);
    s.run(std::chrono::hours{40});
    BOOST_TEST((s.seconds[b] + static_cast<double>(s.starts[b])) / s.seconds[a] > 0.7);
    BOOST_TEST(s.starts[a] > 10U); // nor is it starved in turn
}

BOOST_AUTO_TEST_CASE(a_tenant_that_was_idle_gets_no_credit) {
    fair_share share;
    share.set_active(a, true);
    for (int i = 0; i < 1000; ++i) share.started(a), share.ended(a);
    share.set_active(b, true);
    int of_b = 0;
    for (int i = 0; i < 100; ++i) {
        const tenant_id t = share.turns().begin()->tenant;
        share.started(t);
        share.ended(t);
        of_b += t == b;
    }
    BOOST_TEST((of_b >= 49 && of_b <= 51));
}

BOOST_AUTO_TEST_CASE(a_tenant_that_was_idle_gets_no_credit_for_slot_time_either) {
    for (const bool a_waits : {true, false}) {
        simulation s;
        s.slots = 10;
        s.length = {{a, milliseconds{1'000'000}}, {b, milliseconds{100}}};
        s.share.set_active(a, true);
        s.step();
        s.share.set_active(a, a_waits);
        s.run(milliseconds{900'000});
        const double at = s.share.virtual_time(a);
        s.share.set_active(b, true);
        s.share.set_active(a, true);
        BOOST_TEST(s.share.virtual_time(b) >= at - 0.2);
        BOOST_TEST(s.share.virtual_time(b) <= at + 0.2);
    }
}

// One scarce worker for a and b, many starts of c elsewhere: a and b are passed over again and again.
BOOST_AUTO_TEST_CASE(tenants_that_wait_for_the_same_scarce_worker_alternate) {
    fair_share share;
    for (const tenant_id t : {a, b, c}) share.set_active(t, true);
    std::map<tenant_id, int> starts;
    for (int i = 0; i < 1000; ++i) {
        for (int n = 0; n < 100; ++n) share.started(c), share.ended(c);
        share.passed_over(a);
        share.passed_over(b);
        const tenant_id next = share.turns().begin()->tenant;
        BOOST_REQUIRE(next != c);
        share.started(next);
        share.ended(next);
        ++starts[next];
    }
    BOOST_TEST(starts[a] == 500);
    BOOST_TEST(starts[b] == 500);
    // What they are owed for it is bounded.
    BOOST_TEST(share.virtual_time(c) - share.virtual_time(a) <= fair_share::credit_max + 101);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(order_within_a_tenant)

BOOST_AUTO_TEST_CASE(a_step_of_priority_is_worth_five_minutes_of_waiting) {
    const instant t = test_start;
    const auto five = std::chrono::minutes{5};
    BOOST_TEST(keys::rank(t, 1) < keys::rank(t, 2));
    BOOST_TEST(keys::rank(t, 4) < keys::rank(t, 5));
    BOOST_TEST(keys::rank(t, 2) < keys::rank(t + five - milliseconds{1}, 1) + 2);
    BOOST_TEST(keys::rank(t, 2) > keys::rank(t + five - milliseconds{1}, 1));
    BOOST_TEST(keys::rank(t, 2) == keys::rank(t + five, 1));
    BOOST_TEST(keys::rank(t, 5) <
               keys::rank(t + 4 * five + milliseconds{1}, 1)); // whoever waits is first in the end
}

BOOST_AUTO_TEST_CASE(jobs_start_by_priority_then_by_age_then_in_order_of_submission) {
    world w;
    w.declare_usual();
    const job_id late = w.submit({.priority = 5});
    const job_id first = w.submit({.priority = 1});
    const job_id second = w.submit({.priority = 1});
    w.pass(std::chrono::minutes{21});
    const job_id young = w.submit({.priority = 1});
    w.attach(worker_id{1}, {"build"}, 4);
    const auto& starts = w.plan().starts;
    BOOST_REQUIRE(starts.size() == 4U);
    BOOST_TEST((starts[0].work.ref.job == first));
    BOOST_TEST((starts[1].work.ref.job == second));
    BOOST_TEST((starts[2].work.ref.job == late));
    BOOST_TEST((starts[3].work.ref.job == young));
}

BOOST_AUTO_TEST_CASE(the_order_holds_over_all_types_of_a_tenant) {
    world w;
    w.declare_usual();
    job_type_spec scan;
    scan.name = "scan";
    w.run({type_op{.type = type_id{2}, .spec = scan}});
    std::vector<job_id> submitted;
    for (std::uint32_t i = 0; i < 10; ++i) {
        submitted.push_back(w.submit({.type = type_id{1 + i % 2}}));
        w.pass(milliseconds{1});
    }
    w.attach(worker_id{1}, {"build", "scan"}, 10);
    const auto& starts = w.plan().starts;
    BOOST_REQUIRE(starts.size() == 10U);
    for (std::size_t i = 0; i < 10; ++i) BOOST_TEST((starts[i].work.ref.job == submitted[i]));
}

BOOST_AUTO_TEST_SUITE_END()

// The same through the machine, which has to call at the right times.
BOOST_AUTO_TEST_SUITE(sharing_in_the_machine)

namespace {

// Two tenants, and one worker of so many slots for "build".
struct two_tenants : world {
    explicit two_tenants(std::uint32_t slots) {
        declare_usual();
        job_type_spec scan;
        scan.name = "scan";
        run({tenant_op{.tenant = b, .spec = {.name = "other", .types = {"*"}}},
             type_op{.type = type_id{2}, .spec = scan}});
        attach(worker_id{1}, {"build"}, slots);
    }
    void queue(tenant_id t, int jobs, type_id type = type_id{1}) {
        std::vector<op> ops;
        for (int i = 0; i < jobs; ++i) ops.push_back(submit_op{.job = new_id(t), .type = type});
        run(ops);
    }
    // Ends what was started last, after this time; gives whose job is started then.
    tenant_id next_after(milliseconds d) {
        const attempt_ref running = out().starts.at(0).work.ref;
        pass(d);
        run({report_op{.job = running.job, .attempt = running.attempt}});
        return out().starts.at(0).work.tenant_number;
    }
};

} // namespace

BOOST_AUTO_TEST_CASE(an_attempt_is_charged_to_its_end_though_no_slot_was_free_meanwhile) {
    two_tenants w{0};
    w.queue(a, 20);
    w.queue(b, 20);
    w.attach(worker_id{1}, {"build"}, 1);
    w.plan();
    BOOST_TEST((w.out().starts.at(0).work.tenant_number == a));
    BOOST_TEST((w.next_after(milliseconds{30'000}) == b));
    for (int i = 0; i < 10; ++i) BOOST_TEST((w.next_after(milliseconds{1000}) == b)); // a owes thirty seconds
}

BOOST_AUTO_TEST_CASE(a_tenant_whose_workers_were_away_is_owed_little_for_it) {
    two_tenants w{1};
    w.queue(b, 100, type_id{2});
    w.queue(a, 300);
    for (int i = 0; i < 150; ++i) w.next_after(milliseconds{1});
    w.attach(worker_id{1}, {"build", "scan"}, 1);
    int of_b = 0;
    for (int i = 0; i < 40; ++i) of_b += w.next_after(milliseconds{1}) == b;
    BOOST_TEST(of_b >= 20);
    BOOST_TEST(of_b <= 26); // 40 / 2, and half of the credit
}

BOOST_AUTO_TEST_CASE(two_tenants_that_wait_for_one_scarce_worker_both_get_it) {
    two_tenants w{50};
    w.run({tenant_op{.tenant = c, .spec = {.name = "third", .types = {"*"}}}});
    w.queue(a, 50, type_id{2});
    w.queue(b, 50, type_id{2});
    w.attach(worker_id{2}, {"scan"}, 1);
    w.plan();
    std::map<tenant_id, int> scans;
    for (int round = 0; round < 20; ++round) {
        const attempt_ref scan = w.out().starts.at(0).work.ref;
        for (int i = 0; i < 3; ++i) { // c runs along elsewhere
            w.queue(c, 10);
            std::vector<op> ends;
            for (const start_effect& s : w.out().starts)
                ends.push_back(report_op{.job = s.work.ref.job, .attempt = s.work.ref.attempt});
            w.run(ends);
        }
        w.pass(milliseconds{100});
        w.run({report_op{.job = scan.job, .attempt = scan.attempt}});
        ++scans[w.out().starts.at(0).work.tenant_number];
    }
    BOOST_TEST(scans[a] >= 9);
    BOOST_TEST(scans[b] >= 9);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
