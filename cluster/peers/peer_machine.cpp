// Connections, hellos and frames; what happens with time is in peer_machine_time.cpp.
#include "cluster/peers/peer_machine.hpp"

#include <algorithm>

#include "schema/random_number.hpp"

namespace coppice {

peer_machine::peer_machine(const peer_options& options, peer_host& host, link_gates& gates, peer_time now)
    : options_(options), host_(host), gates_(gates), random_(options.seed != 0 ? options.seed : random_number()),
      last_tick_(now) {}

peer_machine::peer* peer_machine::find_peer(node_id node) {
    const auto found = peers_.find(node);
    return found == peers_.end() ? nullptr : &found->second;
}

void peer_machine::set_peers(peer_time now, const std::vector<peer_address>& peers) {
    std::map<node_id, const peer_address*> named;
    for (const peer_address& p : peers)
        if (p.node != options_.self) named[p.node] = &p;
    for (auto at = peers_.begin(); at != peers_.end();) {
        if (named.contains(at->first)) {
            ++at;
            continue;
        }
        cut(now, at->second, "no longer named a peer");
        at = peers_.erase(at);
    }
    for (const auto& [node, address] : named) {
        peer& p = peers_[node];
        if (p.address != *address) p.schedule = {};
        p.address = *address;
        p.counts.node = node;
    }
    dial_due(now);
}

// ---- connections
// ----------------------------------------------------------------------------------------------------

bool peer_machine::may_accept() const { return strangers_ < limits::peer_strangers_max; }

connection_id peer_machine::accepted(peer_time now) {
    ++strangers_;
    connections_[++last_id_] = {.deadline = now + options_.limits.open_timeout, .heard = now, .spoke = now};
    return last_id_;
}

void peer_machine::dial(peer_time now, peer& p, peer_channel channel) {
    const connection_id id = ++last_id_;
    (channel == peer_channel::control ? p.linked->control : p.linked->bulk) = id;
    connections_[id] = {.dialed = true,
                        .node = p.address.node,
                        .channel = channel,
                        .deadline = now + options_.limits.open_timeout,
                        .heard = now,
                        .spoke = now};
    host_.dial(id, p.address);
}

void peer_machine::drop(connection_id id) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    if (!found->second.dialed && found->second.at != stage::greeted) --strangers_;
    connections_.erase(found);
}

std::size_t peer_machine::size_max(connection_id id) const {
    const auto found = connections_.find(id);
    if (found == connections_.end() || found->second.at != stage::greeted) return limits::peer_hello_size_max;
    return options_.limits.frame_size_max(found->second.channel) + limits::peer_envelope_size_max;
}

void peer_machine::secured(peer_time now, connection_id id, const peer_certificate& certificate) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    found->second.certificate = certificate;
    if (!found->second.dialed) return;
    if (const peer* p = find_peer(found->second.node)) say_hello(now, id, found->second, *p);
}

void peer_machine::closed(peer_time now, connection_id id, std::string_view why) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    const connection c = found->second;
    drop(id);
    peer* p = find_peer(c.node);
    if (p != nullptr && p->linked && (p->linked->control == id || p->linked->bulk == id)) {
        cut(now, *p, why);
    } else if (c.at == stage::opening) {
        log_stranger(now, c.node, why);
    }
}

void peer_machine::offended(peer_time now, connection_id id, std::string_view how) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    const connection c = found->second;
    const std::string what = "cut off: " + std::string{how};
    peer* p = find_peer(c.node);
    if (p != nullptr && p->linked && (p->linked->control == id || p->linked->bulk == id)) {
        p->barred_until = now + options_.limits.offence_wait;
        p->schedule.next = std::max(p->schedule.next, p->barred_until);
        log(c.node, what);
        cut(now, *p, what);
    } else {
        log_stranger(now, c.certificate ? c.certificate->node : c.node, what);
        host_.close(id);
        drop(id);
    }
}

// ---- what is said
// ---------------------------------------------------------------------------------------------------

void peer_machine::say(peer_time now, connection_id id, connection& c, const peer& p,
                       decltype(peer_envelope::body) body) {
    const bool greets = std::holds_alternative<peer_hello>(body);
    c.spoke = now;
    host_.write(id, encode({.version = greets ? std::uint16_t{0} : p.linked->agreed.version,
                            .from = options_.self,
                            .channel = c.channel,
                            .sequence = ++c.sent,
                            .body = std::move(body)}));
}

