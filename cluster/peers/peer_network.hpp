// The links between this node and its peers: mutual TLS, heartbeats, bounded windows, reconnection. A plain class;
// what it does inside (an actor system of its own, so that no stranger's bytes come near the node's actors) does
// not show.
//
// Delivery: order is kept within a channel, each frame arrives at most once. A frame for which send() answered true
// is lost only with its link, and then on_down says so. Nothing is queued without bound: send() answers false when
// the peer is not up or has not consumed what it was sent before.
//
// Who calls it: the replica journal and the router. The simulation has a twin with the same words (peer_types.hpp).
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "cluster/peers/peer_types.hpp"
#include "schema/errc.hpp"

namespace coppice {

// Thread-safe, but for start() and the destructor.
class peer_network {
  public:
    // Every callback but on_log must be set.
    explicit peer_network(peer_options options);
    ~peer_network(); // stops
    peer_network(const peer_network&) = delete;
    peer_network& operator=(const peer_network&) = delete;

    // Listens, and links with the peers once they are named. Gives the bound port. Once. Errors: invalid_argument
    // (a file, the certificate's subject, an option), unavailable (the address cannot be bound).
    expected<std::uint16_t> start();

    // Links with these and no others; links of nodes no longer named are cut. This node's own address is passed
    // over. Errors: invalid_argument, for more than limits::peers_max or a node named twice; then nothing changes.
    expected<void> set_peers(std::vector<peer_address> peers);

    // False: no link, no room in the window, larger than the channel's frames may be, or stopped. The bytes are
    // copied.
    bool send(node_id to, peer_channel channel, std::span<const std::byte> bytes);

    // Cuts all links (on_down is called for each), waits for the callbacks under way; none is called afterwards.
    // Not from a callback. May take as long as a look-up of a peer's name that is under way.
    void stop();

    // Of every named peer, as of at most a tick ago; the windows as of now.
    std::vector<peer_statistics> statistics() const;

  private:
    struct running;
    std::shared_ptr<struct peer_shared> shared_;
    std::unique_ptr<running> running_;
};

} // namespace coppice
