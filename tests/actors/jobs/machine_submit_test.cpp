// Admission: what a submission meets.
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

// What refusals leave: the newest evidence.
world::proof newest(world& w) { return w.evidence().back(); }

} // namespace

BOOST_AUTO_TEST_SUITE(submitting)

BOOST_AUTO_TEST_CASE(a_job_starts_in_the_batch_that_brought_it_when_a_slot_is_free) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id id = w.new_id();
    const auto& out = w.run({submit_op{.job = id, .payload = R"({"a":1})"}});
    BOOST_REQUIRE(out.starts.size() == 1U);
    const assignment& work = out.starts.front().work;
    BOOST_TEST((work.ref == attempt_ref{id, 1}));
    BOOST_TEST(work.payload == R"({"a":1})");
    BOOST_TEST(work.tenant == "acme");
    BOOST_TEST(work.type == "build");
    BOOST_TEST((w.job(id).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_large_payload_comes_back_whole) {
    world w;
    w.declare_usual();
    std::string payload;
    for (std::size_t i = 0; payload.size() < limits::payload_size_max; ++i)
        payload += static_cast<char>('a' + i % 26);
    const job_id id = w.submit({.payload = payload});
    BOOST_TEST(w.rows(table::payloads) == 1U);
    w.attach(worker_id{1}, {"build"}, 1);
    BOOST_TEST((w.plan().starts.at(0).work.payload == payload));
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .payload = payload + "x"}).code == errc::invalid_argument));
    const std::string longest = "n=" + std::string(limits::name_size_max - 1 + limits::label_value_size_max, 'v');
    for (const auto& [labels, code] :
         {std::pair{std::vector<std::string>(limits::job_labels_max, longest), errc::ok},
          {std::vector{longest + "v"}, errc::invalid_argument},
          {std::vector<std::string>(limits::job_labels_max + 1), errc::invalid_argument}})
        BOOST_TEST((w.one(submit_op{.job = w.new_id(), .labels = labels}).code == code));
    BOOST_TEST((w.job(id).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(the_same_key_and_body_get_the_first_answer) {
    world w;
    w.declare_usual();
    const job_id first = w.submit({.key = "k", .body = 1});
    const command_result again = w.one(submit_op{.job = w.new_id(), .key = "k", .body = 1});
    BOOST_TEST((again.code == errc::ok));
    BOOST_TEST(again.existing);
    BOOST_TEST((again.job == first));
    BOOST_TEST(w.rows(table::jobs) == 1U);
}

BOOST_AUTO_TEST_CASE(the_same_key_with_another_body_is_a_conflict) {
    world w;
    w.declare_usual();
    const job_id first = w.submit({.key = "k", .body = 1});
    const command_result other = w.one(submit_op{.job = w.new_id(), .key = "k", .body = 2});
    BOOST_TEST((other.code == errc::conflict));
    BOOST_TEST(other.detail.find(to_string(first)) != std::string::npos);
    BOOST_TEST(w.rows(table::jobs) == 1U);
}

BOOST_AUTO_TEST_CASE(a_key_belongs_to_its_tenant) {
    world w;
    w.declare_usual();
    w.run({tenant_op{.tenant = tenant_id{2}, .spec = {.name = "other", .types = {"*"}}}});
    w.submit({.key = "k", .body = 1});
    const command_result other = w.one(submit_op{.job = w.new_id(tenant_id{2}), .key = "k", .body = 2});
    BOOST_TEST((other.code == errc::ok));
    BOOST_TEST(!other.existing);
}

BOOST_AUTO_TEST_CASE(a_key_is_forgotten_when_its_time_is_over) {
    world w;
    w.declare_usual();
    w.submit({.key = "k", .body = 1});
    w.pass(limits::idempotency_kept - milliseconds{1});
    BOOST_TEST(w.one(submit_op{.job = w.new_id(), .key = "k", .body = 1}).existing);
    w.pass(milliseconds{1});
    // Before the tick: the key is free. The first job's timer must leave the second one's row alone.
    const command_result second = w.one(submit_op{.job = w.new_id(), .key = "k", .body = 2});
    BOOST_TEST((second.code == errc::ok));
    BOOST_TEST(!second.existing);
    w.tick();
    BOOST_TEST(w.rows(table::idempotency) == 1U);
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .key = "k", .body = 2}).job == second.job));
    w.pass(limits::idempotency_kept);
    w.tick();
    BOOST_TEST(w.rows(table::idempotency) == 0U);
}

