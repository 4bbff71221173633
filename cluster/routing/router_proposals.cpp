// Proposals and reads on their way.
#include <algorithm>
#include <caf/send.hpp>

#include "cluster/routing/shard_router.hpp"

namespace coppice {
namespace {

constexpr std::uint32_t overloaded_retry_ms = 50;

void turn_away(const proposal_ptr& p) {
    p->refuse({errc::overloaded, "too much waits for the shard's primary", overloaded_retry_ms});
}

bool worth_another_try(errc code) { return code == errc::not_primary || code == errc::unknown_outcome; }

} // namespace

bool shard_router::send(node_id to, peer_channel channel, std::uint64_t id,
                        const std::function<void(route::Message::Builder)>& fill) const {
    return options_->outbox->send(to, channel, peer_kind::route, route_message(shard_, id, fill));
}

void shard_router::propose(const proposal_ptr& p) {
    const instant until = now() + limits::route_patience;
    if (serving_) return pass_here(p, until);
    if (routing_.size() >= limits::routed_proposals_max) return turn_away(p);
    const std::uint64_t id = s().next_id++;
    auto& r = routing_[id] = {p, until, never, {}, false, {}};
    try_again(id, r);
    keep_ticking();
}

// What the journal here refuses because it is no primary any more comes back, to be tried where the new one is.
void shard_router::pass_here(const proposal_ptr& p, instant until) {
    const caf::weak_actor_ptr me = self_->ctrl();
    p->rescue_by([me, until](const proposal_ptr& what, const failure& why) {
        const auto router = caf::actor_cast<router_handle>(me.lock());
        if (!router || !worth_another_try(why.code)) return false;
        caf::anon_send(router, proposal_rescued{what, why, until});
        return true;
    });
    caf::anon_send(options_->journal, coppice::propose{p});
}

void shard_router::rescue(const proposal_rescued& m) {
    const bool maybe = m.why.code == errc::unknown_outcome;
    routed r{m.what, m.until, now() + limits::route_retry_pause, {}, maybe, m.why.detail};
    if (now() >= m.until) return give_up(r);
    // What may have been done is not sent away: its caller could not tell what to do.
    if (routing_.size() >= limits::routed_proposals_max && !maybe) return turn_away(m.what);
    routing_.emplace(s().next_id++, std::move(r));
    keep_ticking();
}

// True: it is the journal's now.
bool shard_router::try_again(std::uint64_t id, routed& r) {
    if (serving_) {
        const proposal_ptr p = r.what;
        const instant until = r.until;
        routing_.erase(id);
        pass_here(p, until);
        return true;
    }
    r.again_at = now() + limits::route_retry_pause;
    if (!has_leader()) return false;
    const bool sent = send(there_.node, peer_channel::bulk, id, [&](route::Message::Builder m) {
        const auto raw = r.what->entry().asBytes();
        auto p = m.initPropose();
        p.setEntry({raw.begin(), raw.size()});
        p.setCommands(static_cast<std::uint32_t>(r.what->commands()));
        p.setGrows(r.what->grows());
    });
    if (sent) r.sent_to = there_.node, r.again_at = never;
    return false;
}

void shard_router::results(node_id from, std::uint64_t id, capnp::List<route::Result>::Reader list) {
    const auto found = routing_.find(id);
    if (found == routing_.end() || found->second.sent_to != from) return;
    routed& r = found->second;
    auto all = read_results(list);
    if (all.size() != r.what->commands()) return; // never of a sound node; it is tried again when time is over
    const bool again = !all.empty() && std::ranges::all_of(all, [](const command_result& each) {
        return worth_another_try(each.code);
    });
    if (!again) {
        const proposal_ptr p = r.what;
        routing_.erase(found);
        return p->answer(all);
    }
    r.maybe = r.maybe || all.front().code == errc::unknown_outcome;
    r.why = all.front().detail;
    r.sent_to = {};
    r.again_at = now() + limits::route_retry_pause;
    keep_ticking();
}

void shard_router::give_up(const routed& r) {
    if (r.maybe || r.sent_to != node_id{})
        return r.what->refuse({errc::unknown_outcome, "the shard's primary went away before it answered", 0});
    r.what->refuse({errc::unavailable, "no node serves the shard" + (r.why.empty() ? "" : ": " + r.why), 1000});
}

void shard_router::read(const read_wanted& m) {
    const replica_face* face = options_->board->face(shard_);
    if (to_us(now()) < face->lease_until_us.load(std::memory_order_acquire)) return m.done({});
    if (face->role.load() == replica_role::out)
        return m.done(fail(errc::unavailable, "this node holds no replica of the shard; ask another", 100));
    if (reads_.size() >= limits::routed_reads_max)
        return m.done(fail(errc::overloaded, "too many reads wait for the shard's primary", overloaded_retry_ms));
    const std::uint64_t id = s().next_id++;
    auto& r = reads_[id] = {m.done, now() + limits::read_patience, false};
    ask_read_point(id, r);
    keep_ticking();
}

void shard_router::ask_read_point(std::uint64_t id, waiting_read& r) {
    if (has_leader())
        r.asked = send(there_.node, peer_channel::control, id, [](route::Message::Builder m) { m.setReadPoint(); });
}

void shard_router::read_point(std::uint64_t id, route::ReadPoint::Reader point) {
    const auto found = reads_.find(id);
    if (found == reads_.end()) return;
    found->second.asked = false; // asked again at the next tick, unless it was told
    if (point.getCode() != 0) return;
    const auto done = std::move(found->second.done);
    reads_.erase(found);
    caf::anon_send(options_->journal, applied_wanted{shard_, point.getIndex(), done});
}

// A new primary is known: nothing waits for the old one any longer.
void shard_router::go_on_with_waiting() {
    for (auto at = routing_.begin(); at != routing_.end();) {
        auto& [id, r] = *at++;
        r.maybe = r.maybe || r.sent_to != node_id{};
        try_again(id, r);
    }
    for (auto& [id, r] : reads_) r.asked = false;
    tick();
}

void shard_router::keep_ticking() {
    if (std::exchange(s().ticking, true)) return;
    self_->delayed_send(self_, limits::router_tick_every, router_tick{});
}

void shard_router::tick() {
    const instant now = this->now();
    for (auto at = routing_.begin(); at != routing_.end();) {
        auto& [id, r] = *at++;
        if (now >= r.until) {
            const routed over = std::move(r);
            routing_.erase(id);
            give_up(over);
        } else if (r.again_at != never && now >= r.again_at) {
            try_again(id, r);
        }
    }
    const replica_face* face = options_->board->face(shard_);
    const bool may_read = to_us(now) < face->lease_until_us.load(std::memory_order_acquire);
    for (auto at = reads_.begin(); at != reads_.end();) {
        auto& [id, r] = *at;
        if (!may_read && now < r.until) {
            if (!r.asked) ask_read_point(id, r);
            ++at;
            continue;
        }
        const auto done = std::move(r.done);
        at = reads_.erase(at);
        done(may_read ? expected<void>{} : fail(errc::unavailable, "no node serves the shard", 1000));
    }
}

} // namespace coppice
