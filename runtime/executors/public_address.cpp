#include "runtime/executors/public_address.hpp"

#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

namespace coppice {
namespace {

struct ip4_block {
    std::array<std::uint8_t, 4> from;
    unsigned bits;
};
constexpr std::array not_public_4{
    ip4_block{{0, 0, 0, 0}, 8},       // this network
    ip4_block{{10, 0, 0, 0}, 8},      // private
    ip4_block{{100, 64, 0, 0}, 10},   // shared, behind a carrier's NAT
    ip4_block{{127, 0, 0, 0}, 8},     // loopback
    ip4_block{{169, 254, 0, 0}, 16},  // link-local
    ip4_block{{172, 16, 0, 0}, 12},   // private
    ip4_block{{192, 0, 0, 0}, 24},    // protocol assignments
    ip4_block{{192, 0, 2, 0}, 24},    // documentation
    ip4_block{{192, 88, 99, 0}, 24},  // 6to4 relays, once
    ip4_block{{192, 168, 0, 0}, 16},  // private
    ip4_block{{198, 18, 0, 0}, 15},   // benchmarks
    ip4_block{{198, 51, 100, 0}, 24}, // documentation
    ip4_block{{203, 0, 113, 0}, 24},  // documentation
    ip4_block{{224, 0, 0, 0}, 3},     // multicast, reserved, broadcast
};

std::uint32_t number_of(const std::uint8_t* bytes) {
    return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 | std::uint32_t{bytes[2]} << 8 | bytes[3];
}

bool is_public_4(const std::uint8_t* bytes) {
    const std::uint32_t address = number_of(bytes);
    return std::ranges::none_of(not_public_4, [&](const ip4_block& block) {
        return (address ^ number_of(block.from.data())) >> (32 - block.bits) == 0;
    });
}

bool is_public_6(const std::uint8_t* bytes) {
    constexpr std::array<std::uint8_t, 12> mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::equal(mapped.begin(), mapped.end(), bytes)) return is_public_4(bytes + 12);
    if (bytes[0] >> 5 != 1) return false;                                         // not of 2000::/3
    if (bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] < 0x02) return false;    // 2001::/23: protocols, Teredo
    if (number_of(bytes) == 0x20010db8) return false;                             // documentation
    if (bytes[0] == 0x3f && bytes[1] == 0xff && bytes[2] >> 4 == 0) return false; // 3fff::/20: documentation
    return !(bytes[0] == 0x20 && bytes[1] == 0x02);                               // 6to4: an IPv4 address in it
}

} // namespace

bool is_public(const sockaddr& address) {
    if (address.sa_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, &address, sizeof in);
        return is_public_4(reinterpret_cast<const std::uint8_t*>(&in.sin_addr));
    }
    if (address.sa_family != AF_INET6) return false;
    sockaddr_in6 in{};
    std::memcpy(&in, &address, sizeof in);
    return is_public_6(reinterpret_cast<const std::uint8_t*>(&in.sin6_addr));
}

} // namespace coppice
