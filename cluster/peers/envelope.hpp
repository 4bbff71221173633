// The envelope of schema/peer.capnp, to bytes and back. What comes from a socket is hostile: decode() takes any
// bytes and answers with an envelope or with what is wrong with them, never with an exception.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cluster/peers/peer_types.hpp"
#include "schema/errc.hpp"

namespace coppice {

struct peer_hello {
    std::string cluster;
    node_id to;
    std::uint16_t version_min = 0, version_max = 0;
    std::uint64_t session = 0;
    std::uint64_t control_window = 0, bulk_window = 0;
    bool operator==(const peer_hello&) const = default;
};
struct peer_heartbeat {
    bool operator==(const peer_heartbeat&) const = default;
};
struct peer_credit {
    peer_channel channel{};
    std::uint64_t bytes = 0;
    bool operator==(const peer_credit&) const = default;
};
struct peer_goodbye {
    std::string reason;
    bool operator==(const peer_goodbye&) const = default;
};
using peer_payload = std::span<const std::byte>; // in what was decoded

struct peer_envelope {
    std::uint16_t version = 0;
    node_id from;
    peer_channel channel{};
    std::uint64_t sequence = 0;
    std::variant<peer_hello, peer_heartbeat, peer_credit, peer_payload, peer_goodbye> body;
};

inline constexpr std::size_t peer_length_size = 4;

// Length and message, ready for the socket.
std::vector<char> encode(const peer_envelope& envelope);

// The length that four bytes say.
std::size_t peer_length(std::span<const char> four);

// `message` without its length, aligned to 8 bytes; a payload in the answer points into it and is aligned too.
// Errors: message_invalid.
expected<peer_envelope> decode(std::span<const char> message);

// One line of at most `peer_goodbye_size_max` printable ASCII characters: what a stranger wrote, fit for a log.
std::string printable(std::string_view text);

} // namespace coppice
