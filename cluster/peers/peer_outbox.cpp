#include "cluster/peers/peer_outbox.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace coppice {
namespace {

// Before each part: its message's kind, and whether it is the last one; a word, so that what follows stays aligned.
constexpr std::size_t head_size = 8;

bytes part_of(peer_kind kind, bytes_view body, bool last) {
    bytes part(head_size + body.size());
    part[0] = static_cast<std::byte>(kind);
    part[1] = static_cast<std::byte>(last ? 1 : 0);
    if (!body.empty()) std::memcpy(part.data() + head_size, body.data(), body.size());
    return part;
}

} // namespace

bool peer_outbox::send(node_id to, peer_channel channel, peer_kind kind, bytes_view message) {
    const std::lock_guard guard{mutex_};
    const auto link = links_.find(to);
    if (link == links_.end() || message.size() > limits::peer_message_size_max) return false;
    queue& q = link->second[static_cast<std::size_t>(channel)];
    if (q.size + message.size() > limits::outbox_bytes_max) return false;
    for (std::size_t at = 0; at == 0 || at < message.size(); at += limits::outbox_part_size) {
        const auto body = message.subspan(at, std::min(limits::outbox_part_size, message.size() - at));
        bytes part = part_of(kind, body, at + body.size() == message.size());
        if (q.parts.empty() && send_(to, channel, part)) continue;
        q.size += part.size();
        q.parts.push_back(std::move(part));
    }
    return true;
}

void peer_outbox::drain(node_id to, queues& of) {
    for (std::size_t c = 0; c < peer_channels; ++c) {
        queue& q = of[c];
        while (!q.parts.empty() && send_(to, static_cast<peer_channel>(c), q.parts.front())) {
            q.size -= q.parts.front().size();
            q.parts.pop_front();
        }
    }
}

void peer_outbox::flush() {
    const std::lock_guard guard{mutex_};
    for (auto& [node, of] : links_) drain(node, of);
}

bool peer_outbox::waits() const {
    const std::lock_guard guard{mutex_};
    for (const auto& [node, of] : links_)
        for (const queue& q : of)
            if (!q.parts.empty()) return true;
    return false;
}

void peer_outbox::link_up(node_id node) {
    const std::lock_guard guard{mutex_};
    links_[node] = {};
}

void peer_outbox::link_down(node_id node) {
    const std::lock_guard guard{mutex_};
    links_.erase(node);
}

expected<std::optional<peer_inbox::message>> peer_inbox::take(node_id from, peer_channel channel, bytes_view part) {
    if (part.size() < head_size) return fail(errc::message_invalid, "a part without a head");
    const auto kind = static_cast<peer_kind>(part[0]);
    if (kind != peer_kind::replica && kind != peer_kind::route)
        return fail(errc::message_invalid, "a message of no known kind");
    bytes& so_far = partial_[from][static_cast<std::size_t>(channel)];
    const bytes_view body = part.subspan(head_size);
    if (so_far.size() + body.size() > limits::peer_message_size_max)
        return fail(errc::message_invalid, "a message without end");
    so_far.insert(so_far.end(), body.begin(), body.end());
    if (part[1] == std::byte{0}) return std::optional<message>{};
    return std::optional<message>{{kind, std::make_shared<const bytes>(std::exchange(so_far, {}))}};
}

} // namespace coppice
