// What crosses between nodes arrives as it was sent, and what no sound node sends is refused.
#include "cluster/routing/route_wire.hpp"

#include <boost/test/unit_test.hpp>

#include "schema/limits.hpp"

namespace coppice::testing {
namespace {

// Through a message's bytes.
template <class Fill, class Use>
void over_the_wire(Fill fill, Use use) {
    bool used = false;
    const bytes wire = route_message(shard_id{1}, 7, fill);
    BOOST_REQUIRE(with_route_message(wire, [&](route::Message::Reader message) {
        used = true;
        use(message);
    }));
    BOOST_TEST(used);
}

} // namespace

BOOST_AUTO_TEST_SUITE(route_wire)

BOOST_AUTO_TEST_CASE(a_start_arrives_with_all_that_its_executor_needs) {
    const job_id job = job_id::make(1, shard_id{1}, tenant_id{2}, 3);
    start_effect sent{.worker = worker_id{9},
                      .executor = executor_kind::http,
                      .queued_at = from_us(5),
                      .started_at = from_us(6),
                      .work = {.ref = {job, 4},
                               .tenant_number = tenant_id{2},
                               .tenant = "acme",
                               .type_number = type_id{3},
                               .type = "build",
                               .payload = "{}",
                               .parents = {{job, "fetch", "r", true, job_state::FAILED}},
                               .checkpoint = "c",
                               .traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                               .priority = 2,
                               .attempt_timeout = milliseconds{10},
                               .heartbeat_timeout = milliseconds{11},
                               .cancel_grace = milliseconds{12},
                               .result_bytes_max = 13}};
    over_the_wire(
        [&](route::Message::Builder m) { write_start(sent, m.initAssign().initStarts(1)[0]); },
        [&](route::Message::Reader m) {
            const start_effect got = read_start(m.getAssign().getStarts()[0]);
            BOOST_TEST((got.executor == sent.executor && got.queued_at == sent.queued_at &&
                        got.started_at == sent.started_at));
            const assignment &a = got.work, &b = sent.work;
            BOOST_TEST((a.ref == b.ref && a.tenant_number == b.tenant_number && a.type_number == b.type_number));
            BOOST_TEST((a.tenant == b.tenant && a.type == b.type && a.payload == b.payload));
            BOOST_TEST(
                (a.checkpoint == b.checkpoint && a.traceparent == b.traceparent && a.priority == b.priority));
            BOOST_TEST((a.attempt_timeout == b.attempt_timeout && a.heartbeat_timeout == b.heartbeat_timeout &&
                        a.cancel_grace == b.cancel_grace && a.result_bytes_max == b.result_bytes_max));
            BOOST_REQUIRE(a.parents.size() == 1U);
            BOOST_TEST((a.parents[0].job == job && a.parents[0].type == "fetch" && a.parents[0].result == "r" &&
                        a.parents[0].truncated && a.parents[0].state == job_state::FAILED));
        });
}

BOOST_AUTO_TEST_CASE(an_executor_arrives_with_its_types_and_labels) {
    const worker_attached sent{.worker = worker_id{9},
                               .types = {"build", "scan"},
                               .slots = 4,
                               .tenant = tenant_id{2},
                               .grant = 5,
                               .labels = {"gpu", "zone=eu"},
                               .total = 12};
    over_the_wire([&](route::Message::Builder m) { write_executor(sent, true, std::nullopt, m.initExecutorUp()); },
                  [&](route::Message::Reader m) {
                      const auto got = read_executor(m.getExecutorUp());
                      BOOST_REQUIRE(got.has_value());
                      BOOST_TEST((got->worker == sent.worker && got->types == sent.types &&
                                  got->slots == sent.slots && got->tenant == sent.tenant &&
                                  got->grant == sent.grant && got->labels == sent.labels &&
                                  got->total == sent.total));
                      BOOST_TEST(!read_holds(m.getExecutorUp()).has_value());
                  });
}

BOOST_AUTO_TEST_CASE(more_than_an_executor_may_have_is_refused) {
    const auto refused = [](worker_attached offer) {
        over_the_wire(
            [&](route::Message::Builder m) { write_executor(offer, true, std::nullopt, m.initExecutorUp()); },
            [&](route::Message::Reader m) {
                const auto got = read_executor(m.getExecutorUp());
                BOOST_REQUIRE(!got);
                BOOST_TEST((got.error().code == errc::message_invalid));
            });
    };
    worker_attached offer{.worker = worker_id{9}};
    offer.labels = {std::string(limits::label_size_max + 1, 'l')};
    refused(offer);
    offer.labels.clear();
    for (std::size_t i = 0; i <= limits::labels_max; ++i) offer.labels.insert(std::to_string(i));
    refused(offer);
    refused({.worker = worker_id{9}, .types = {std::string(limits::name_size_max + 1, 't')}});
    refused({.worker = worker_id{}});
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
