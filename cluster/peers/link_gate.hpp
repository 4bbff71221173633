// The windows of one link, shared by the threads that send, the network's thread, and whoever holds frames. CAF's
// write buffers and every mailbox grow without bound: these windows are what bounds them. A byte is taken from the
// sender's window before it is handed to the network and comes back when the receiver has consumed it, so that a
// window covers all there is between the two: mailbox, buffers, kernel, wire, and the receiver's own queue.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "cluster/peers/peer_types.hpp"

namespace coppice {

// What a frame of `size` bytes takes of a window.
inline constexpr std::size_t peer_cost(std::size_t size) { return size + limits::peer_frame_cost; }

// Thread-safe.
class link_gate {
  public:
    using windows = std::array<std::size_t, peer_channels>;

    link_gate(node_id node, const windows& sending, const windows& receiving);

    node_id node() const { return node_; }

    // ---- sending
    // Takes `cost` of the window; false when there is not so much, or the link is gone.
    bool take(peer_channel channel, std::size_t cost);
    // The receiver gives credit; false when it gives more than was taken.
    [[nodiscard]] bool give_back(peer_channel channel, std::uint64_t cost);
    void close(); // take() refuses from now on
    std::size_t in_use(peer_channel channel) const;
    std::size_t window(peer_channel channel) const;

    // ---- receiving
    // A frame came in; false when it is beyond what this side allowed.
    [[nodiscard]] bool arrived(peer_channel channel, std::size_t cost);
    // It was consumed; true when a credit should be sent now, which is said once until take_released().
    bool consumed(peer_channel channel, std::size_t cost);
    // What may be given back to the sender; from then on it may use it.
    std::size_t take_released(peer_channel channel);

  private:
    struct side {
        std::size_t window = 0;
        std::size_t used = 0;
        std::size_t released = 0; // receiving: consumed, not yet told
        bool told = false;
    };
    side& of(std::array<side, peer_channels>& sides, peer_channel c) { return sides[static_cast<std::size_t>(c)]; }

    const node_id node_;
    mutable std::mutex mutex_;
    bool open_ = true;
    std::array<side, peer_channels> sending_;
    std::array<side, peer_channels> receiving_;
};

using link_gate_ptr = std::shared_ptr<link_gate>;

// The links that are up, for send() on any thread. Thread-safe.
class link_gates {
  public:
    link_gate_ptr find(node_id node) const;
    void set(link_gate_ptr gate);
    void erase(node_id node);

  private:
    mutable std::mutex mutex_;
    std::map<node_id, link_gate_ptr> gates_;
};

} // namespace coppice