void peer_machine::say_hello(peer_time now, connection_id id, connection& c, const peer& p) {
    say(now, id, c, p, make_hello(options_, c.node, p.linked->session));
}

bool peer_machine::received(peer_time now, connection_id id, std::vector<char> message) {
    const auto found = connections_.find(id);
    if (found == connections_.end()) return false;
    connection& c = found->second;
    if (c.at == stage::closing) return true;
    c.heard = now;
    const auto envelope = decode(message);
    if (!envelope) {
        offended(now, id, envelope.error().detail);
    } else if (c.at == stage::opening) {
        greet(now, id, c, *envelope);
    } else if (peer* p = find_peer(c.node); p != nullptr && p->linked) {
        handle(now, *p, id, c, std::move(message), *envelope);
    }
    return connections_.contains(id);
}

void peer_machine::handle(peer_time now, peer& p, connection_id id, connection& c, std::vector<char> message,
                          const peer_envelope& envelope) {
    if (envelope.sequence != ++c.received) return offended(now, id, "a message out of sequence");
    if (envelope.from != c.node || envelope.channel != c.channel || envelope.version != p.linked->agreed.version)
        return offended(now, id, "an envelope that is not this connection's");
    if (const auto* goodbye = std::get_if<peer_goodbye>(&envelope.body))
        return cut(now, p, "it said: " + goodbye->reason);
    if (!p.linked->gate) {
        // The dialer is up first, when both its connections were greeted, and then speaks on both; the listener is
        // up when it hears that.
        const auto bulk = connections_.find(p.linked->bulk);
        if (c.dialed || bulk == connections_.end() || bulk->second.at != stage::greeted)
            return offended(now, id, "it spoke too early");
        come_up(now, p);
    }
    p.heard = now;
    if (const auto* credit = std::get_if<peer_credit>(&envelope.body)) {
        if (c.channel != peer_channel::control || !p.linked->gate->give_back(credit->channel, credit->bytes))
            offended(now, id, "a credit for what it was not sent");
    } else if (const auto* payload = std::get_if<peer_payload>(&envelope.body)) {
        take_frame(now, p, id, std::move(message), *payload, c.channel);
    } else if (std::holds_alternative<peer_hello>(envelope.body)) {
        offended(now, id, "a second hello");
    }
}

void peer_machine::take_frame(peer_time now, peer& p, connection_id id, std::vector<char> message,
                              peer_payload payload, peer_channel channel) {
    if (payload.size() > options_.limits.frame_size_max(channel)) return offended(now, id, "a frame too large");
    const std::size_t cost = peer_cost(payload.size());
    if (!p.linked->gate->arrived(channel, cost)) return offended(now, id, "more than its window");
    ++p.counts.frames_in;
    p.counts.bytes_in += payload.size();
    options_.on_frame(peer_frame(p.address.node, channel, std::move(message), payload,
                                 [gate = p.linked->gate, channel, cost, post = host_.credit_poster()] {
                                     if (gate->consumed(channel, cost)) post(gate, channel);
                                 }));
}

void peer_machine::send(peer_time now, const link_gate_ptr& gate, peer_channel channel, peer_payload bytes) {
    peer* p = find_peer(gate->node());
    if (p == nullptr || !p->linked || p->linked->gate != gate) return; // the link that took it is gone
    const connection_id id = channel == peer_channel::control ? p->linked->control : p->linked->bulk;
    ++p->counts.frames_out;
    p->counts.bytes_out += bytes.size();
    say(now, id, connections_.at(id), *p, bytes);
}

void peer_machine::give_credit(peer_time now, const link_gate_ptr& gate, peer_channel channel) {
    peer* p = find_peer(gate->node());
    if (p == nullptr || !p->linked || p->linked->gate != gate) return;
    const std::size_t released = gate->take_released(channel);
    if (released == 0) return;
    say(now, p->linked->control, connections_.at(p->linked->control), *p, peer_credit{channel, released});
}

// ---- hellos
// ---------------------------------------------------------------------------------------------------------

