// The node's end of the socket to its warden: launches it, sends requests without ever blocking, reads its events.
//
// Intuition: a request that does not fit into the socket waits here, with the descriptors that go with it; whoever
// owns the link sends on when the socket is writable. Requests keep their order, so a signal never overtakes the
// spawn it is for. The queue is bounded by what its owner has running: one spawn, a few signals, one release each.
//
// Closing the link is what tells the warden to kill everything. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "runtime/executors/unique_fd.hpp"
#include "runtime/executors/warden_protocol.hpp"
#include "schema/errc.hpp"

namespace coppice::executors {

class warden_link {
  public:
    // Spawns `program` with `argv`; the warden's socket is its descriptor `warden_socket`. `unavailable` with the
    // system's reason. Any thread, threads running or not.
    static expected<warden_link> launch(const std::string& program, const std::vector<std::string>& argv);

    warden_link(warden_link&&) noexcept = default;
    warden_link& operator=(warden_link&&) = delete;
    // Closes the socket and waits until the warden has killed everything and is gone; after `farewell_wait` it is
    // killed itself.
    ~warden_link();

    int fd() const { return socket_.get(); }
    pid_t pid() const { return pid_; }
    bool wants_to_write() const { return !outbox_.empty(); }

    // 0, or the errno of a spawn that could not be sent at all.
    int spawn(const spawn_request& request, std::array<unique_fd, 3> standard);
    void signal(std::uint64_t token, int number);
    void release(std::uint64_t token);
    // Sends what waits. A spawn that can never be sent is told to `failed`.
    void flush(std::vector<warden_event>& failed);
    // Appends at most `events_max` events; false when the warden is gone.
    bool receive(std::vector<warden_event>& events, std::size_t events_max);

  private:
    struct packet {
        std::string bytes;
        std::array<unique_fd, 3> standard;
        std::uint64_t token = 0; // of a spawn, otherwise 0
    };
    static constexpr std::chrono::seconds farewell_wait{3};

    warden_link(unique_fd socket, pid_t pid) : socket_(std::move(socket)), pid_(pid) {}
    int send_now(const packet& outgoing) const;
    int post(packet outgoing);

    unique_fd socket_;
    pid_t pid_ = -1;
    std::deque<packet> outbox_;
};

} // namespace coppice::executors
