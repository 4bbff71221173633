#include "runtime/observability/node_metrics.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>
#include <condition_variable>
#include <random>
#include <set>
#include <thread>

#include "actors/journal/journal_actor.hpp"
#include "persistence/record.hpp"
#include "tests/runtime/observability/commit_world.hpp"
#include "tests/runtime/observability/metrics_text.hpp"

using namespace coppice;
using namespace coppice::testing;
using namespace std::chrono_literals;
using outcome = cmd::Report::Outcome;

namespace {

using sample_map = std::map<std::string, double>;

sample_map look(commit_world& w) { return samples_of(w.metrics().render()); }

std::string state_is(std::string_view state) { return "state=\"" + std::string{state} + '"'; }

// What the jobs' rows say, counted one by one.
struct stored_facts {
    std::map<std::pair<std::string, std::string>, double> by_tenant_and_state;
    std::map<std::string, double> by_state;
    double jobs = 0, attempts = 0, lost = 0;
};
stored_facts count_rows(store& data) {
    stored_facts facts;
    const auto tables = data.begin_read();
    record_reader<rec::JobRow> reader;
    for (auto r = tables->seek(table::jobs, {}); r; r = tables->next(table::jobs)) {
        key_reader k{r->key};
        k.u16();
        const std::string tenant = "t" + std::to_string(k.u32());
        const auto job = reader.read(r->value);
        const std::string state{to_string(job.getState())};
        ++facts.by_tenant_and_state[{tenant, state}];
        ++facts.by_state[state];
        ++facts.jobs;
        facts.attempts += job.getAttempt();
        facts.lost += job.getLost();
    }
    return facts;
}

void require_gauges_equal_rows(const sample_map& seen, const stored_facts& facts) {
    for (const auto& [key, count] : facts.by_tenant_and_state) {
        const auto& [tenant, state] = key;
        const job_state s = *job_state_from(state);
        const char* family = is_waiting(s) ? "operations_queue_depth" : "operations_jobs_ended";
        const std::string labels = s == job_state::RUNNING ? "{tenant=\"" + tenant + "\"}"
                                                           : "{tenant=\"" + tenant + "\"," + state_is(state) + "}";
        const auto found = seen.find((s == job_state::RUNNING ? "operations_jobs_running" : family) + labels);
        BOOST_REQUIRE_MESSAGE(found != seen.end(), "no series for " << tenant << ' ' << state);
        BOOST_REQUIRE_EQUAL(found->second, count);
    }
    BOOST_REQUIRE_EQUAL(sum_of(seen, "operations_queue_depth") + sum_of(seen, "operations_jobs_running") +
                            sum_of(seen, "operations_jobs_ended"),
                        facts.jobs);
}

// A store whose reads can be made to fail, as those of a damaged one do.
class store_with_faults final : public store {
  public:
    explicit store_with_faults(store& real) : real_(real) {}
    std::unique_ptr<write_transaction> begin_write() override { return real_.begin_write(); }
    std::unique_ptr<read_transaction> begin_read() override {
        if (broken) throw std::runtime_error("no read transaction");
        return real_.begin_read();
    }
    store_stats stats() override {
        if (broken) throw std::runtime_error("no read transaction");
        return real_.stats();
    }
    bool has_room() override { return real_.has_room(); }
    bool broken = false;

  private:
    store& real_;
};

// Jobs of a few tenants live and die at random; commits fail now and then.
class random_life {
  public:
    random_life(unsigned seed, commit_world& w) : random_(seed), world_(w) {}

    void step() {
        switch (random_() % 8) {
        case 0:
        case 1:
        case 2:
            return submit();
        case 3:
        case 4:
            return report();
        case 5:
            if (jobs_.empty()) return;
            return note(world_.cancel(jobs_[random_() % jobs_.size()]));
        case 6:
            world_.pass(microseconds{random_() % 3'000'000});
            return note(world_.tick());
        default:
            return refuse();
        }
    }

    std::map<errc, double> answers; // of commits that held
    double commands = 0, stale = 0, failed_commits = 0;

