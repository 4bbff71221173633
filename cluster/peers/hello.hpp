// The first words of a connection, judged. Pure.
#pragma once

#include <optional>

#include "cluster/peers/envelope.hpp"
#include "cluster/peers/peer_types.hpp"
#include "schema/time.hpp"

namespace coppice {

// What TLS proved of the other side: its chain leads to our CA, and the subject says this.
struct peer_certificate {
    node_id node;
    std::string cluster;
    instant ends = never;
};

struct hello_agreement {
    std::uint16_t version = 0;
    std::size_t control_window = 0, bulk_window = 0; // of the other side: what may be sent to it
};

peer_hello make_hello(const peer_options& self, node_id to, std::uint64_t session);

// May this hello be believed, and on what do we agree? Errors: message_invalid (no hello, out of range),
// permission_denied (who it is, what cluster, no member), invalid_argument (no version in common).
expected<hello_agreement> check_hello(const peer_options& self, const peer_certificate& certified,
                                      const peer_envelope& envelope);

} // namespace coppice
