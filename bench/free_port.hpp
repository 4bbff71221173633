// A port of this machine for a process that is to be started on it.
//
// Not one that the system hands out: those are also what outgoing connections are given, by anybody, until the
// process has bound its own. Each is given once a program, from a random place on.
#pragma once

#include <arpa/inet.h>
#include <atomic>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace coppice::bench {

inline bool may_bind(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const bool bound = ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::close(fd);
    return bound;
}

inline std::uint16_t free_port() {
    constexpr std::uint32_t first = 10'000, count = 22'000; // below what Linux hands out
    static std::atomic<std::uint32_t> next{std::random_device{}()};
    for (std::uint32_t tried = 0; tried < count; ++tried)
        if (const auto port = static_cast<std::uint16_t>(first + next++ % count); may_bind(port)) return port;
    throw std::runtime_error("no port is free");
}

} // namespace coppice::bench