BOOST_AUTO_TEST_CASE(a_key_answers_though_type_and_entitlement_were_taken_away_since) {
    world w;
    w.declare_usual();
    const job_id first = w.submit({.key = "k", .body = 1});
    w.run({tenant_op{.version = 2, .spec = {.name = "acme", .queued_max = 0, .types = {}}}});
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .type = type_id{9}, .key = "k", .body = 1}).job == first));
}

BOOST_AUTO_TEST_CASE(the_longest_key_is_taken_and_a_longer_one_refused) {
    world w;
    w.declare_usual();
    const job_id first = w.submit({.key = std::string(limits::idempotency_key_size_max, 'k')});
    BOOST_TEST(
        (w.one(submit_op{.job = w.new_id(), .key = std::string(limits::idempotency_key_size_max, 'k')}).job ==
         first));
    BOOST_TEST(
        (w.one(submit_op{.job = w.new_id(), .key = std::string(limits::idempotency_key_size_max + 1, 'k')}).code ==
         errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(a_full_queue_refuses_and_leaves_evidence_once_for_each_time_it_is_full) {
    world w;
    w.declare_usual();
    w.run({tenant_op{.version = 2, .spec = {.name = "acme", .queued_max = 2, .types = {"*"}}}});
    const job_id first = w.submit();
    w.submit();
    for (int i = 0; i < 5; ++i) {
        const command_result r = w.one(submit_op{.job = w.new_id()});
        BOOST_TEST((r.code == errc::queue_full));
        BOOST_TEST(r.retry_after_ms > 0U);
    }
    BOOST_TEST(w.rows(table::jobs) == 2U);
    BOOST_REQUIRE(w.evidence().size() == 1U);
    BOOST_TEST((newest(w).kind == rec::EvidenceRow::Kind::TENANT_REFUSED));
    w.reload(); // a restart is not a new fullness
    BOOST_TEST((w.one(submit_op{.job = w.new_id()}).code == errc::queue_full));
    BOOST_TEST(w.evidence().size() == 1U);

    w.one(cancel_op{first}); // its own evidence
    w.submit();
    w.reload();
    BOOST_TEST((w.one(submit_op{.job = w.new_id()}).code == errc::queue_full));
    BOOST_TEST(w.evidence().size() == 3U);
    BOOST_TEST((newest(w).code == errc::queue_full));
}

BOOST_AUTO_TEST_CASE(running_jobs_hold_no_place_in_the_queue) {
    world w;
    w.declare_usual();
    w.run({tenant_op{.version = 2, .spec = {.name = "acme", .queued_max = 1, .types = {"*"}}}});
    w.attach(worker_id{1}, {"build"}, 2);
    w.submit();
    w.submit();
    w.submit();
    BOOST_TEST((w.one(submit_op{.job = w.new_id()}).code == errc::queue_full));
}

BOOST_AUTO_TEST_CASE(a_type_that_is_not_allowed_leaves_a_rejected_job_with_evidence) {
    world w;
    w.declare_usual();
    w.run({tenant_op{.version = 2, .spec = {.name = "acme", .types = {"deploy"}}}});
    const job_id id = w.new_id();
    const command_result r = w.one(submit_op{.job = id});
    BOOST_TEST((r.code == errc::type_not_allowed));
    BOOST_TEST((r.job == id));
    BOOST_TEST((w.job(id).state == job_state::REJECTED));
    BOOST_TEST((w.job(id).code == errc::type_not_allowed));
    BOOST_TEST((newest(w).kind == rec::EvidenceRow::Kind::JOB_REFUSED));
    BOOST_TEST((newest(w).code == errc::type_not_allowed));
    BOOST_TEST(w.rows(table::queue) == 0U);
    BOOST_TEST((w.one(cancel_op{id}).code == errc::illegal_transition));
}

BOOST_AUTO_TEST_CASE(a_refusal_by_governance_leaves_a_rejected_job_with_evidence) {
    world w;
    w.declare_usual();
    const job_id id = w.new_id();
    BOOST_TEST((w.one(refuse_op{.job = id}).code == errc::payload_invalid));
    BOOST_TEST((w.job(id).state == job_state::REJECTED));
    BOOST_TEST((newest(w).code == errc::payload_invalid));
    BOOST_TEST(!newest(w).detail.empty());
    BOOST_TEST((w.one(refuse_op{.job = id}).code == errc::already_exists));
    BOOST_TEST((w.one(refuse_op{.job = w.new_id(), .type = type_id{9}}).code == errc::invalid_argument));
}

BOOST_AUTO_TEST_CASE(what_is_not_declared_or_not_current_is_refused_without_a_trace) {
    world w;
    w.declare_usual();
    const std::uint64_t before = w.rows(table::evidence);
    BOOST_TEST((w.one(submit_op{.job = w.new_id(tenant_id{7})}).code == errc::unknown_tenant));
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .type = type_id{7}}).code == errc::unknown_type));
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .version = 2}).code == errc::unavailable));
    BOOST_TEST((w.one(submit_op{.job = w.new_id(), .priority = 6}).code == errc::invalid_argument));
    const job_id elsewhere = job_id::make(to_ms(w.now()), shard_id{6}, tenant_id{1}, 1);
    BOOST_TEST((w.one(submit_op{.job = elsewhere}).code == errc::unknown_tenant));
    const job_id taken = w.submit();
    BOOST_TEST((w.one(submit_op{.job = taken, .payload = "1"}).code == errc::already_exists));
    BOOST_TEST(w.rows(table::jobs) == 1U);
    BOOST_TEST(w.rows(table::evidence) == before);
}

