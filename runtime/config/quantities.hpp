// Sizes and addresses as people write them in a configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "schema/errc.hpp"

namespace coppice {

// "65536" (bytes), "64KiB", "1MiB", "64GiB", "2TiB" (powers of 1024); no fractions, signs or spaces, and no "GB",
// which some take for 1000^3 and some for 1024^3. Nothing when it is not that, or passes 2^63 - 1.
std::optional<std::uint64_t> parse_size(std::string_view text);
// The shortest such text that reads back as the same value.
std::string format_size(std::uint64_t bytes);

// Where a node listens or a client connects.
struct endpoint {
    std::string host; // an IPv4 address, an IPv6 address without brackets, or a DNS name
    std::uint16_t port = 0;
    bool operator==(const endpoint&) const = default;
};

// "127.0.0.1:7400", "[::1]:7400", "node-1.example.org:7400"; port 0 asks the system for a free one.
// invalid_argument says what to write instead.
expected<endpoint> parse_endpoint(std::string_view text);
std::string to_string(const endpoint& where);

// Whether only this machine can reach it: 127.0.0.0/8, ::1, an IPv4-mapped one of those, or "localhost" (RFC 6761).
// Other names are not looked up, and are not loopback.
bool is_loopback(const endpoint& where);

} // namespace coppice
