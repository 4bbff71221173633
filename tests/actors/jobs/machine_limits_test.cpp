// What keeps a queued job from starting: rates, keys, pauses. That they hold over random histories is the model's
// affair (machine_model_test.cpp); here is what one of them does by itself, and what it costs.
#include "actors/governance/payload_key.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

using std::chrono::milliseconds;

struct limited : world {
    limited() {
        declare_usual();
        attach(worker_id{1}, {"build"}, 100);
    }
    void type(concurrency_spec by_key, bool paused = false) {
        job_type_spec spec;
        spec.name = "build";
        spec.retry = {milliseconds{0}, milliseconds{0}};
        spec.concurrency = std::move(by_key);
        spec.paused = paused;
        by_ = spec.concurrency.by;
        run({type_op{.version = ++version_, .spec = spec}});
    }
    void tenant(start_rate rate, bool paused = false) {
        run({tenant_op{.version = ++version_,
                       .spec = {.name = "acme", .rate = rate, .paused = paused, .types = {"*"}}}});
    }
    submit_op job_of(const std::string& customer, const std::string& region = "eu") {
        submit_op s{.job = new_id(), .version = type_version_()};
        s.payload = R"({"customer":")" + customer + R"(","region":")" + region + R"("})";
        if (!by_.empty()) s.limit_key = stored_payload_key(s.payload, by_);
        return s;
    }
    job_id add(const std::string& customer, const std::string& region = "eu") {
        return submit(job_of(customer, region));
    }
    std::uint32_t type_version_() {
        return static_cast<std::uint32_t>(machine().book().type_named("build")->version);
    }
    bool runs(const job_id& id) { return job(id).state == job_state::RUNNING; }

  private:
    std::string by_;
    std::uint64_t version_ = 1;
};

} // namespace

BOOST_AUTO_TEST_SUITE(start_limits)

BOOST_AUTO_TEST_CASE(a_full_key_holds_its_own_jobs_and_no_others) {
    limited w;
    w.type({.by = "customer", .running_max = 1});
    const job_id first = w.add("a"), second = w.add("a"), other = w.add("b");
    BOOST_TEST(w.runs(first));
    BOOST_TEST(!w.runs(second));
    BOOST_TEST(w.runs(other));
    w.report(first, outcome::FAILED, {.permanent = true});
    BOOST_TEST(w.runs(second));
    w.report(second, outcome::LOST); // goes back to its place, and starts again
    BOOST_TEST(w.runs(second));
}

BOOST_AUTO_TEST_CASE(thousands_of_one_full_key_are_read_once_and_delay_no_other) {
    limited w;
    w.type({.by = "customer", .running_max = 1});
    w.add("a");
    for (int round = 0; round < 3; ++round) {
        std::vector<op> more;
        for (int i = 0; i < 4000; ++i) more.push_back(w.job_of("a"));
        w.run(more, false);
    }
    const job_id other = w.submit([&] {
        submit_op s = w.job_of("b");
        s.priority = 5;
        return s;
    }());
    // At most so many are looked at in one batch; the machine says that there is more to do.
    int plans = 0;
    while (!w.runs(other) && plans < 10) {
        BOOST_REQUIRE(w.out().starts_left);
        w.plan();
        ++plans;
    }
    BOOST_TEST(w.runs(other));
    const job_id late = w.add("c");
    BOOST_TEST(w.runs(late)); // in its own batch: what was read is not read again
    BOOST_TEST(!w.out().starts_left);
}

BOOST_AUTO_TEST_CASE(changed_bounds_act_at_once_on_what_waits_and_what_runs) {
    limited w;
    w.type({.by = "customer", .running_max = 1});
    std::vector<job_id> jobs;
    for (int i = 0; i < 4; ++i) jobs.push_back(w.add("a", i % 2 == 0 ? "eu" : "us"));
    BOOST_TEST(w.out().starts.empty());
    w.type({.by = "customer", .running_max = 3});
    BOOST_TEST(w.out().starts.size() == 2U);
    BOOST_TEST(!w.runs(jobs[3]));
    // By another field: the jobs' keys are those of their payloads, of the one that waits and of those that run.
    w.type({.by = "region", .running_max = 2});
    BOOST_TEST(w.runs(jobs[3]));           // "us" had one
    BOOST_TEST(!w.runs(w.add("b", "eu"))); // "eu" has two
    BOOST_TEST(w.runs(w.add("b", "asia")));
    w.report(jobs[1], outcome::SUCCEEDED); // started under its former key
    BOOST_TEST(w.runs(w.add("c", "us")));
}

BOOST_AUTO_TEST_CASE(jobs_without_the_field_share_a_key) {
    limited w;
    w.type({.by = "nowhere", .running_max = 1});
    const job_id first = w.add("a"), second = w.add("b");
    BOOST_TEST((w.runs(first) && !w.runs(second)));
}

BOOST_AUTO_TEST_CASE(a_tenant_s_rate_lets_one_start_at_a_time_and_wakes_the_shard_for_the_next) {
    limited w;
    w.tenant({10, milliseconds{1000}, 1});
    std::vector<op> ops;
    for (int i = 0; i < 3; ++i) ops.push_back(w.job_of("a"));
    BOOST_TEST(w.run(ops).starts.size() == 1U);
    for (int i = 0; i < 2; ++i) {
        BOOST_REQUIRE((w.machine().next_due(*w.data().begin_read()) == w.now() + milliseconds{100}));
        w.pass(milliseconds{99});
        BOOST_TEST(w.plan().starts.empty());
        w.pass(milliseconds{1});
        BOOST_TEST(w.plan().starts.size() == 1U);
    }
    BOOST_TEST(!w.machine().next_due(*w.data().begin_read()).has_value());
}

BOOST_AUTO_TEST_CASE(a_key_s_rate_wakes_the_shard_too) {
    limited w;
    w.type({.by = "customer", .rate = {2, milliseconds{1000}, 1}});
    std::vector<op> ops;
    for (int i = 0; i < 2; ++i) ops.push_back(w.job_of("a"));
    ops.push_back(w.job_of("b"));
    BOOST_TEST(w.run(ops).starts.size() == 2U);
    BOOST_TEST((w.machine().next_due(*w.data().begin_read()) == w.now() + milliseconds{500}));
    w.pass(milliseconds{500});
    BOOST_TEST(w.plan().starts.size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_pause_starts_nothing_and_ends_at_once) {
    limited w;
    w.tenant({}, true);
    const job_id one = w.add("a");
    BOOST_TEST(!w.runs(one));
    BOOST_TEST(w.machine().unserved(10).empty()); // it lacks more than a slot
    w.tenant({});
    BOOST_TEST(w.runs(one));
    w.type({}, true);
    const job_id two = w.add("a");
    BOOST_TEST(!w.runs(two));
    BOOST_TEST(w.machine().unserved(10).empty());
    w.report(one, outcome::SUCCEEDED); // what ran goes on
    w.type({});
    BOOST_TEST(w.runs(two));
}

BOOST_AUTO_TEST_CASE(keys_that_run_are_counted_again_by_a_new_machine) {
    limited w;
    w.type({.by = "customer", .running_max = 1});
    const job_id first = w.add("a"), second = w.add("a");
    w.reload();
    w.attach(worker_id{1}, {"build"}, 100);
    w.plan();
    BOOST_TEST(!w.runs(second));
    w.report(first, outcome::SUCCEEDED);
    BOOST_TEST(w.runs(second));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
