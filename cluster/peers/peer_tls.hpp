// TLS between nodes, on a socket that somebody else polls: version 1.3 only, both sides show a certificate of our
// own CA, and its subject says who they are (CN node-<number>, O the cluster's name). A session reads and writes
// nothing before that was checked.
//
// Why not CAF's own OpenSSL module: its session hides the peer's certificate, takes TLS 1.2, and throws on the
// network's thread while a certificate's file is being replaced (README.md).
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <openssl/types.h>
#include <optional>
#include <string>

#include "cluster/peers/hello.hpp"
#include "schema/errc.hpp"

namespace coppice {

// The node's certificate, key and CA, read anew when a file changed. Not thread-safe.
class peer_tls {
  public:
    // Errors: invalid_argument, naming the file; also when the certificate is not this node's.
    static expected<peer_tls> load(const peer_options& options);

    peer_tls(peer_tls&&) noexcept;
    peer_tls& operator=(peer_tls&&) noexcept;
    ~peer_tls();

    // The context for the next connection. When changed files cannot be used, the one before, and `trouble()` says
    // why.
    SSL_CTX* context();
    const std::string& trouble() const { return trouble_; }

  private:
    struct files;
    explicit peer_tls(std::unique_ptr<files> f);
    std::unique_ptr<files> files_;
    std::string trouble_;
};

enum class tls_progress { done, again, failed };

// One connection. `fd` is not blocking, and not owned. Not thread-safe.
class tls_session {
  public:
    // `expected_peer` 0: any node of `cluster`.
    tls_session(SSL_CTX* context, int fd, bool accepts, std::string cluster, node_id expected_peer);
    ~tls_session();
    tls_session(const tls_session&) = delete;
    tls_session& operator=(const tls_session&) = delete;

    // Goes on with connect and handshake. done: peer() is set.
    tls_progress shake_hands();
    tls_progress read(void* to, std::size_t size, std::size_t& got);
    tls_progress write(const void* from, std::size_t size, std::size_t& put);
    std::size_t pending() const; // decrypted and not yet read

    // This side ends it: every call fails from now on, and the socket is shut down.
    void close();
    bool closed() const { return closed_; }

    const std::optional<peer_certificate>& peer() const { return peer_; }
    const std::string& why() const { return why_; } // it failed

  private:
    tls_progress outcome(int result);
    bool identify();

    SSL* ssl_;
    int fd_;
    bool accepts_;
    bool connected_;
    bool failed_ = false;
    bool closed_ = false;
    std::string cluster_;
    node_id expected_;
    std::optional<peer_certificate> peer_;
    std::string why_;
};

} // namespace coppice