BOOST_AUTO_TEST_CASE(the_same_submission_under_its_own_id_is_answered_as_the_first_time) {
    world w;
    w.declare_usual();
    const submit_op first{.job = w.new_id(), .payload = "{}"};
    BOOST_TEST((w.one(first).code == errc::ok));
    const command_result again = w.one(first);
    BOOST_TEST((again.code == errc::ok));
    BOOST_TEST(again.existing);
    BOOST_TEST((again.job == first.job));
    BOOST_TEST(w.rows(table::jobs) == 1U);
}

BOOST_AUTO_TEST_CASE(an_older_declaration_changes_nothing) {
    world w;
    w.declare_usual();
    w.run({tenant_op{.version = 5, .spec = {.name = "acme", .weight = 7, .types = {"*"}}}});
    w.run({tenant_op{.version = 5, .spec = {.name = "acme", .weight = 1, .types = {}}}});
    w.run({tenant_op{.version = 4, .spec = {.name = "acme", .weight = 1, .types = {}}}});
    BOOST_TEST(w.machine().book().tenants().at(tenant_id{1}).spec.weight == 7U);
}

BOOST_AUTO_TEST_CASE(the_tenants_bound_on_running_jobs_holds_and_is_let_go) {
    world w;
    w.declare_usual();
    w.run({tenant_op{.version = 2, .spec = {.name = "acme", .running_max = 2, .types = {"*"}}}});
    w.attach(worker_id{1}, {"build"}, 10);
    std::vector<job_id> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(w.submit());
    BOOST_TEST(w.rows(table::running) == 2U);
    w.report(ids[0], outcome::SUCCEEDED);
    BOOST_TEST(w.rows(table::running) == 2U);
    BOOST_TEST((w.job(ids[2]).state == job_state::RUNNING));
    w.run({tenant_op{.version = 3, .spec = {.name = "acme", .running_max = 0, .types = {"*"}}}});
    BOOST_TEST(w.rows(table::running) == 4U);
}

