// What fails beneath a running attempt comes back and knows the attempt again: its job actor, its tenant's
// supervisor, the journal.
#include "tests/actors/jobs/virtual_shard.hpp"

namespace coppice::testing {
namespace {

constexpr worker_id first_worker{1};
constexpr worker_id second_worker{2};

job_type_spec bounded() {
    job_type_spec spec;
    spec.name = "bounded";
    spec.retry = {0ms, 0ms};
    spec.timeouts = {.attempt = 60s, .cancel_grace = 5s};
    return spec;
}

using refs = std::vector<attempt_ref>;

} // namespace

BOOST_AUTO_TEST_SUITE(attempt_recovery)

BOOST_AUTO_TEST_CASE(a_job_actor_that_fails_comes_back_and_its_deadline_holds) {
    virtual_shard node{{bounded()}};
    node.attach(first_worker, 1);
    const job_id id = node.submit();
    node.pass(20s);
    BOOST_REQUIRE(node.fail_job_actor(id));
    BOOST_TEST(node.job_row(id).restarts == 1U);
    BOOST_TEST(node.job_row(id).last_failure.find("asked to fail") != std::string::npos);
    node.pass(40s - instant_before);
    BOOST_TEST(node.job(id).attempt == 1U);
    BOOST_TEST(node.told(first_worker).revoked.empty());
    node.pass(instant_before);
    BOOST_TEST((node.told(first_worker).revoked == refs{{id, 1}}));
    BOOST_TEST((node.job(id).code == errc::timeout_attempt));
    BOOST_TEST((node.told(first_worker).assigned == refs{{id, 1}, {id, 2}}));
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(a_deadline_that_passes_while_the_job_actor_is_down_is_seen_when_it_is_back) {
    virtual_shard node{{bounded()}, {.base = 30s, .max = 30s}};
    node.attach(first_worker, 1);
    const job_id id = node.submit();
    node.pass(50s);
    node.fail_job_actor(id); // back at once
    node.fail_job_actor(id); // back in 15 to 30 s
    BOOST_TEST(node.job_row(id).state.find("restarting in ") == 0U);
    node.pass(10s);
    BOOST_TEST(node.job(id).attempt == 1U);
    node.pass(20s);
    BOOST_TEST((node.told(first_worker).revoked == refs{{id, 1}}));
    BOOST_TEST(node.job(id).attempt == 2U);
}

BOOST_AUTO_TEST_CASE(a_job_actor_that_fails_knows_the_wish_to_cancel_again) {
    virtual_shard node{{bounded()}};
    node.attach(first_worker, 1);
    const job_id id = node.submit();
    node.cancel(id);
    BOOST_TEST((node.told(first_worker).cancelled == refs{{id, 1}}));
    node.pass(3s);
    node.fail_job_actor(id);
    BOOST_TEST((node.told(first_worker).cancelled == refs{{id, 1}, {id, 1}}));
    BOOST_TEST((node.job(id).state == job_state::RUNNING));
    node.pass(6s);
    BOOST_TEST((node.told(first_worker).revoked == refs{{id, 1}}));
    BOOST_TEST((node.job(id).state == job_state::CANCELLED));
    BOOST_TEST(node.job_row(id).path.empty());
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(a_job_that_ends_while_its_actor_is_down_leaves_no_actor) {
    virtual_shard node{{bounded()}, {.base = 30s, .max = 30s}};
    node.attach(first_worker, 1);
    const job_id id = node.submit();
    node.fail_job_actor(id);
    node.fail_job_actor(id);
    node.report(first_worker, {id, 1}, outcome::SUCCEEDED);
    node.settle();
    BOOST_TEST((node.job(id).state == job_state::SUCCEEDED));
    node.pass(30s);
    BOOST_TEST(node.job_row(id).path.empty());
    BOOST_TEST(node.row("node/shard/tenants/acme").restarts == 0U);
}

BOOST_AUTO_TEST_CASE(a_tenant_whose_supervisor_dies_gets_its_job_actors_again_and_another_keeps_its_own) {
    virtual_shard node{{bounded()}};
    node.attach(first_worker, 3);
    const refs mine{{node.submit(), 1}, {node.submit(), 1}};
    const job_id other = node.submit(type_id{1}, tenant_id{2});
    const caf::actor of_other = node.job_actor_of(other);
    node.pass(20s);
    caf::anon_send_exit(node.find_in(node.tenants.handle(), "acme"), caf::exit_reason::kill);
    node.settle();
    for (const attempt_ref& ref : mine) BOOST_TEST(!node.job_row(ref.job).path.empty());
    BOOST_TEST((node.job_actor_of(other) == of_other));
    BOOST_TEST(node.row("node/shard").restarts == 0U);
    node.pass(40s);
    BOOST_TEST(node.told(first_worker).revoked.size() == 3U);
    for (const attempt_ref& ref : mine) BOOST_TEST((node.job(ref.job).code == errc::timeout_attempt));
}

// What was committed goes on: attempts that run keep their guards, and their worker finds them.
BOOST_AUTO_TEST_CASE(a_journal_that_fails_takes_its_dependents_along_and_running_attempts_go_on) {
    virtual_shard node{{bounded()}};
    node.attach(first_worker, 2);
    const refs running{{node.submit(), 1}, {node.submit(), 1}};
    node.pass(20s);
    node.fault = journal_fault::after_commit;
    node.propose({submit_op{.job = node.new_id()}});
    node.settle();
    BOOST_TEST(node.row("node/journal").restarts == 1U);
    BOOST_TEST(node.row("node/shard").restarts == 1U);
    BOOST_TEST(node.row("node/workers").restarts == 1U);
    BOOST_TEST(node.row("node/workers/session-1").path.empty());
    for (const attempt_ref& ref : running) BOOST_TEST(!node.job_row(ref.job).path.empty());
    node.pass(3s);
    const auto kept = node.attach(second_worker, 2, running);
    for (const command_result& r : kept->results) BOOST_TEST((r.code == errc::ok));
    node.pass(10s);
    BOOST_TEST(node.told(second_worker).revoked.empty());
    const auto done = node.report(second_worker, running[0], outcome::SUCCEEDED);
    node.settle();
    BOOST_TEST((done->code() == errc::ok));
    node.pass(27s);
    BOOST_TEST((node.told(second_worker).revoked == refs{running[1]}));
    BOOST_TEST((node.job(running[1].job).code == errc::timeout_attempt));
    node.require_sound();
}

// Executors introduce themselves once: one that the scheduler forgot would be given attempts that never reach it.
BOOST_AUTO_TEST_CASE(a_scheduler_that_fails_takes_the_sessions_along_and_workers_that_return_go_on) {
    virtual_shard node{{bounded()}};
    node.attach(first_worker, 2);
    const attempt_ref running{node.submit(), 1};
    node.pass(20s);
    caf::anon_send_exit(node.shard.handle(), caf::exit_reason::kill);
    node.settle();
    BOOST_TEST(node.row("node/journal").restarts == 0U);
    BOOST_TEST(node.row("node/shard").restarts == 1U);
    BOOST_TEST(!node.session_of(first_worker));
    BOOST_TEST(!node.job_row(running.job).path.empty());
    const job_id later = node.submit();
    BOOST_TEST((node.job(later).state == job_state::QUEUED));
    node.pass(4s);
    const auto kept = node.attach(second_worker, 2, {running});
    BOOST_TEST((kept->code() == errc::ok));
    BOOST_TEST((node.told(second_worker).assigned == refs{{later, 1}}));
    node.pass(36s);
    BOOST_TEST((node.told(second_worker).revoked == refs{running})); // at its deadline, no sooner
    BOOST_TEST((node.job(running.job).code == errc::timeout_attempt));
    node.require_sound();
}

// Its processes ended with it, and nobody else would report them lost.
BOOST_AUTO_TEST_CASE(an_executor_of_the_node_that_fails_loses_its_attempts_and_runs_them_again) {
    const worker_id local = make_worker_id(1, 1, true);
    job_type_spec exec = bounded();
    exec.executor = executor_kind::exec;
    virtual_shard node{{exec}};
    node.attach(local, 2);
    const refs running{{node.submit(), 1}, {node.submit(), 1}};
    caf::anon_send_exit(node.session_of(local), caf::exit_reason::kill);
    node.settle();
    node.attach(local, 2);
    BOOST_TEST((node.told(local).assigned == refs{{running[0].job, 2}, {running[1].job, 2}}));
    for (const attempt_ref& ref : running) BOOST_TEST((node.job(ref.job).code == errc::worker_lost));
    for (const attempt_ref& ref : running) node.report(local, {ref.job, 2}, outcome::SUCCEEDED);
    node.settle();
    for (const attempt_ref& ref : running) BOOST_TEST((node.job(ref.job).state == job_state::SUCCEEDED));
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(whoever_proposed_to_a_journal_that_fails_is_told_that_the_outcome_is_unknown) {
    for (const auto fault : {journal_fault::before_commit, journal_fault::after_commit}) {
        virtual_shard node{{bounded()}};
        std::vector<job_id> ids;
        std::vector<heard_ptr> answers;
        node.fault = fault;
        for (int i = 0; i < 5; ++i) {
            ids.push_back(node.new_id());
            answers.push_back(node.propose({submit_op{.job = ids.back()}}));
        }
        node.settle();
        for (const heard_ptr& answer : answers) {
            BOOST_TEST(answer->times == 1);
            BOOST_TEST((answer->code() == errc::unknown_outcome));
        }
        const auto tables = node.data->begin_read();
        for (const job_id& id : ids)
            BOOST_TEST(read_job(*tables, id).has_value() == (fault == journal_fault::after_commit));
        BOOST_TEST(node.gate->count() == 0U);
        BOOST_TEST((node.job(node.submit()).state == job_state::QUEUED));
        node.require_sound();
    }
}

// The batch that started it was committed, its worker never heard: it is lost after the grace, and runs elsewhere.
BOOST_AUTO_TEST_CASE(an_attempt_that_was_committed_but_never_handed_over_runs_again) {
    virtual_shard node{{bounded()}};
    node.attach(first_worker, 1);
    node.fault = journal_fault::after_commit;
    const job_id id = node.new_id();
    node.propose({submit_op{.job = id}});
    node.settle();
    BOOST_TEST((node.job(id).state == job_state::RUNNING));
    BOOST_TEST(node.told(first_worker).assigned.empty());
    node.attach(second_worker, 1);
    node.pass(limits::worker_reattach_grace - instant_before);
    BOOST_TEST(node.told(second_worker).assigned.empty());
    node.pass(instant_before);
    BOOST_TEST((node.told(second_worker).assigned == refs{{id, 2}}));
    BOOST_TEST(node.job(id).lost == 1U);
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(whenever_the_journal_fails_each_proposal_is_answered_once_and_nothing_acknowledged_is_lost) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    BOOST_TEST_MESSAGE("COPPICE_SEED=" << seed);
    std::mt19937_64 random{seed};
    std::size_t unknown = 0, acknowledged = 0;
    for (int round = 0; round < 300; ++round) {
        virtual_shard node{{bounded()}};
        node.attach(first_worker, 3);
        std::vector<std::pair<job_id, heard_ptr>> sent;
        const auto fails_at = random() % 20;
        for (unsigned i = 0; i < 20; ++i) {
            if (i == fails_at)
                node.fault = random() % 2 == 0 ? journal_fault::before_commit : journal_fault::after_commit;
            const job_id id = node.new_id();
            sent.emplace_back(id, node.propose({submit_op{.job = id}}));
            for (auto steps = random() % 8; steps > 0; --steps) node.step(random);
        }
        node.drain(random);
        const auto tables = node.data->begin_read();
        for (const auto& [id, answer] : sent) {
            BOOST_REQUIRE_EQUAL(answer->times, 1);
            const bool ok = answer->code() == errc::ok;
            BOOST_REQUIRE(ok || answer->code() == errc::unknown_outcome);
            if (ok) BOOST_REQUIRE(read_job(*tables, id).has_value());
            ++(ok ? acknowledged : unknown);
        }
        BOOST_REQUIRE_EQUAL(node.row("node/journal").restarts, 1U);
        BOOST_REQUIRE_EQUAL(node.gate->count(), 0U);
        node.require_sound();
    }
    BOOST_TEST(unknown > 300U);
    BOOST_TEST(acknowledged > 300U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
