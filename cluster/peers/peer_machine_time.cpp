// What the machine does as time passes: heartbeats, silence, backoff; how links end; what is told of them.
#include <algorithm>

#include "cluster/peers/peer_machine.hpp"

namespace coppice {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;

// "1.6 s"
std::string seconds(std::chrono::steady_clock::duration d) {
    const auto tenths = std::max<std::int64_t>(duration_cast<milliseconds>(d).count(), 0) / 100;
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

} // namespace

void peer_machine::cut(peer_time now, peer& p, std::string_view why) {
    if (!p.linked) return;
    const link ended = *p.linked;
    p.linked.reset();
    for (const connection_id id : {ended.control, ended.bulk}) {
        if (!connections_.contains(id)) continue;
        host_.close(id);
        drop(id);
    }
    p.last_trouble = std::string{why};
    if (ended.gate) {
        ended.gate->close();
        gates_.erase(p.address.node);
        if (now - ended.up_since < options_.limits.stable_after) ++p.counts.flaps;
        p.schedule.ended(now, ended.up_since, options_.limits, random_);
        log(p.address.node, "down: " + p.last_trouble);
        if (p.schedule.resting)
            log(p.address.node, "left alone for " + seconds(options_.limits.flap_backoff) + " after " +
                                    std::to_string(options_.limits.flaps_max) + " flaps in a row");
        options_.on_down(p.address.node, why);
    } else {
        ++p.counts.failures;
        p.schedule.failed(now, options_.limits, random_);
        // Said at the 1st, 2nd, 4th .. failure in a row: a peer that is away for a day does not fill the log.
        if (std::has_single_bit(p.schedule.failures)) log(p.address.node, "no link: " + p.last_trouble);
    }
}

void peer_machine::dial_due(peer_time now) {
    for (auto& [node, p] : peers_) {
        if (node < options_.self || p.linked || now < p.schedule.next || !options_.is_member(node)) continue;
        p.linked = link{.session = random_(), .deadline = now + options_.limits.open_timeout};
        dial(now, p, peer_channel::control);
    }
}

// Nobody is silent while this process does not listen: time that it lost (stopped, or its machine paused) counts
// for no one.
void peer_machine::forgive_own_pause(peer_time now) {
    const auto lost = now - last_tick_ - 2 * limits::peer_tick;
    last_tick_ = now;
    if (lost <= limits::peer_tick) return;
    for (auto& [id, c] : connections_) {
        c.heard = std::min(now, c.heard + lost);
        c.deadline += lost;
    }
    for (auto& [node, p] : peers_)
        if (p.linked) p.linked->deadline += lost;
}

void peer_machine::check_connections(peer_time now) {
    std::vector<connection_id> late;
    for (const auto& [id, c] : connections_)
        if (c.at != stage::greeted && now >= c.deadline) late.push_back(id);
    for (const connection_id id : late) {
        host_.close(id);
        closed(now, id, "no hello within " + seconds(options_.limits.open_timeout));
    }
}

void peer_machine::check_link(peer_time now, instant wall, peer& p) {
    if (!options_.is_member(p.address.node)) return cut(now, p, "no member of the cluster any more");
    for (const connection_id id : {p.linked->control, p.linked->bulk}) {
        const auto found = connections_.find(id);
        if (found != connections_.end() && found->second.certificate && found->second.certificate->ends <= wall)
            return cut(now, p, "its certificate expired");
    }
    if (!p.linked->gate) {
        if (now >= p.linked->deadline) cut(now, p, "no link within " + seconds(options_.limits.open_timeout));
        return;
    }
    const auto silence = now - connections_.at(p.linked->control).heard;
    if (silence > options_.limits.silence_max) return cut(now, p, "silent for " + seconds(silence));
    const auto bulk_silence = now - connections_.at(p.linked->bulk).heard;
    if (bulk_silence > options_.limits.bulk_silence_max)
        return cut(now, p, "its bulk connection silent for " + seconds(bulk_silence));
    keep_alive(now, p);
}

void peer_machine::keep_alive(peer_time now, peer& p) {
    connection& control = connections_.at(p.linked->control);
    connection& bulk = connections_.at(p.linked->bulk);
    if (now - control.spoke >= options_.limits.heartbeat_interval)
        say(now, p.linked->control, control, p, peer_heartbeat{});
    if (now - bulk.spoke >= limits::peer_bulk_heartbeat_interval)
        say(now, p.linked->bulk, bulk, p, peer_heartbeat{});
    const link_gate_ptr gate = p.linked->gate;
    for (const peer_channel channel : {peer_channel::control, peer_channel::bulk}) give_credit(now, gate, channel);
    if (now - p.linked->up_since >= options_.limits.stable_after) p.schedule = {};
}

void peer_machine::tick(peer_time now, instant wall) {
    forgive_own_pause(now);
    check_connections(now);
    for (auto& [node, p] : peers_)
        if (p.linked) check_link(now, wall, p);
    dial_due(now);
}

void peer_machine::stop(peer_time now) {
    for (auto& [node, p] : peers_) cut(now, p, "this node stops");
    peers_.clear();
    for (const auto& [id, c] : connections_) host_.close(id);
    connections_.clear();
    strangers_ = 0;
}

std::string peer_machine::state_of(const peer& p, peer_time now) const {
    if (p.linked) return p.linked->gate ? "up" : "connecting";
    if (!options_.is_member(p.address.node)) return "no member of the cluster";
    const std::string trouble = p.last_trouble.empty() ? "" : ": " + p.last_trouble;
    if (p.address.node < options_.self) return "waits to be called" + trouble;
    if (p.schedule.resting)
        return "left alone for " + seconds(p.schedule.next - now) + " after " +
               std::to_string(options_.limits.flaps_max) + " flaps in a row" + trouble;
    return "tries again in " + seconds(p.schedule.next - now) + trouble;
}

std::vector<peer_statistics> peer_machine::statistics(peer_time now) const {
    std::vector<peer_statistics> all;
    for (const auto& [node, p] : peers_) {
        peer_statistics s = p.counts;
        s.node = node;
        s.state = state_of(p, now);
        s.last_heard_age = p.heard == peer_time{} ? milliseconds{-1} : duration_cast<milliseconds>(now - p.heard);
        if (p.linked && p.linked->gate) {
            s.up = true;
            s.version = p.linked->agreed.version;
        }
        all.push_back(std::move(s));
    }
    return all;
}

void peer_machine::log(node_id node, std::string_view text) {
    if (options_.on_log) options_.on_log(node, text);
}

// A stranger may not fill the log.
void peer_machine::log_stranger(peer_time now, node_id node, std::string_view text) {
    if (now - lines_since_ >= std::chrono::seconds{1}) {
        if (lines_ > limits::peer_stranger_lines_max)
            log(node_id{},
                std::to_string(lines_ - limits::peer_stranger_lines_max) + " more lines like the last ones");
        lines_ = 0;
        lines_since_ = now;
    }
    if (++lines_ <= limits::peer_stranger_lines_max) log(node, text);
}

} // namespace coppice
