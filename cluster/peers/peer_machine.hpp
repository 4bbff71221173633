// Who is linked with whom: every decision about peers, without a socket, a clock or a thread. The network's actor
// feeds it what happened and carries out what it asks of `peer_host`; a test feeds it by hand, on virtual time.
//
// A link is two connections, one a channel. The node with the lower number dials; the other only listens: so two
// nodes that look for each other at the same moment still end with one link. First the control connection: TLS (who
// the other is), hello, hello. Then the bulk connection in the same way, tied to the first by the session number.
// Then both are up.
//
// Invariants: nothing but a hello is read from a connection before its certificate and hello were accepted;
// sequence numbers are 1, 2, 3 .. or the link is cut; at most one link a peer; on_up, frames, on_down in that
// order.
#pragma once

#include <map>
#include <optional>
#include <random>

#include "cluster/peers/dial_schedule.hpp"
#include "cluster/peers/envelope.hpp"
#include "cluster/peers/hello.hpp"
#include "cluster/peers/link_gate.hpp"

namespace coppice {

using connection_id = std::uint64_t; // never reused; 0: none

// What the machine asks of the world.
class peer_host {
  public:
    virtual ~peer_host() = default;
    virtual void dial(connection_id id, const peer_address& whom) = 0; // then secured() or closed()
    virtual void write(connection_id id, std::vector<char> bytes) = 0;
    virtual void close(connection_id id) = 0; // at once; no closed() follows
    // A credit should be sent: give it to peer_machine::give_credit. Called on any thread, also after the end.
    virtual std::function<void(const link_gate_ptr&, peer_channel)> credit_poster() = 0;
};

// Not thread-safe. `options`, `host` and `gates` outlive it. Times never go back.
class peer_machine {
  public:
    peer_machine(const peer_options& options, peer_host& host, link_gates& gates, peer_time now);

    void set_peers(peer_time now, const std::vector<peer_address>& peers);

    // ---- what happened to connections
    bool may_accept() const; // false: too many strangers
    connection_id accepted(peer_time now);
    void secured(peer_time now, connection_id id, const peer_certificate& certificate);
    // A message without its length. False: the connection is no more.
    bool received(peer_time now, connection_id id, std::vector<char> message);
    void closed(peer_time now, connection_id id, std::string_view why);
    // The largest message that may come now; a larger one is an offence.
    std::size_t size_max(connection_id id) const;
    void offended(peer_time now, connection_id id, std::string_view how);

    // ---- what the users want
    void send(peer_time now, const link_gate_ptr& gate, peer_channel channel, peer_payload bytes);
    void give_credit(peer_time now, const link_gate_ptr& gate, peer_channel channel);

    // Every peer_tick. `wall`: for the certificates' ends.
    void tick(peer_time now, instant wall);
    void stop(peer_time now);

    std::vector<peer_statistics> statistics(peer_time now) const;

  private:
    enum class stage { opening, greeted, closing }; // greeted: its hello was accepted
    struct connection {
        bool dialed = false;
        node_id node;           // dialed: from the start; accepted: with the hello
        peer_channel channel{}; // as node
        stage at = stage::opening;
        std::optional<peer_certificate> certificate;
        std::uint64_t sent = 0, received = 0;
        peer_time deadline{}; // opening, closing
        peer_time heard{}, spoke{};
    };
    struct link {
        std::uint64_t session = 0;
        hello_agreement agreed;
        connection_id control = 0, bulk = 0;
        peer_time deadline{}, up_since{};
        link_gate_ptr gate; // null: not up
    };
    struct peer {
        peer_address address;
        dial_schedule schedule;
        std::optional<link> linked;
        std::string last_trouble;
        peer_time barred_until{};
        peer_time heard{};
        peer_statistics counts;
    };

    peer* find_peer(node_id node);
    void dial_due(peer_time now);
    void dial(peer_time now, peer& p, peer_channel channel);
    void say(peer_time now, connection_id id, connection& c, const peer& p, decltype(peer_envelope::body) body);
    void say_hello(peer_time now, connection_id id, connection& c, const peer& p);
    void greet(peer_time now, connection_id id, connection& c, const peer_envelope& envelope);
    void greet_dialer(peer_time now, connection_id id, connection& c, const peer_hello& hello,
                      const hello_agreement& agreed);
    void greet_listener(peer_time now, connection_id id, connection& c, const peer_hello& hello,
                        const hello_agreement& agreed);
    void come_up(peer_time now, peer& p);
    void refuse(peer_time now, connection_id id, connection& c, const failure& why);
    void take_frame(peer_time now, peer& p, connection_id id, std::vector<char> message, peer_payload payload,
                    peer_channel channel);
    void handle(peer_time now, peer& p, connection_id id, connection& c, std::vector<char> message,
                const peer_envelope& envelope);
    void cut(peer_time now, peer& p, std::string_view why);
    void drop(connection_id id);
    void check_connections(peer_time now);
    void check_link(peer_time now, instant wall, peer& p);
    void keep_alive(peer_time now, peer& p);
    void forgive_own_pause(peer_time now);
    std::string state_of(const peer& p, peer_time now) const;
    void log(node_id node, std::string_view text);
    void log_stranger(peer_time now, node_id node, std::string_view text);

    const peer_options& options_;
    peer_host& host_;
    link_gates& gates_;
    std::mt19937_64 random_;
    std::map<node_id, peer> peers_;
    std::map<connection_id, connection> connections_;
    connection_id last_id_ = 0;
    std::size_t strangers_ = 0; // accepted and not greeted
    peer_time last_tick_;
    peer_time lines_since_{};
    std::uint32_t lines_ = 0;
};

} // namespace coppice
