// A peer that says what it likes: a blocking TLS client over the same schema, or plain TCP.
#pragma once

#include <openssl/types.h>
#include <optional>
#include <string_view>
#include <vector>

#include "cluster/peers/envelope.hpp"
#include "tests/cluster/peers/test_certificates.hpp"

namespace coppice::test {

class raw_peer {
  public:
    // No `files`: TLS without a certificate. Reads give up after 10 s.
    raw_peer(std::uint16_t port, const std::optional<certificate_files>& files, int tls_version = 0);
    ~raw_peer();
    raw_peer(const raw_peer&) = delete;
    raw_peer& operator=(const raw_peer&) = delete;

    bool connected() const { return connected_; } // the handshake seemed to work on this side
    bool write(std::span<const char> bytes);
    bool say(const peer_envelope& envelope) { return write(encode(envelope)); }
    // The next message; none when the other side closed.
    std::optional<peer_envelope> hear();
    // Reads until the other side closes; the number of messages that came before; -1 when it does not close.
    int count_until_closed();

  private:
    bool read_whole(char* to, std::size_t size);

    int fd_;
    SSL_CTX* context_;
    SSL* ssl_;
    bool connected_ = false;
    bool timed_out_ = false;
    std::vector<char> message_;
};

// A plain TCP connection: writes the bytes, and is true when the other side closes it within 10 s without a word.
// `socket`: one that is already there, and is closed at the end.
bool closed_without_a_word(std::uint16_t port, std::span<const char> bytes, int socket = -1);

// Listens; the kernel accepts; nobody answers.
class silent_listener {
  public:
    silent_listener();
    ~silent_listener();
    silent_listener(const silent_listener&) = delete;
    silent_listener& operator=(const silent_listener&) = delete;
    std::uint16_t port() const { return port_; }

  private:
    int fd_;
    std::uint16_t port_ = 0;
};

} // namespace coppice::test
