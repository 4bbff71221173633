// Attempts get their job actors when they last, or when there is something to guard; on virtual time.
#include "tests/actors/jobs/virtual_shard.hpp"

namespace coppice::testing {
namespace {

constexpr worker_id holder{1};
constexpr milliseconds youth = 50ms;

job_type_spec of_timeouts(const timeouts_spec& timeouts) {
    job_type_spec spec;
    spec.name = "plain";
    spec.retry = {0ms, 0ms};
    spec.timeouts = timeouts;
    return spec;
}

struct young_shard : virtual_shard {
    explicit young_shard(const timeouts_spec& timeouts = {}) : virtual_shard{{of_timeouts(timeouts)}, {}, youth} {
        attach(holder, 8);
    }
    std::size_t actors_of_acme() const {
        return environment->tree->snapshot("node/shard/tenants/acme", 100).size();
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(attempts_that_last)

BOOST_AUTO_TEST_CASE(an_attempt_gets_its_actor_when_it_is_old_enough) {
    young_shard node;
    const job_id id = node.submit();
    node.pass(youth - instant_before);
    BOOST_TEST(node.actors_of_acme() == 0U);
    node.pass(instant_before);
    BOOST_TEST(node.job_row(id).path == node.path_of(id));
    node.report(holder, {id, 1}, outcome::SUCCEEDED);
    node.settle();
    BOOST_TEST(node.job_row(id).path.empty());
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(one_that_ends_before_never_has_one_and_those_after_it_have_theirs_in_time) {
    young_shard node;
    const job_id brief = node.submit();
    node.pass(20ms);
    const job_id lasting = node.submit();
    node.report(holder, {brief, 1}, outcome::SUCCEEDED);
    node.pass(30ms);
    BOOST_TEST(node.actors_of_acme() == 0U); // not even its tenant's supervisor
    node.pass(20ms - instant_before);
    BOOST_TEST(node.actors_of_acme() == 0U);
    node.pass(instant_before);
    BOOST_TEST(node.actors_of_acme() == 2U); // the supervisor and the one that lasts
    BOOST_TEST(node.job_row(lasting).path == node.path_of(lasting));
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(a_cancel_of_a_young_attempt_waits_for_nothing) {
    young_shard node{{.cancel_grace = 1s}};
    const job_id id = node.submit();
    BOOST_TEST((node.cancel(id) == errc::ok));
    BOOST_TEST((node.told(holder).cancelled == std::vector{attempt_ref{id, 1}}));
    node.pass(youth); // its turn to grow comes, and it has an actor
    BOOST_TEST(node.actors_of_acme() == 2U);
    BOOST_TEST(node.told(holder).cancelled.size() == 1U);
    node.report(holder, {id, 1}, outcome::CANCELLED);
    node.settle();
    BOOST_TEST((node.job(id).state == job_state::CANCELLED));
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(a_deadline_of_a_young_attempt_is_kept_to_the_microsecond) {
    young_shard node{{.attempt = youth / 2}};
    const job_id id = node.submit();
    node.pass(youth / 2 - instant_before);
    BOOST_TEST(node.told(holder).revoked.empty());
    node.pass(instant_before);
    BOOST_TEST((node.told(holder).revoked == std::vector{attempt_ref{id, 1}}));
    BOOST_TEST((node.job(id).code == errc::timeout_attempt));
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(what_is_heard_of_a_young_attempt_counts) {
    young_shard node{{.heartbeat = youth + 10ms}};
    const job_id id = node.submit();
    node.pass(youth - 10ms);
    node.heartbeat({id, 1});
    node.pass(youth); // beyond the timeout since its start
    BOOST_TEST(node.told(holder).revoked.empty());
    node.pass(youth);
    BOOST_TEST((node.told(holder).revoked == std::vector{attempt_ref{id, 1}}));
    node.require_sound();
}

BOOST_AUTO_TEST_CASE(a_supervisor_that_dies_meanwhile_makes_nobody_grow_twice) {
    young_shard node;
    node.submit();
    node.pass(youth);
    node.submit(); // young when the supervisor dies: grows with the others, and its turn is still to come
    caf::anon_send_exit(node.find_in(node.tenants.handle(), "acme"), caf::exit_reason::kill);
    node.settle();
    BOOST_TEST(node.actors_of_acme() == 3U);
    node.pass(youth);
    BOOST_TEST(node.actors_of_acme() == 3U);
    node.require_sound();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