void peer_machine::refuse(peer_time now, connection_id id, connection& c, const failure& why) {
    const node_id node = c.certificate ? c.certificate->node : c.node;
    log_stranger(now, node, "refused: " + why.detail);
    if (peer* p = find_peer(node)) p->last_trouble = why.detail;
    const bool told = why.code == errc::invalid_argument || why.code == errc::unavailable;
    if (!c.dialed && told) { // a member in good standing may know why
        host_.write(id, encode({.from = options_.self,
                                .channel = c.channel,
                                .sequence = ++c.sent,
                                .body = peer_goodbye{why.detail}}));
        c.at = stage::closing;
        c.deadline = now + limits::peer_goodbye_wait;
        return;
    }
    if (c.dialed) {
        closed(now, id, why.detail);
    } else {
        drop(id);
    }
    host_.close(id);
}

void peer_machine::greet(peer_time now, connection_id id, connection& c, const peer_envelope& envelope) {
    if (!c.certificate) return offended(now, id, "a message without a certificate");
    if (const auto* goodbye = std::get_if<peer_goodbye>(&envelope.body); goodbye != nullptr && c.dialed)
        return refuse(now, id, c, {errc::permission_denied, "it said: " + goodbye->reason});
    const auto agreed = check_hello(options_, *c.certificate, envelope);
    if (!agreed) return refuse(now, id, c, agreed.error());
    c.received = 1;
    const auto& hello = std::get<peer_hello>(envelope.body);
    if (c.dialed) {
        if (envelope.channel != c.channel) return offended(now, id, "another channel than was asked for");
        greet_dialer(now, id, c, hello, *agreed);
    } else {
        c.channel = envelope.channel;
        greet_listener(now, id, c, hello, *agreed);
    }
}

void peer_machine::greet_dialer(peer_time now, connection_id id, connection& c, const peer_hello& hello,
                                const hello_agreement& agreed) {
    peer* p = find_peer(c.node);
    if (p == nullptr || !p->linked) return;
    if (c.certificate->node != c.node || hello.session != p->linked->session)
        return refuse(now, id, c, {errc::permission_denied, "another node or session than was asked for"});
    c.at = stage::greeted;
    if (c.channel == peer_channel::control) {
        p->linked->agreed = agreed;
        return dial(now, *p, peer_channel::bulk);
    }
    if (agreed.version != p->linked->agreed.version)
        return refuse(now, id, c, {errc::permission_denied, "two versions on one link"});
    come_up(now, *p);
    for (const connection_id each : {p->linked->control, p->linked->bulk})
        say(now, each, connections_.at(each), *p, peer_heartbeat{});
}

void peer_machine::greet_listener(peer_time now, connection_id id, connection& c, const peer_hello& hello,
                                  const hello_agreement& agreed) {
    const node_id node = c.certificate->node;
    peer* p = find_peer(node);
    if (p == nullptr) return refuse(now, id, c, {errc::unavailable, "not among this node's peers yet"});
    if (node > options_.self)
        return refuse(now, id, c, {errc::permission_denied, "dials, though its number is higher"});
    if (now < p->barred_until) return refuse(now, id, c, {errc::unavailable, "it broke the protocol a moment ago"});
    if (c.channel == peer_channel::control) {
        if (p->linked) cut(now, *p, "it connected anew");
        p->linked = link{.session = hello.session,
                         .agreed = agreed,
                         .control = id,
                         .deadline = now + options_.limits.open_timeout};
    } else if (!p->linked || p->linked->session != hello.session || p->linked->bulk != 0 ||
               p->linked->agreed.version != agreed.version) {
        return refuse(now, id, c, {errc::permission_denied, "a bulk connection without its control connection"});
    } else {
        p->linked->bulk = id;
    }
    c.node = node;
    c.at = stage::greeted;
    --strangers_;
    say_hello(now, id, c, *p);
}

void peer_machine::come_up(peer_time now, peer& p) {
    link& l = *p.linked;
    l.up_since = now;
    l.gate = std::make_shared<link_gate>(
        p.address.node, link_gate::windows{l.agreed.control_window, l.agreed.bulk_window},
        link_gate::windows{options_.limits.control_window, options_.limits.bulk_window});
    p.heard = now;
    p.schedule.resting = false;
    p.last_trouble.clear();
    for (const connection_id id : {l.control, l.bulk}) connections_.at(id).heard = now;
    gates_.set(l.gate);
    log(p.address.node, "up");
    options_.on_up(p.address.node);
}

} // namespace coppice
