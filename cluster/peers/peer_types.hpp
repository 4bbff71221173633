// What a user of the peer links sees: addresses, channels, frames, options, statistics. Plain C++: the real network
// (peer_network.hpp) and a simulated one speak these words.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "schema/ids.hpp"
#include "schema/limits.hpp"

namespace coppice {

// control: replication, what is small and urgent. bulk: snapshot slices, large payloads. Order holds within a
// channel only; control never waits behind bulk.
enum class peer_channel : std::uint8_t { control = 0, bulk = 1 };
inline constexpr std::size_t peer_channels = 2;

inline std::string_view to_string(peer_channel c) { return c == peer_channel::control ? "control" : "bulk"; }

struct peer_address {
    node_id node;
    std::string host; // a numeric address or a name
    std::uint16_t port = 0;
    bool operator==(const peer_address&) const = default;
};

// A frame that arrived. It holds its share of the sender's window until it is destroyed (on any thread, also after
// the network stopped): so keep it as long as the work that it asks for waits, and no longer.
class peer_frame {
  public:
    // `bytes` is aligned to 8 bytes and lies in `storage`; `release` is called once, when the frame is gone.
    peer_frame(node_id from, peer_channel channel, std::vector<char> storage, std::span<const std::byte> bytes,
               std::function<void()> release)
        : from_(from), channel_(channel), storage_(std::move(storage)), bytes_(bytes),
          release_(std::move(release)) {}
    peer_frame(peer_frame&& other) noexcept
        : from_(other.from_), channel_(other.channel_), storage_(std::move(other.storage_)), bytes_(other.bytes_),
          release_(std::exchange(other.release_, nullptr)) {}
    peer_frame(const peer_frame&) = delete;
    peer_frame& operator=(const peer_frame&) = delete;
    peer_frame& operator=(peer_frame&&) = delete;
    ~peer_frame() {
        if (release_) release_();
    }

    node_id from() const { return from_; }
    peer_channel channel() const { return channel_; }
    std::span<const std::byte> bytes() const { return bytes_; } // lives as long as the frame

  private:
    node_id from_;
    peer_channel channel_;
    std::vector<char> storage_;
    std::span<const std::byte> bytes_;
    std::function<void()> release_;
};

// Versions of the protocol that this build speaks. A new one is added at the top; the one below it stays, so that a
// cluster is upgraded node by node.
inline constexpr std::uint16_t peer_version_min = 1;
inline constexpr std::uint16_t peer_version_max = 1;

// As schema/limits.hpp says, unless a test wants them small. The frames' bounds are the same on every node.
struct peer_limits {
    std::size_t control_frame_size_max = limits::peer_control_frame_size_max;
    std::size_t bulk_frame_size_max = limits::peer_bulk_frame_size_max;
    std::size_t control_window = limits::peer_control_window; // what this node takes in
    std::size_t bulk_window = limits::peer_bulk_window;
    std::chrono::milliseconds heartbeat_interval = limits::peer_heartbeat_interval;
    std::chrono::milliseconds silence_max = limits::peer_silence_max;
    std::chrono::milliseconds bulk_silence_max = limits::peer_bulk_silence_max;
    std::chrono::milliseconds open_timeout = limits::peer_open_timeout;
    std::chrono::milliseconds backoff_min = limits::peer_backoff_min;
    std::chrono::milliseconds backoff_max = limits::peer_backoff_max;
    std::chrono::milliseconds stable_after = limits::peer_stable_after;
    std::uint32_t flaps_max = limits::peer_flaps_max;
    std::chrono::milliseconds flap_backoff = limits::peer_flap_backoff;
    std::chrono::milliseconds offence_wait = limits::peer_offence_wait;

    std::size_t frame_size_max(peer_channel c) const {
        return c == peer_channel::control ? control_frame_size_max : bulk_frame_size_max;
    }
    std::size_t window(peer_channel c) const { return c == peer_channel::control ? control_window : bulk_window; }
};

// The callbacks run on the network's one thread: they must be quick, must not block nor throw, and must not call
// stop(). For one peer: on_up, then its frames, then on_down; never a frame outside.
struct peer_options {
    node_id self;
    std::string cluster;                 // its name: must match, in the hello and in the certificates (O)
    std::string listen_host = "0.0.0.0"; // a numeric address
    std::uint16_t listen_port = 0;       // 0: any
    std::filesystem::path certificate;   // PEM, the chain; its subject: CN node-<self>, O <cluster>
    std::filesystem::path key;           // PEM
    std::filesystem::path ca;            // PEM; whom this trusts, and no other
    std::function<void(peer_frame)> on_frame;
    std::function<void(node_id)> on_up;
    std::function<void(node_id, std::string_view why)> on_down;
    std::function<bool(node_id)> is_member;
    std::function<void(node_id, std::string_view)> on_log; // what an operator should read; node 0: a stranger
    std::uint16_t version_min = peer_version_min;
    std::uint16_t version_max = peer_version_max;
    std::uint64_t seed = 0; // of jitter and session numbers; 0: from the system
    peer_limits limits = {};
};

struct peer_statistics {
    node_id node;
    std::string state; // in words: "up", "connecting", "waits 30 s after 20 flaps in a row"
    bool up = false;
    std::uint16_t version = 0;                    // agreed; 0 when not up
    std::chrono::milliseconds last_heard_age{-1}; // -1: never
    std::uint64_t frames_in = 0, frames_out = 0;
    std::uint64_t bytes_in = 0, bytes_out = 0; // of frames
    std::size_t control_in_use = 0,
                bulk_in_use = 0; // bytes of the send windows, peer_frame_cost a frame among them
    std::size_t control_window = 0, bulk_window = 0;
    std::uint64_t flaps = 0;    // links that ended before peer_stable_after
    std::uint64_t failures = 0; // tries to connect that led to no link
};

} // namespace coppice