  private:
    void note(const command_result& r) {
        if (r.code == errc::storage_full) {
            ++failed_commits;
            return;
        }
        ++answers[r.code];
        ++commands;
        if (r.code == errc::stale_attempt) ++stale;
        if (world_.last())
            for (const start_effect& s : world_.last()->starts) running_.push_back(s.work.ref);
    }
    void submit() {
        const auto not_before = random_() % 4 == 0 ? world_.now() + 2s : never;
        const auto type = static_cast<std::uint32_t>(random_() % 4 + 1); // the last one is not declared
        const command_result r = world_.submit(static_cast<std::uint32_t>(random_() % 5 + 1), type, not_before);
        if (r.code == errc::ok) jobs_.push_back(r.job);
        note(r);
    }
    void refuse() {
        const job_id id = world_.new_id(static_cast<std::uint32_t>(random_() % 5 + 1));
        note(world_.one(true, [&](cmd::Command::Builder c) {
            auto r = c.initRefuse();
            r.getJob().setHigh(id.high());
            r.getJob().setLow(id.low());
            r.setType(1);
            r.setCode(static_cast<std::uint16_t>(errc::payload_invalid));
        }));
    }
    void report() {
        if (running_.empty()) return;
        attempt_ref ref = running_[random_() % running_.size()]; // over already, as like as not
        if (random_() % 10 == 0) ref.attempt += 7;
        world_.pass(microseconds{random_() % 100'000});
        static constexpr std::array outcomes{outcome::SUCCEEDED, outcome::FAILED, outcome::TIMED_OUT, outcome::LOST,
                                             outcome::CANCELLED};
        static constexpr std::array codes{errc::ok, errc::job_failed, errc::timeout_attempt, errc::worker_lost,
                                          errc::cancelled};
        const std::size_t which = random_() % outcomes.size();
        note(world_.report(ref, outcomes[which], codes[which]));
    }

    std::mt19937 random_;
    commit_world& world_;
    std::vector<job_id> jobs_;
    std::vector<attempt_ref> running_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(node_metrics_of_a_journal)

BOOST_AUTO_TEST_CASE(the_numbers_add_up_to_what_happened) {
    const unsigned seed = std::random_device{}();
    BOOST_TEST_INFO_SCOPE("seed " << seed);
    BOOST_TEST_MESSAGE("seed " << seed);
    memory_options faults;
    for (std::uint64_t n = 50; n < 10'000; n += 37) faults.failing_commits.push_back(n);
    commit_world w{faults};
    w.declare(5, 3, 40);
    w.attach(6);
    random_life life{seed, w};
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 100; ++i) life.step();
        const stored_facts facts = count_rows(w.data());
        const sample_map seen = look(w);
        require_gauges_equal_rows(seen, facts);

        // Every command once, by its answer; the declarations are the first eight.
        BOOST_REQUIRE_EQUAL(sum_of(seen, "operations_commands_total"), life.commands + 8);
        for (const auto& [code, count] : life.answers)
            BOOST_REQUIRE_EQUAL(seen.at("operations_commands_total{code=\"" + std::string{to_string(code)} + "\"}"),
                                count + (code == errc::ok ? 8 : 0));
        BOOST_REQUIRE_EQUAL(seen.at("operations_commit_commands_sum"), life.commands + 8);
        BOOST_REQUIRE_EQUAL(seen.at("operations_stale_reports_total"), life.stale);

        const auto happened = [&](std::string_view state) {
            const double by_tenant = sum_of(seen, "operations_jobs_total", state_is(state));
            BOOST_REQUIRE_EQUAL(by_tenant, sum_of(seen, "operations_jobs_by_type_total", state_is(state)));
            return by_tenant;
        };
        const auto stored = [&](const char* state) {
            const auto found = facts.by_state.find(state);
            return found == facts.by_state.end() ? 0 : found->second;
        };
        for (const char* ended : {"succeeded", "failed", "cancelled", "rejected"})
            BOOST_REQUIRE_EQUAL(happened(ended), stored(ended));
        BOOST_REQUIRE_EQUAL(happened("submitted"), facts.jobs - stored("rejected"));
        BOOST_REQUIRE_EQUAL(happened("started"), facts.attempts);
        BOOST_REQUIRE_EQUAL(sum_of(seen, "operations_jobs_failed_total"), stored("failed"));
        BOOST_REQUIRE_EQUAL(sum_of(seen, "operations_job_scheduling_seconds_count"), facts.attempts);
        const double ends = facts.attempts - stored("running");
        BOOST_REQUIRE_EQUAL(sum_of(seen, "operations_attempts_total"), ends);
        BOOST_REQUIRE_EQUAL(sum_of(seen, "operations_attempts_total", "outcome=\"lost\""), facts.lost);
        BOOST_REQUIRE_EQUAL(sum_of(seen, "operations_attempt_run_seconds_count"), ends);
        BOOST_REQUIRE_EQUAL(sum_of(seen, "operations_attempt_errors_total"),
                            ends - sum_of(seen, "operations_attempts_total", "outcome=\"succeeded\""));
        BOOST_REQUIRE_EQUAL(seen.at("operations_worker_slots{state=\"used\"}"), stored("running"));
    }
    BOOST_TEST(life.failed_commits > 0); // or it was not tried what a failed commit counts
    BOOST_TEST(life.stale > 0);
    BOOST_TEST(life.answers[errc::queue_full] > 0);
}

BOOST_AUTO_TEST_CASE(a_restart_keeps_what_the_store_counted_and_begins_its_counters_anew) {
    commit_world w;
    w.declare(2, 1);
    w.attach(1);
    w.submit(1, 1);
    w.report(w.last()->starts.at(0).work.ref, outcome::SUCCEEDED);
    w.submit(2, 1);
    w.submit(2, 1);
    const sample_map before = look(w);
    w.restart();
    const sample_map after = look(w); // before any commit
    for (const char* gauge :
         {"operations_jobs_ended{tenant=\"t1\",state=\"succeeded\"}", "operations_jobs_running{tenant=\"t2\"}",
          "operations_queue_depth{tenant=\"t2\",state=\"queued\"}"}) {
        BOOST_TEST(before.at(gauge) == 1, gauge);
        BOOST_TEST(after.at(gauge) == 1, gauge);
    }
    BOOST_TEST(sum_of(before, "operations_jobs_total") > 0);
    BOOST_TEST(sum_of(after, "operations_jobs_total") == 0);
    w.submit(2, 1);
    BOOST_TEST(look(w).at("operations_queue_depth{tenant=\"t2\",state=\"queued\"}") == 2);
}

BOOST_AUTO_TEST_CASE(attempts_are_told_apart_by_how_they_ended) {
    commit_world w;
    w.declare(1, 1);
    w.attach(1);
    const job_id id = w.submit(1, 1).job;
    const auto end_next = [&](outcome how, errc code, microseconds after) {
        const attempt_ref ref = w.last()->starts.at(0).work.ref;
        w.pass(after);
        BOOST_REQUIRE(w.report(ref, how, code).code == errc::ok);
    };
    end_next(outcome::LOST, errc::worker_lost, 1s);
    end_next(outcome::FAILED, errc::exit_status, 2s);
    end_next(outcome::TIMED_OUT, errc::timeout_attempt, 4s);
    w.pass(1s);
    const attempt_ref last = w.last()->starts.at(0).work.ref;
    w.cancel(id);
    BOOST_REQUIRE(w.report(last, outcome::CANCELLED, errc::cancelled).code == errc::ok);
    const sample_map seen = look(w);
    const auto ended = [&](const char* how) {
        return seen.at(std::string{"operations_attempts_total{type=\"y1\",outcome=\""} + how + "\"}");
    };
    BOOST_TEST(ended("lost") == 1);
    BOOST_TEST(ended("failed") == 1);
    BOOST_TEST(ended("timed_out") == 1);
    BOOST_TEST(ended("cancelled") == 1);
    BOOST_TEST(seen.at("operations_job_retries_total{type=\"y1\"}") == 2);
    BOOST_TEST(seen.at("operations_attempt_errors_total{code=\"exit_status\"}") == 1);
    BOOST_TEST(seen.at("operations_attempt_run_seconds_sum{type=\"y1\"}") == 8);
    BOOST_TEST(seen.at("operations_attempt_run_seconds_bucket{type=\"y1\",le=\"2.5\"}") == 3);
    BOOST_TEST(seen.at("operations_jobs_total{tenant=\"t1\",state=\"started\"}") == 4);
    BOOST_TEST(seen.at("operations_jobs_total{tenant=\"t1\",state=\"cancelled\"}") == 1);
}

BOOST_AUTO_TEST_CASE(the_time_from_ready_to_start_is_observed_by_tenant) {
    commit_world w;
    w.declare(2, 1);
    w.submit(1, 1);
    w.pass(250ms);
    w.submit(2, 1);
    w.pass(750ms);
    w.attach(2);
    w.journal().run({});
    const sample_map seen = look(w);
    BOOST_TEST(seen.at("operations_job_scheduling_seconds_sum{tenant=\"t1\"}") == 1);
    BOOST_TEST(seen.at("operations_job_scheduling_seconds_sum{tenant=\"t2\"}") == 0.75);
    BOOST_TEST(seen.at("operations_commit_commands_bucket{le=\"0\"}") == 1); // it only started jobs
}

BOOST_AUTO_TEST_CASE(the_oldest_age_is_that_of_the_first_in_any_of_a_tenants_queues) {
    commit_world w;
    w.declare(3, 2);
    w.submit(1, 2);
    w.pass(3s);
    w.submit(1, 1);
    w.submit(1, 2);
    w.submit(2, 1);
    w.submit(3, 1, w.now() + 1h); // waits for a time, not for a slot
    w.pass(2s);
    const auto age = [&](const char* tenant) {
        return look(w).at(std::string{"operations_queue_oldest_age_seconds{tenant=\""} + tenant + "\"}");
    };
    BOOST_TEST(age("t1") == 5);
    BOOST_TEST(age("t2") == 2);
    BOOST_TEST(age("t3") == 0);
}

BOOST_AUTO_TEST_CASE(ten_thousand_tenants_give_no_more_series_than_a_few_hundred) {
    commit_world w;
    constexpr std::uint32_t tenants = 10'000;
    w.declare(tenants, 1);
    w.attach(1000);
    std::size_t submitted = 0;
    for (std::uint32_t t = 1; t <= tenants; ++t) {
        const std::size_t jobs = t % 1000 == 0 ? 30 : 1; // ten of them stand out
        submitted += jobs;
        std::vector<job_id> ids;
        for (std::size_t i = 0; i < jobs; ++i) ids.push_back(w.new_id(t));
        w.run(jobs, true, [&](std::size_t i, cmd::Command::Builder c) { w.fill_submit(c, ids[i], 1); });
    }
    const std::string text = w.metrics().render();
    const sample_map seen = samples_of(text);
    std::map<std::string, std::set<std::string>> tenants_shown;
    for (const auto& [series, value] : seen)
        if (const auto at = series.find("{tenant=\""); at != std::string::npos)
            tenants_shown[series.substr(0, at)].insert(series.substr(at + 9, series.find('"', at + 9) - at - 9));
    BOOST_TEST(tenants_shown.size() >= 6U);
    for (const auto& [family, names] : tenants_shown)
        BOOST_TEST(names.size() <= limits::metric_series_shown + 1, family << " names " << names.size());
    BOOST_TEST(seen.size() < 3000U);
    BOOST_TEST(text.size() < 300'000U);
    BOOST_TEST(sum_of(seen, "operations_jobs_total", state_is("submitted")) == static_cast<double>(submitted));
    BOOST_TEST(sum_of(seen, "operations_queue_depth") + sum_of(seen, "operations_jobs_running") ==
               static_cast<double>(submitted));
    BOOST_TEST(seen.at("operations_queue_depth{tenant=\"t9000\",state=\"queued\"}") > 0);
    BOOST_TEST(sum_of(seen, "operations_queue_depth", "tenant=\"other\"") > 0);
}

BOOST_AUTO_TEST_CASE(a_store_that_gives_no_snapshot_costs_its_own_numbers_alone) {
    const auto real = make_memory_store();
    store_with_faults data{*real};
    node_metrics metrics{{.data = &data, .shard = metrics_shard}};
    BOOST_TEST(samples_of(metrics.render()).at("operations_metrics_faults_total") == 0);
    data.broken = true;
    (void)metrics.render();
    const sample_map seen = samples_of(metrics.render());
    BOOST_TEST(seen.at("operations_metrics_faults_total") >= 2);
    BOOST_TEST(seen.at("operations_store_used_bytes{store=\"data\"}") == 0);
    BOOST_TEST(seen.at("process_anonymous_memory_bytes") > 0);
}

BOOST_AUTO_TEST_CASE(sessions_and_slots_follow_the_workers_that_come_and_go) {
    commit_world w;
    w.declare(1, 1);
    w.attach(5);
    const worker_id second{make_worker_id(1, 2, false)};
    auto& machine = w.journal().machine();
    machine.attach_worker(second, {"y1"}, 3);
    w.metrics().workers_changed(machine.pool());
    w.submit(1, 1);
    sample_map seen = look(w);
    BOOST_TEST(seen.at("operations_worker_sessions{state=\"attached\"}") == 2);
    BOOST_TEST(seen.at("operations_worker_slots{state=\"free\"}") == 7);
    BOOST_TEST(seen.at("operations_worker_slots{state=\"used\"}") == 1);
    machine.drain_worker(second);
    w.metrics().workers_changed(machine.pool());
    seen = look(w);
    BOOST_TEST(seen.at("operations_worker_sessions{state=\"attached\"}") == 1);
    BOOST_TEST(seen.at("operations_worker_sessions{state=\"draining\"}") == 1);
    BOOST_TEST(sum_of(seen, "operations_worker_slots") == 5);
    machine.detach_worker(second);
    machine.detach_worker(test_worker);
    w.metrics().workers_changed(machine.pool());
    seen = look(w);
    BOOST_TEST(sum_of(seen, "operations_worker_sessions") == 0);
    BOOST_TEST(sum_of(seen, "operations_worker_slots") == 0);
}

BOOST_AUTO_TEST_CASE(the_journal_tells_of_workers_though_nothing_is_committed) {
    const auto data = make_memory_store();
    node_metrics metrics{{.data = data.get(), .shard = metrics_shard}};
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::size_t> sessions; // each time that the journal told
    journal_options options{.data = data.get(), .shard = metrics_shard};
    options.on_workers = [&](const slot_pool& pool) {
        metrics.workers_changed(pool);
        const std::scoped_lock lock{mutex};
        sessions.push_back(pool.workers().size());
        changed.notify_all();
    };
    const auto wait_for = [&](std::size_t times) {
        std::unique_lock lock{mutex};
        BOOST_REQUIRE(changed.wait_for(lock, 20s, [&] { return sessions.size() >= times; }));
        return sessions;
    };
    caf::actor_system_config config;
    caf::actor_system system{config};
    const auto journal = system.spawn<caf::detached>(journal_actor, tree_handle{}, options, shard_handle{});
    caf::anon_send(journal, worker_attached{test_worker, {"y1"}, 4});
    wait_for(2);
    BOOST_TEST(samples_of(metrics.render()).at("operations_worker_slots{state=\"free\"}") == 4);
    caf::anon_send(journal, worker_draining{test_worker});
    caf::anon_send(journal, worker_detached{test_worker});
    BOOST_TEST((wait_for(4) == std::vector<std::size_t>{0, 1, 1, 0}));
    BOOST_TEST(sum_of(samples_of(metrics.render()), "operations_worker_sessions") == 0);
    caf::anon_send_exit(journal, caf::exit_reason::user_shutdown);
}

BOOST_AUTO_TEST_CASE(a_scrape_during_commits_sees_sound_numbers) {
    commit_world w;
    w.declare(8, 2);
    w.attach(4);
    std::atomic<bool> done{false};
    std::thread journal{[&] {
        for (std::uint32_t i = 0; i < 400; ++i) {
            w.submit(i % 8 + 1, i % 2 + 1);
            while (w.last() && !w.last()->starts.empty())
                w.report(w.last()->starts.front().work.ref, outcome::SUCCEEDED);
        }
        done = true;
    }};
    std::vector<std::string> scrapes; // read later: the other thread asserts as well, and Boost.Test has one log
    while (!done) scrapes.push_back(w.metrics().render());
    journal.join();
    double last_seen = 0;
    for (const std::string& scrape : scrapes) {
        const double now = sum_of(samples_of(scrape), "operations_jobs_total");
        BOOST_REQUIRE(now >= last_seen);
        last_seen = now;
    }
    require_gauges_equal_rows(look(w), count_rows(w.data()));
}

BOOST_AUTO_TEST_SUITE_END()
