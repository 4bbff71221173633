#include "runtime/observability/prometheus.hpp"

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>
#include <stdexcept>
#include <thread>

#include "tests/runtime/observability/metrics_text.hpp"

using namespace coppice;
using namespace coppice::testing;

BOOST_AUTO_TEST_SUITE(prometheus)

BOOST_AUTO_TEST_CASE(the_text_is_as_the_format_has_it) {
    metrics_registry registry;
    registry.counters({"coppice_jobs_total", "Jobs that ended.", {"tenant", "state"}})
        .with({"acme", "succeeded"})
        .increment(3);
    registry.make_gauge("coppice_slots", "Slots of workers.").set(2.5);
    auto& waits = registry.make_histogram("coppice_wait_seconds", "Time from submission to start.", {0.1, 1});
    for (const double seconds : {0.05, 0.1, 0.5, 7.0}) waits.observe(seconds);
    BOOST_TEST(registry.render() == "# HELP coppice_jobs_total Jobs that ended.\n"
                                    "# TYPE coppice_jobs_total counter\n"
                                    "coppice_jobs_total{tenant=\"acme\",state=\"succeeded\"} 3\n"
                                    "# HELP coppice_slots Slots of workers.\n"
                                    "# TYPE coppice_slots gauge\n"
                                    "coppice_slots 2.5\n"
                                    "# HELP coppice_wait_seconds Time from submission to start.\n"
                                    "# TYPE coppice_wait_seconds histogram\n"
                                    "coppice_wait_seconds_bucket{le=\"0.1\"} 2\n"
                                    "coppice_wait_seconds_bucket{le=\"1\"} 3\n"
                                    "coppice_wait_seconds_bucket{le=\"+Inf\"} 4\n"
                                    "coppice_wait_seconds_sum 7.65\n"
                                    "coppice_wait_seconds_count 4\n");
}

BOOST_AUTO_TEST_CASE(promtool_accepts_the_text_whatever_the_labels_hold) {
    metrics_registry registry;
    auto& jobs = registry.counters({"coppice_jobs_total", "Help with \\ and\nnewline \"quoted\".", {"tenant"}});
    std::string every_byte;
    for (int i = 0; i < 256; ++i) {
        every_byte += static_cast<char>(i);
        jobs.with({std::string(1, static_cast<char>(i))}).increment();
    }
    jobs.with({every_byte}).increment();
    jobs.with({""}).increment();
    jobs.with({"a\"} 1\nforged_total 7\n"}).increment();
    auto& odd = registry.gauges({"coppice_odd_bytes", "Odd values.", {"v"}});
    odd.with({"nan"}).set(std::nan(""));
    odd.with({"inf"}).set(-INFINITY);
    odd.with({"tiny"}).set(5e-324);
    auto& waits = registry.histograms({"coppice_wait_seconds", "Waits.", {"tenant"}}, latency_bounds_s());
    waits.with({"acme"}).observe(0.003);
    waits.with({"acme"}).observe(std::nan(""));
    registry.collect_counter("coppice_lost_total", "Lost.", [] { return 7; });
    registry.collect_gauges({"coppice_depth", "Depth.", {"tenant"}}, [] {
        return std::vector<metric_sample>{{{"a"}, 1}, {{"a"}, 2}};
    });
    const std::string text = registry.render();
    const promtool_verdict verdict = promtool(text);
    BOOST_TEST(verdict.status == 0, verdict.said);
    BOOST_TEST(samples_of(text).contains("coppice_depth{tenant=\"a\"}"));
    BOOST_TEST(samples_of(text).at("coppice_depth{tenant=\"a\"}") == 3);
    BOOST_TEST(!samples_of(text).contains("forged_total"));
    BOOST_TEST(promtool(text + "not a metric!\n").status != 0); // promtool was really asked
}

BOOST_AUTO_TEST_CASE(a_value_on_the_bound_counts_below_it) {
    metrics_registry registry;
    auto& h = registry.make_histogram("h", "h", {1, 2});
    for (const double v : {-1.0, 1.0, 1.5, 2.0, 2.5, HUGE_VAL}) h.observe(v);
    const auto samples = samples_of(registry.render());
    BOOST_TEST(samples.at("h_bucket{le=\"1\"}") == 2);
    BOOST_TEST(samples.at("h_bucket{le=\"2\"}") == 4);
    BOOST_TEST(samples.at("h_count") == 6);
}

