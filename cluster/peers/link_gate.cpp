#include "cluster/peers/link_gate.hpp"

namespace coppice {

link_gate::link_gate(node_id node, const windows& sending, const windows& receiving) : node_(node) {
    for (std::size_t i = 0; i < peer_channels; ++i) {
        sending_[i].window = sending[i];
        receiving_[i].window = receiving[i];
    }
}

bool link_gate::take(peer_channel channel, std::size_t cost) {
    const std::lock_guard lock(mutex_);
    side& s = of(sending_, channel);
    if (!open_ || cost > s.window - s.used) return false;
    s.used += cost;
    return true;
}

bool link_gate::give_back(peer_channel channel, std::uint64_t cost) {
    const std::lock_guard lock(mutex_);
    side& s = of(sending_, channel);
    if (cost > s.used) return false;
    s.used -= cost;
    return true;
}

void link_gate::close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
}

std::size_t link_gate::in_use(peer_channel channel) const {
    const std::lock_guard lock(mutex_);
    return sending_[static_cast<std::size_t>(channel)].used;
}

std::size_t link_gate::window(peer_channel channel) const {
    const std::lock_guard lock(mutex_);
    return sending_[static_cast<std::size_t>(channel)].window;
}

bool link_gate::arrived(peer_channel channel, std::size_t cost) {
    const std::lock_guard lock(mutex_);
    side& s = of(receiving_, channel);
    if (cost > s.window - s.used) return false;
    s.used += cost;
    return true;
}

bool link_gate::consumed(peer_channel channel, std::size_t cost) {
    const std::lock_guard lock(mutex_);
    side& s = of(receiving_, channel);
    s.released += cost;
    if (!open_ || s.told || s.released < s.window / 8) return false;
    s.told = true;
    return true;
}

std::size_t link_gate::take_released(peer_channel channel) {
    const std::lock_guard lock(mutex_);
    side& s = of(receiving_, channel);
    const std::size_t released = std::exchange(s.released, 0);
    s.used -= released;
    s.told = false;
    return released;
}

link_gate_ptr link_gates::find(node_id node) const {
    const std::lock_guard lock(mutex_);
    const auto found = gates_.find(node);
    return found == gates_.end() ? nullptr : found->second;
}

void link_gates::set(link_gate_ptr gate) {
    const std::lock_guard lock(mutex_);
    gates_[gate->node()] = std::move(gate);
}

void link_gates::erase(node_id node) {
    const std::lock_guard lock(mutex_);
    gates_.erase(node);
}

} // namespace coppice
