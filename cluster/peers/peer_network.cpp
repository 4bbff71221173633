#include "cluster/peers/peer_network.hpp"

#include <caf/all.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <set>

#include "actors/supervision/system_config_actor.hpp"
#include "cluster/peers/peer_broker_actor.hpp"

namespace coppice {
namespace {

// One scheduler thread: nothing runs on it; the broker has the multiplexer's.
class network_config : public system_config {
  public:
    network_config() : system_config(1) {
        load<caf::io::middleman>();
        set("middleman.attach-utility-actors", true);
    }
};

expected<void> check(const peer_options& o) {
    if (o.self.value == 0 || o.cluster.empty() || o.cluster.size() > limits::name_size_max)
        return fail(errc::invalid_argument, "a node needs a number and the cluster's name");
    if (!o.on_frame || !o.on_up || !o.on_down || !o.is_member)
        return fail(errc::invalid_argument, "a callback is missing");
    if (o.version_min == 0 || o.version_min > o.version_max)
        return fail(errc::invalid_argument, "the range of versions is empty");
    for (const peer_channel c : {peer_channel::control, peer_channel::bulk})
        if (o.limits.window(c) <
            2 * peer_cost(o.limits.frame_size_max(c))) // an eighth may be kept back for company
            return fail(errc::invalid_argument, "a window holds at least two frames");
    return {};
}

} // namespace

struct peer_network::running {
    network_config config;
    caf::actor_system system{config};
    caf::actor broker;
};

peer_network::peer_network(peer_options options) : shared_(std::make_shared<peer_shared>()) {
    shared_->options = std::move(options);
}

peer_network::~peer_network() { stop(); }

expected<std::uint16_t> peer_network::start() {
    const peer_options& o = shared_->options;
    if (auto sound = check(o); !sound) return tl::unexpected(sound.error());
    auto tls = peer_tls::load(o);
    if (!tls) return tl::unexpected(tls.error());
    auto listening = caf::io::network::new_tcp_acceptor_impl(o.listen_port, o.listen_host.c_str(), true);
    if (!listening)
        return fail(errc::unavailable,
                    "cannot listen on " + o.listen_host + " port " + std::to_string(o.listen_port));
    const auto port = caf::io::network::local_port_of_fd(*listening);
    running_ = std::make_unique<running>();
    running_->broker = running_->system.middleman().spawn_broker(
        peer_broker, shared_, std::make_shared<peer_tls>(std::move(*tls)), static_cast<int>(*listening));
    shared_->door.open(running_->broker);
    return port ? *port : o.listen_port;
}

expected<void> peer_network::set_peers(std::vector<peer_address> peers) {
    if (peers.size() > limits::peers_max)
        return fail(errc::invalid_argument,
                    std::to_string(peers.size()) + " peers; the bound is " + std::to_string(limits::peers_max));
    std::set<node_id> nodes;
    for (const peer_address& p : peers)
        if (p.node.value == 0 || !nodes.insert(p.node).second)
            return fail(errc::invalid_argument, "node " + std::to_string(p.node.value) + " twice, or no node");
    shared_->door.post(peers_named{std::move(peers)});
    return {};
}

bool peer_network::send(node_id to, peer_channel channel, std::span<const std::byte> bytes) {
    if (bytes.size() > shared_->options.limits.frame_size_max(channel)) return false;
    const link_gate_ptr gate = shared_->gates.find(to);
    if (!gate || !gate->take(channel, peer_cost(bytes.size()))) return false;
    shared_->door.post(
        frame_to_send{gate, channel, std::make_shared<const std::vector<std::byte>>(bytes.begin(), bytes.end())});
    return true;
}

void peer_network::stop() {
    if (!running_) return;
    caf::anon_send(running_->broker, peers_stop{});
    shared_->door.shut();
    {
        caf::scoped_actor self{running_->system};
        self->wait_for(running_->broker);
    }
    running_->broker = nullptr;
    running_.reset();
}

std::vector<peer_statistics> peer_network::statistics() const {
    std::vector<peer_statistics> all;
    {
        const std::lock_guard lock(shared_->statistics_mutex);
        all = shared_->statistics;
    }
    for (peer_statistics& s : all)
        if (const link_gate_ptr gate = shared_->gates.find(s.node)) {
            s.control_in_use = gate->in_use(peer_channel::control);
            s.bulk_in_use = gate->in_use(peer_channel::bulk);
            s.control_window = gate->window(peer_channel::control);
            s.bulk_window = gate->window(peer_channel::bulk);
        }
    return all;
}

} // namespace coppice
