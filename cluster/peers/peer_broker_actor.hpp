// The actor between the machine and the sockets: a broker of CAF's middleman. It lives on the multiplexer's thread,
// tells the machine what happened, and does what the machine asks. Nothing is decided here.
#pragma once

#include <caf/actor.hpp>
#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/behavior.hpp>
#include <caf/io/broker.hpp>
#include <memory>
#include <mutex>
#include <vector>

#include "cluster/peers/link_gate.hpp"
#include "cluster/peers/peer_tls.hpp"

namespace coppice {

// ---- messages to the broker; all stay in the process
// ----------------------------------------------------------------------------------
struct peers_named {
    std::vector<peer_address> peers;
};
struct frame_to_send { // its cost was taken from the gate
    link_gate_ptr gate;
    peer_channel channel;
    std::shared_ptr<const std::vector<std::byte>> bytes;
};
struct credit_wanted {
    link_gate_ptr gate;
    peer_channel channel;
};
struct peer_resolved { // one address, or why there is none
    std::uint64_t connection = 0;
    std::vector<char> address; // a sockaddr
    std::string trouble;
};
struct peers_tick {};
struct peers_stop {};

// The way to the broker from other threads, cut at the end: frames may outlive the network.
class broker_door {
  public:
    void open(caf::actor broker);
    void shut();
    template <class Message>
    void post(Message message) {
        const std::lock_guard lock(mutex_);
        if (broker_) caf::anon_send(broker_, std::move(message));
    }

  private:
    std::mutex mutex_;
    caf::actor broker_;
};

// Shared by the broker and the network's owner.
struct peer_shared {
    peer_options options;
    link_gates gates;
    broker_door door;
    std::mutex statistics_mutex;
    std::vector<peer_statistics> statistics; // as of the last tick
};

// `listening`: a socket that listens; the broker owns it.
caf::behavior peer_broker(caf::io::broker* self, std::shared_ptr<peer_shared> shared, std::shared_ptr<peer_tls> tls,
                          int listening);

} // namespace coppice

namespace caf {
template <>
struct allowed_unsafe_message_type<coppice::peers_named> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::frame_to_send> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::credit_wanted> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::peer_resolved> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::peers_tick> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::peers_stop> : std::true_type {};
} // namespace caf
