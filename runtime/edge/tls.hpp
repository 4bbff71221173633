// TLS for KJ's streams: one small wrapper over kj-tls, which verifies peers and cannot be told not to.
//
// TLS 1.2 at least; 1.3 whenever the peer has it. Loading gives errors as values that name the file. A reload makes
// a new context for the connections to come; those that are there keep theirs; a reload that fails changes nothing.
// One thread: that of the loop.
#pragma once

#include <kj/async-io.h>
#include <kj/compat/tls.h>
#include <memory>
#include <string>

#include "schema/errc.hpp"

namespace coppice {

// All files are PEM. A private key that others than owner and group can reach, or the group write, is refused.
struct tls_server_files {
    std::string certificate_chain; // leaf first
    std::string private_key;       // not encrypted
    std::string client_ca; // empty: clients are not asked for a certificate; else they must have one of these
    std::string issuer;    // empty, or a certificate that is shown after the chain
};

struct tls_client_files {
    std::string ca;                // who may sign the server's certificate; empty: the system's trust store
    std::string certificate_chain; // with the next: what to show to a server that asks; both empty: nothing
    std::string private_key;
};

class tls_server {
  public:
    // errc::not_found or invalid_argument. `timer` is the loop's and outlives this.
    static expected<tls_server> load(tls_server_files files, kj::Timer& timer);

    // Reads the files again.
    expected<void> reload();

    // The handshake, as the server, within limits::tls_handshake_timeout. A failed one breaks the promise: that is
    // the affair of this one connection.
    kj::Promise<kj::Own<kj::AsyncIoStream>> wrap(kj::Own<kj::AsyncIoStream> stream) const;

  private:
    using context = std::shared_ptr<kj::TlsContext>;
    tls_server(tls_server_files files, kj::Timer& timer, context current)
        : files_(std::move(files)), timer_(&timer), current_(std::move(current)) {}
    static expected<context> make(const tls_server_files& files, kj::Timer& timer);

    tls_server_files files_;
    kj::Timer* timer_;
    context current_;
};

class tls_client {
  public:
    static expected<tls_client> load(const tls_client_files& files);

    // The handshake, as the client. `server_name` is a DNS name that the server's certificate must be for; an IP
    // address never matches (kj-tls compares names only). The caller sets the time limit. A failed one breaks the
    // promise.
    kj::Promise<kj::Own<kj::AsyncIoStream>> wrap(kj::Own<kj::AsyncIoStream> stream,
                                                 const std::string& server_name) const;

  private:
    explicit tls_client(std::shared_ptr<kj::TlsContext> context) : context_(std::move(context)) {}
    std::shared_ptr<kj::TlsContext> context_;
};

} // namespace coppice