BOOST_AUTO_TEST_CASE(bad_and_taken_names_are_bugs) {
    metrics_registry registry;
    registry.make_gauge("taken", "x");
    const auto refused = [&](auto register_it) {
        try {
            register_it();
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    BOOST_TEST(refused([&] { registry.make_gauge("taken", "x"); }));
    BOOST_TEST(refused([&] { registry.make_histogram("taken", "x", {1}); }));
    for (const char* name : {"", "1a", "a-b", "a b", "\xc3\xa9", "a\n", "x_total", "x_count", "x_bucket", "x_sum"})
        BOOST_TEST(refused([&] { registry.make_gauge(name, "x"); }), name);
    BOOST_TEST(refused([&] { registry.make_counter("no_suffix", "x"); }));
    BOOST_TEST(refused([&] { registry.make_gauge("no_help", ""); }));
    for (const char* label : {"", "le", "quantile", "__name", "a:b", "1", "a-b"})
        BOOST_TEST(refused([&] { registry.gauges({"g", "x", {label}}); }), label);
    BOOST_TEST(refused([&] { registry.gauges({"g", "x", {"a", "a"}}); }));
    for (const std::vector<double>& bounds :
         {std::vector<double>{}, {2, 1}, {1, 1}, {INFINITY}, {std::nan("")}, {1, std::nan("")}})
        BOOST_TEST(refused([&] { registry.make_histogram("h", "x", bounds); }));
    auto& family = registry.gauges({"two", "x", {"a", "b"}});
    BOOST_TEST(refused([&] { family.with({"1"}); }));
    BOOST_TEST(refused([&] { family.with({"1", "2", "3"}); }));
}

BOOST_AUTO_TEST_CASE(the_greatest_are_named_and_the_rest_is_other) {
    metrics_registry registry;
    auto& jobs = registry.counters({"jobs_total", "x", {"tenant", "state"}}, 2);
    for (unsigned i = 1; i <= 5; ++i) {
        jobs.with({"t" + std::to_string(i), "ok"}).increment(i * 10);
        jobs.with({"t" + std::to_string(i), "bad"}).increment(i);
    }
    jobs.with({"other", "ok"}).increment(1000); // a tenant of that name is no exception
    const std::map<std::string, double> meant{
        {R"(jobs_total{tenant="t4",state="bad"})", 4},    {R"(jobs_total{tenant="t4",state="ok"})", 40},
        {R"(jobs_total{tenant="t5",state="bad"})", 5},    {R"(jobs_total{tenant="t5",state="ok"})", 50},
        {R"(jobs_total{tenant="other",state="bad"})", 6}, {R"(jobs_total{tenant="other",state="ok"})", 1060},
    };
    BOOST_TEST((samples_of(registry.render()) == meant));
    BOOST_TEST((samples_of(registry.render()) == meant)); // looking changes nothing
}

BOOST_AUTO_TEST_CASE(a_late_comer_gets_a_name_only_by_a_clear_lead) {
    metrics_registry registry;
    auto& jobs = registry.counters({"jobs_total", "x", {"tenant"}}, 1);
    jobs.with({"a"}).increment(10);
    jobs.with({"b"}).increment(5);
    (void)registry.render();
    jobs.with({"b"}).increment(15); // twice as much, not more
    auto samples = samples_of(registry.render());
    BOOST_TEST(samples.at(R"(jobs_total{tenant="a"})") == 10);
    BOOST_TEST(samples.at(R"(jobs_total{tenant="other"})") == 20);
    jobs.with({"b"}).increment(1);
    samples = samples_of(registry.render());
    BOOST_TEST(!samples.contains(R"(jobs_total{tenant="a"})"));
    BOOST_TEST(samples.at(R"(jobs_total{tenant="b"})") == 1); // since it has its name
    BOOST_TEST(samples.at(R"(jobs_total{tenant="other"})") == 30);
}

BOOST_AUTO_TEST_CASE(no_count_is_lost_and_no_series_steps_back_whoever_is_named) {
    const unsigned seed = std::random_device{}();
    BOOST_TEST_INFO_SCOPE("seed " << seed);
    std::mt19937 random{seed};
    metrics_registry registry;
    auto& jobs = registry.counters({"jobs_total", "x", {"tenant", "state"}}, 5);
    metrics_registry waits_registry;
    auto& waits = waits_registry.histograms({"wait_seconds", "x", {"tenant"}}, {1, 10}, 5);
    double counted = 0, observed = 0, waited = 0;
    std::map<std::string, double> before, waits_before;
    for (int round = 0; round < 300; ++round) {
        for (int i = 0; i < 30; ++i) {
            const std::string tenant = "t" + std::to_string(random() % 40);
            const unsigned by = random() % 1000 < 20 ? random() % 10'000 : random() % 10;
            jobs.with({tenant, random() % 2 ? "ok" : "bad"}).increment(by);
            counted += by;
            const double seconds = random() % 16;
            for (unsigned n = random() % 20 == 0 ? random() % 100 : 1; n > 0; --n) {
                waits.with({tenant}).observe(seconds);
                observed += 1;
                waited += seconds;
            }
        }
        const auto now = samples_of(registry.render());
        BOOST_REQUIRE(sum_of(now) == counted);
        BOOST_REQUIRE(now.size() <= 12U);
        // A series that was there and is there still has only grown; one that left may come back from zero.
        for (const auto& [name, value] : now)
            if (const auto old = before.find(name); old != before.end()) BOOST_REQUIRE(value >= old->second);
        before = now;

        const auto waits_now = samples_of(waits_registry.render());
        double count = 0, sum = 0;
        for (const auto& [name, value] : waits_now) {
            if (name.starts_with("wait_seconds_count")) count += value;
            if (name.starts_with("wait_seconds_sum")) sum += value;
            if (const auto old = waits_before.find(name); old != waits_before.end())
                BOOST_REQUIRE(value >= old->second);
        }
        BOOST_REQUIRE(count == observed);
        BOOST_REQUIRE(sum == waited);
        waits_before = waits_now;
    }
}

BOOST_AUTO_TEST_CASE(gauges_name_the_greatest_of_the_moment) {
    metrics_registry registry;
    auto& depth = registry.gauges({"depth", "x", {"tenant"}}, 1);
    depth.with({"a"}).set(10);
    depth.with({"b"}).set(9);
    depth.with({"c"}).set(1);
    BOOST_TEST(samples_of(registry.render()).at(R"(depth{tenant="a"})") == 10);
    depth.with({"a"}).add(-8);
    const auto samples = samples_of(registry.render());
    BOOST_TEST(samples.size() == 2U);
    BOOST_TEST(samples.at(R"(depth{tenant="b"})") == 9);
    BOOST_TEST(samples.at(R"(depth{tenant="other"})") == 3);
}

BOOST_AUTO_TEST_CASE(collected_gauges_are_folded_too) {
    metrics_registry registry;
    registry.collect_gauges(
        {"depth", "x", {"tenant"}},
        [] {
            return std::vector<metric_sample>{{{"a"}, 1}, {{"b"}, 5}, {{"c"}, 2}, {{"other"}, 9}};
        },
        1);
    const auto samples = samples_of(registry.render());
    BOOST_TEST(samples.size() == 2U);
    BOOST_TEST(samples.at(R"(depth{tenant="b"})") == 5);
    BOOST_TEST(samples.at(R"(depth{tenant="other"})") == 12);
}

BOOST_AUTO_TEST_CASE(counters_that_somebody_else_keeps_have_labels_and_fractions) {
    metrics_registry registry;
    registry.collect_counters({"cpu_seconds_total", "x", {"thread"}}, [] {
        return std::vector<metric_sample>{{{"a"}, 1.25}, {{"b"}, 2}};
    });
    BOOST_TEST(registry.render() == "# HELP cpu_seconds_total x\n# TYPE cpu_seconds_total counter\n"
                                    "cpu_seconds_total{thread=\"a\"} 1.25\ncpu_seconds_total{thread=\"b\"} 2\n");
    BOOST_CHECK_THROW(
        registry.collect_counters({"cpu_seconds", "x", {}}, [] { return std::vector<metric_sample>{}; }),
        std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(values_beyond_what_memory_holds_are_counted_as_other) {
    metrics_registry registry;
    auto& jobs = registry.counters({"jobs_total", "x", {"tenant"}}, 10);
    const std::size_t count = limits::metric_series_max + 500;
    for (std::size_t i = 0; i < count; ++i) jobs.with({"t" + std::to_string(i)}).increment();
    jobs.with({"t0"}).increment(); // still itself
    const auto samples = samples_of(registry.render());
    BOOST_TEST(samples.size() == 11U);
    BOOST_TEST(sum_of(samples) == static_cast<double>(count + 1));
    BOOST_TEST(samples.at(R"(jobs_total{tenant="t0"})") == 2);
}

BOOST_AUTO_TEST_CASE(long_label_values_are_cut) {
    metrics_registry registry;
    auto& jobs = registry.counters({"jobs_total", "x", {"tenant"}});
    jobs.with({std::string(100'000, 'a')}).increment();
    jobs.with({std::string(100'001, 'a')}).increment();
    BOOST_TEST(samples_of(registry.render()).at("jobs_total{tenant=\"" + std::string(128, 'a') + "\"}") == 2);
}

BOOST_AUTO_TEST_CASE(threads_count_while_others_look_and_no_count_is_lost) {
    metrics_registry registry;
    auto& jobs = registry.counters({"jobs_total", "x", {"tenant"}}, 3);
    auto& waits = registry.make_histogram("wait_seconds", "x", {1, 2});
    constexpr int threads = 4, each = 20'000;
    std::atomic<bool> done{false};
    std::thread looker{[&] {
        while (!done.load()) {
            const auto samples = samples_of(registry.render());
            BOOST_REQUIRE(samples.at("wait_seconds_count") == samples.at("wait_seconds_bucket{le=\"+Inf\"}"));
        }
    }};
    std::vector<std::thread> counters;
    for (int t = 0; t < threads; ++t)
        counters.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) {
                jobs.with({"t" + std::to_string((i + t) % 8)}).increment();
                waits.observe(i % 3);
            }
        });
    for (std::thread& thread : counters) thread.join();
    done = true;
    looker.join();
    const auto samples = samples_of(registry.render());
    double counted = 0;
    for (const auto& [name, value] : samples)
        if (name.starts_with("jobs_total")) counted += value;
    BOOST_TEST(counted == threads * each);
    BOOST_TEST(samples.at("wait_seconds_count") == threads * each);
}

BOOST_AUTO_TEST_SUITE_END()