BOOST_AUTO_TEST_CASE(the_types_bound_on_running_jobs_holds_over_all_tenants_and_blocks_no_other_type) {
    world w;
    w.declare_usual();
    job_type_spec scan;
    scan.name = "scan";
    scan.running_max = 1;
    w.run({tenant_op{.tenant = tenant_id{2}, .spec = {.name = "other", .types = {"*"}}},
           type_op{.type = type_id{2}, .spec = scan}});
    w.attach(worker_id{1}, {"build", "scan"}, 10);
    const job_id one = w.submit({.type = type_id{2}});
    const job_id two = w.submit({.job = w.new_id(tenant_id{2}), .type = type_id{2}});
    const job_id three = w.submit({.type = type_id{2}});
    const job_id build = w.submit();
    BOOST_TEST((w.job(one).state == job_state::RUNNING));
    BOOST_TEST((w.job(two).state == job_state::QUEUED));
    BOOST_TEST((w.job(build).state == job_state::RUNNING));
    w.report(one, outcome::SUCCEEDED);
    BOOST_TEST(w.rows(table::running) == 2U);
    scan.running_max = 0;
    w.run({type_op{.type = type_id{2}, .version = 2, .spec = scan}});
    BOOST_TEST((w.job(three).state == job_state::RUNNING));
    BOOST_TEST((w.job(two).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_head_that_no_worker_can_run_does_not_hold_back_the_tenants_other_types) {
    world w;
    w.declare_usual();
    job_type_spec scan;
    scan.name = "scan";
    w.run({type_op{.type = type_id{2}, .spec = scan}});
    const job_id head = w.submit({.type = type_id{2}, .priority = 1});
    const job_id behind = w.submit({.priority = 5});
    w.attach(worker_id{1}, {"build"}, 1);
    w.plan();
    BOOST_TEST((w.job(head).state == job_state::QUEUED));
    BOOST_TEST((w.job(behind).state == job_state::RUNNING));
    w.attach(worker_id{2}, {"scan"}, 1);
    w.plan();
    BOOST_TEST((w.job(head).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(a_worker_that_is_bound_to_a_tenant_is_given_that_tenants_jobs_alone) {
    world w;
    w.declare_usual();
    w.run({tenant_op{.tenant = tenant_id{2}, .spec = {.name = "birch", .types = {"*"}}}});
    w.attach(worker_id{1}, {"build"}, 10, tenant_id{2});
    const job_id foreign = w.submit();
    const job_id own = w.submit({.job = w.new_id(tenant_id{2})});
    BOOST_TEST((w.job(foreign).state == job_state::QUEUED));
    BOOST_TEST((w.job(own).state == job_state::RUNNING));
    w.attach(worker_id{2}, {"build"}, 10);
    w.plan();
    BOOST_TEST(w.job(foreign).worker == 2U);
}

BOOST_AUTO_TEST_CASE(a_worker_may_name_a_type_before_it_is_declared) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"scan"}, 1);
    job_type_spec scan;
    scan.name = "scan";
    w.run({type_op{.type = type_id{2}, .spec = scan}});
    BOOST_TEST((w.job(w.submit({.type = type_id{2}})).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(one_plan_starts_no_more_than_it_may_and_says_that_some_are_left) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 10);
    const auto transaction = w.data().begin_write();
    batch_output out;
    std::vector<op> ops;
    for (int i = 0; i < 5; ++i) ops.push_back(submit_op{.job = w.new_id()});
    const auto flat = entry_of(ops);
    capnp::FlatArrayMessageReader message(flat);
    w.machine().begin(*transaction, w.now(), out);
    w.machine().apply(message.getRoot<cmd::Entry>());
    w.machine().plan(3);
    w.machine().finish();
    BOOST_TEST(out.starts.size() == 3U);
    BOOST_TEST(out.starts_left);
}

BOOST_AUTO_TEST_CASE(what_one_plan_hands_out_is_bounded_in_bytes) {
    world w;
    w.declare_usual();
    std::vector<op> ops;
    const std::size_t jobs = limits::batch_bytes_max / limits::payload_size_max + 10;
    for (std::size_t i = 0; i < jobs; ++i)
        ops.push_back(submit_op{.job = w.new_id(), .payload = std::string(limits::payload_size_max, 'x')});
    w.run(ops);
    w.attach(worker_id{1}, {"build"}, 1000);
    w.plan();
    BOOST_TEST(w.out().starts.size() == limits::batch_bytes_max / limits::payload_size_max);
    BOOST_TEST(w.out().starts_left);
    w.plan();
    BOOST_TEST(w.out().starts.size() == 10U);
    BOOST_TEST(!w.out().starts_left);
}

BOOST_AUTO_TEST_CASE(a_type_that_was_renamed_is_found_by_its_new_name_alone) {
    world w;
    w.declare_usual();
    job_type_spec spec;
    spec.name = "make";
    w.run({type_op{.version = 2, .spec = spec}});
    BOOST_TEST(w.machine().book().type_named("build") == nullptr);
    BOOST_REQUIRE(w.machine().book().type_named("make") != nullptr);
    w.reload();
    BOOST_TEST(w.machine().book().type_named("build") == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
