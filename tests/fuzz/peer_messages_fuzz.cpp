// What nodes send each other: envelopes of links, messages of replicas, routed messages.
#include <capnp/message.h>

#include "cluster/peers/envelope.hpp"
#include "cluster/replication/replica_wire.hpp"
#include "cluster/routing/route_wire.hpp"
#include "tests/fuzz/fuzz_input.hpp"

namespace {

void read_route(coppice::bytes_view wire) {
    (void)coppice::with_route_message(wire, [](coppice::route::Message::Reader message) {
        switch (message.which()) {
        case coppice::route::Message::RESULTS:
            (void)coppice::read_results(message.getResults());
            break;
        case coppice::route::Message::EXECUTOR_UP:
            if (coppice::read_executor(message.getExecutorUp())) (void)coppice::read_holds(message.getExecutorUp());
            break;
        case coppice::route::Message::ASSIGN:
            for (const auto start : message.getAssign().getStarts()) (void)coppice::read_start(start);
            break;
        default:
            break;
        }
    });
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    // As they are read: from the beginning of a buffer that is aligned.
    coppice::bytes wire(size);
    std::ranges::copy(std::as_bytes(std::span{data, size}), wire.begin());
    (void)coppice::decode({reinterpret_cast<const char*>(wire.data()), wire.size()});
    if (const auto message = coppice::replica_message_from_wire(wire)) {
        const coppice::bytes again = coppice::to_wire(*message);
        coppice::fuzz::must(coppice::replica_message_from_wire(again).has_value(), "what was read can be sent on");
    }
    (void)coppice::read_log_entry(wire);
    read_route(wire);
    return 0;
}
