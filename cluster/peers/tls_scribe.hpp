// CAF's seat for a TLS connection: a scribe over tls_session, and the doorman whose connections get such scribes.
// Both live on the multiplexer's thread.
//
// Three things are other than in CAF's own scribes. Closing is at once: what is unwritten is dropped and the socket
// shut down, so that a frozen peer keeps no buffers here. A handshake waits for what it needs and never spins. A
// connection beyond the bound on strangers is closed before anything is allocated for it.
#pragma once

#include <caf/io/doorman.hpp>
#include <caf/io/network/acceptor_impl.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/stream_impl.hpp>
#include <caf/io/scribe.hpp>
#include <functional>
#include <memory>

#include "cluster/peers/peer_tls.hpp"

namespace coppice {

using tls_session_ptr = std::shared_ptr<tls_session>;

class tls_scribe : public caf::io::scribe {
  public:
    // Owns `fd`. `secured` is called once, when the handshake is over and the certificate was checked.
    tls_scribe(caf::io::network::default_multiplexer& mpx, int fd, tls_session_ptr session,
               std::function<void()> secured);

    void configure_read(caf::io::receive_policy::config config) override; // the first call starts it
    void ack_writes(bool enable) override { stream_.ack_writes(enable); }
    std::vector<char>& wr_buf() override { return stream_.wr_buf(); }
    std::vector<char>& rd_buf() override { return stream_.rd_buf(); }
    void graceful_shutdown() override; // not graceful: at once
    void flush() override;
    std::string addr() const override;
    std::uint16_t port() const override;
    void add_to_loop() override { stream_.activate(this); }
    void remove_from_loop() override { stream_.passivate(); }

  private:
    struct policy {
        tls_session_ptr session;
        std::function<void()> secured;

        caf::io::network::rw_state read_some(std::size_t& got, int fd, void* to, std::size_t size);
        caf::io::network::rw_state write_some(std::size_t& put, int fd, const void* from, std::size_t size);
        bool must_read_more(int, std::size_t threshold) { return session->pending() >= threshold && threshold > 0; }
        tls_progress ready();
    };

    tls_session_ptr session_;
    caf::io::network::stream_impl<policy> stream_;
    bool launched_ = false;
};

// Accepts also when there are no descriptors left, only to close: a connection that stays in the kernel's queue
// would wake the multiplexer without end.
class sparing_accept {
  public:
    sparing_accept();
    ~sparing_accept();
    sparing_accept(const sparing_accept&) = delete;
    sparing_accept& operator=(const sparing_accept&) = delete;
    bool try_accept(int& accepted, int listening);

  private:
    int spare_;
};

// Hands each accepted socket to `accept`, which owns it from then on. Owns `fd`, which listens.
class peer_doorman : public caf::io::doorman {
  public:
    peer_doorman(caf::io::network::default_multiplexer& mpx, int fd, std::function<void(int)> accept);
    bool new_connection() override;
    void graceful_shutdown() override;
    void launch() override { acceptor_.start(this); }
    std::string addr() const override;
    std::uint16_t port() const override;
    void add_to_loop() override { acceptor_.activate(this); }
    void remove_from_loop() override { acceptor_.passivate(); }

  private:
    caf::io::network::acceptor_impl<sparing_accept> acceptor_;
    std::function<void(int)> accept_;
};

} // namespace coppice
