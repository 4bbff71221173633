// What goes to the peers, and how large messages and full windows are dealt with: a message larger than a frame may
// be goes in parts, and what does not fit in a peer's window now waits here, in order, up to a bound. Each message
// has a kind, for whoever is to get it at the other end.
//
// Thread-safe. `flush` is to be called again after limits::outbox_pause while `waits` says so.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "cluster/peers/peer_types.hpp"
#include "persistence/tables.hpp"
#include "schema/errc.hpp"

namespace coppice {

enum class peer_kind : std::uint8_t { replica = 1, route = 2 };

class peer_outbox {
  public:
    using send_function = std::function<bool(node_id, peer_channel, bytes_view)>;
    explicit peer_outbox(send_function send) : send_(std::move(send)) {}

    // False: there is no link, or too much waits already. True: it goes, or is lost with the link.
    bool send(node_id to, peer_channel channel, peer_kind kind, bytes_view message);
    void flush();
    bool waits() const;
    void link_up(node_id node);
    // What waits is forgotten: whoever sent it hears of the link's end too.
    void link_down(node_id node);

  private:
    struct queue {
        std::deque<bytes> parts;
        std::size_t size = 0;
    };
    using queues = std::array<queue, peer_channels>;
    void drain(node_id to, queues& of);

    const send_function send_;
    mutable std::mutex mutex_;
    std::map<node_id, queues> links_;
};

// Puts the parts together again. One thread; one for all peers.
class peer_inbox {
  public:
    struct message {
        peer_kind kind{};
        std::shared_ptr<const bytes> body; // aligned for Cap'n Proto
    };
    // A whole message, if the part ends one. What is no part of any is message_invalid.
    expected<std::optional<message>> take(node_id from, peer_channel channel, bytes_view part);
    void link_down(node_id node) { partial_.erase(node); }

  private:
    std::map<node_id, std::array<bytes, peer_channels>> partial_;
};

} // namespace coppice
