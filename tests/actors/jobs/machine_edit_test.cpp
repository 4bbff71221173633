// Changes of jobs that wait: another priority, another payload.
#include "actors/governance/payload_key.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

struct edit_world : world {
    edit_world() { declare_usual(); }
    // Starts jobs, one at a time, in their order.
    std::vector<job_id> order_of_starts(std::size_t count) {
        attach(worker_id{1}, {"build"}, 1);
        std::vector<job_id> started;
        for (plan(); started.size() < count; report(started.back(), outcome::SUCCEEDED)) {
            BOOST_REQUIRE(out().starts.size() == 1U);
            started.push_back(out().starts.front().work.ref.job);
        }
        return started;
    }
    std::string payload_started_with(const job_id& id) {
        for (const start_effect& s : out().starts)
            if (s.work.ref.job == id) return s.work.payload;
        return "it was not started";
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(machine_edit)

BOOST_AUTO_TEST_CASE(a_job_moves_to_the_place_that_it_would_have_had) {
    edit_world w;
    const job_id first = w.submit(), second = w.submit(), third = w.submit();
    BOOST_TEST((w.one(edit_op{.job = third, .priority = 1}, false).code == errc::ok));
    BOOST_TEST((w.one(edit_op{.job = first, .priority = 5}, false).code == errc::ok));
    const std::vector expected{third, second, first};
    BOOST_TEST((w.order_of_starts(3) == expected));
}

BOOST_AUTO_TEST_CASE(a_payload_of_any_size_takes_the_place_of_one_of_any_size) {
    edit_world w;
    const std::string large(limits::payload_inline_max + 1, 'p');
    for (const std::string& before : {std::string{}, std::string{"{}"}, large})
        for (const std::string& after : {std::string{}, std::string{"[1]"}, large + "q"}) {
            const job_id id = w.submit({.payload = before});
            BOOST_TEST((w.one(edit_op{.job = id, .payload = after}).code == errc::ok));
            w.attach(worker_id{1}, {"build"}, 1);
            w.plan();
            BOOST_TEST(w.payload_started_with(id) == after);
            w.report(id, outcome::SUCCEEDED);
            w.machine().detach_worker(worker_id{1});
        }
}

BOOST_AUTO_TEST_CASE(what_waits_can_be_changed_and_nothing_else) {
    edit_world w;
    const job_id parent = w.submit();
    submit_op later{.job = w.new_id()}, child{.job = w.new_id(), .after = {parent}};
    later.not_before_us = to_us(w.now() + std::chrono::hours{1});
    w.submit(later);
    w.submit(child);
    for (const job_id& id : {parent, later.job, child.job})
        BOOST_TEST((w.one(edit_op{.job = id, .priority = 2}).code == errc::ok));
    BOOST_TEST((w.one(edit_op{.job = w.new_id(), .priority = 2}).code == errc::not_found));
    for (const edit_op& wrong : {edit_op{.job = parent}, edit_op{.job = parent, .priority = 6},
                                 edit_op{.job = parent, .payload = std::string(limits::payload_size_max + 1, 'p')}})
        BOOST_TEST((w.one(wrong).code == errc::invalid_argument));
    w.attach(worker_id{1}, {"build"}, 1);
    w.plan();
    BOOST_TEST((w.one(edit_op{.job = parent, .priority = 1}).code == errc::illegal_transition));
    w.report(parent, outcome::SUCCEEDED);
    BOOST_TEST((w.one(edit_op{.job = parent, .priority = 1}).code == errc::illegal_transition));
}

BOOST_AUTO_TEST_CASE(evidence_says_who_changed_what_and_why) {
    edit_world w;
    const job_id id = w.submit();
    w.one(edit_op{.job = id, .priority = 1, .payload = "{}", .reason = "was mistyped"});
    const auto evidence = w.evidence();
    BOOST_REQUIRE(evidence.size() == 1U);
    BOOST_TEST((evidence[0].kind == rec::EvidenceRow::Kind::JOB_EDITED));
    BOOST_TEST(evidence[0].detail == "priority 3 to 1, another payload: was mistyped");
}

BOOST_AUTO_TEST_CASE(a_payload_that_was_checked_against_an_older_declaration_is_to_be_checked_again) {
    edit_world w;
    const job_id id = w.submit();
    const command_result r = w.one(edit_op{.job = id, .payload = "{}", .version = 7});
    BOOST_TEST((r.code == errc::unavailable && r.retry_after_ms > 0));
    BOOST_TEST((w.one(edit_op{.job = id, .priority = 1, .version = 7}).code == errc::ok)); // nothing to check
}

BOOST_AUTO_TEST_CASE(a_timeout_goes_on_from_when_it_was_set) {
    edit_world w;
    type_op y{.version = 2, .spec = {.name = "build"}};
    y.spec.timeouts.queued = std::chrono::seconds{10};
    w.run({y});
    const job_id id = w.submit({.version = 2});
    w.pass(std::chrono::seconds{9});
    w.one(edit_op{.job = id, .priority = 1});
    w.pass(std::chrono::seconds{1});
    w.tick();
    BOOST_TEST((w.job(id).state == job_state::FAILED));
}

BOOST_AUTO_TEST_CASE(another_payload_counts_under_its_own_key) {
    edit_world w;
    type_op y{.version = 2, .spec = {.name = "build"}};
    y.spec.concurrency = {.by = "k", .running_max = 1, .rate = {}};
    w.run({y});
    const auto keyed = [&](int k) { return "{\"k\":" + std::to_string(k) + "}"; };
    const auto key = [&](int k) { return stored_payload_key(keyed(k), "k"); };
    const auto submit = [&](int k) { return w.submit({.version = 2, .payload = keyed(k), .limit_key = key(k)}); };
    w.attach(worker_id{1}, {"build"}, 9);
    const job_id runs = submit(1), waits = submit(1);
    w.plan();
    BOOST_TEST((w.job(waits).state == job_state::QUEUED));
    w.one(edit_op{.job = waits, .payload = keyed(2), .version = 2, .limit_key = key(2)});
    BOOST_TEST((w.job(waits).state == job_state::RUNNING));
    const job_id third = submit(2);
    BOOST_TEST((w.job(third).state == job_state::QUEUED));
    w.report(runs, outcome::SUCCEEDED);
    BOOST_TEST((w.job(third).state == job_state::QUEUED)); // it is not that key's
    w.report(waits, outcome::SUCCEEDED);
    BOOST_TEST((w.job(third).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_job_cannot_become_like_another_one_that_is_unique) {
    edit_world w;
    type_op y{.version = 2, .spec = {.name = "build"}};
    y.spec.unique = unique_spec{};
    w.run({y});
    const job_id one = w.submit({.version = 2, .likeness = 1}), two = w.submit({.version = 2, .likeness = 2});
    const edit_op become_one{.job = two, .payload = "1", .version = 2, .likeness = 1};
    const command_result no = w.one(become_one);
    BOOST_TEST((no.code == errc::conflict && no.detail.find(to_string(one)) != std::string::npos));
    BOOST_TEST((w.one(edit_op{.job = two, .payload = "3", .version = 2, .likeness = 3}).code == errc::ok));
    // What it was is free, what it became is taken.
    submit_op again{.job = w.new_id(), .version = 2, .likeness = 3};
    BOOST_TEST((w.one(again).job == two));
    again.likeness = 2;
    BOOST_TEST((w.one(again).job == again.job));
    w.one(cancel_op{one, ""});
    BOOST_TEST((w.one(become_one).code == errc::ok));
}

BOOST_AUTO_TEST_CASE(a_submission_whose_answer_was_lost_is_known_also_when_it_was_changed_meanwhile) {
    edit_world w;
    const submit_op sent{.job = w.new_id(), .payload = "1"};
    w.submit(sent);
    w.one(edit_op{.job = sent.job, .payload = "2"});
    const command_result again = w.one(sent);
    BOOST_TEST((again.code == errc::ok && again.existing));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(machine_trace)

BOOST_AUTO_TEST_CASE(every_attempt_is_handed_the_trace_that_the_job_came_with) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 1);
    const std::string trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const job_id id = w.submit({.traceparent = trace});
    BOOST_TEST(w.out().starts.at(0).work.traceparent == trace);
    w.report(id, outcome::FAILED);
    BOOST_TEST(w.out().starts.at(0).work.traceparent == trace);
    submit_op wrong{.job = w.new_id(), .traceparent = trace + "-more"};
    BOOST_TEST((w.one(wrong).code == errc::invalid_argument));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
