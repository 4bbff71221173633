// What the primary does: it orders entries, knows who has them, and keeps the set true.
#include <algorithm>

#include "cluster/replication/replica_machine.hpp"

namespace coppice {

// A new primary marks its epoch with an entry of its own: once that is committed, so is the tail that it took over.
void replica_machine::lead() {
    stopped_at_ = never;
    handed_over_ = false;
    asked_to_take_over_ = false;
    leader_ = self_;
    commit_ = cleared_ = applied_;
    log_.append(led_epoch_);
    mark_ = log_.last().index;
    effects_.mark = log_.last();
    followers_.clear();
    set_role(replica_role::settling);
    sync_followers();
    beat();
}

replica_machine::follower* replica_machine::follower_of(node_id node) {
    const auto found = followers_.find(node);
    return found == followers_.end() ? nullptr : &found->second;
}

// Who is told of entries, and who counts, by the configuration and by the one that is proposed.
void replica_machine::sync_followers() {
    std::erase_if(followers_, [&](const auto& each) {
        const bool proposed = proposed_ && proposed_->is_replica(each.first);
        return !config_.is_replica(each.first) && !proposed;
    });
    for (const node_id node : config_.replicas) {
        if (node == self_) continue;
        const auto [found, is_new] = followers_.try_emplace(node);
        follower& f = found->second;
        const bool counted =
            std::exchange(f.counts, config_.is_in_sync(node) || (proposed_ && proposed_->is_in_sync(node)));
        if (!config_.is_in_sync(node)) f.wiped = false;
        if (is_new || (counted && !f.counts)) {
            f = {.next = log_.last().index + 1, .heard_at = now_, .progress_at = now_, .counts = f.counts};
            probe(node, f);
        }
    }
    clear_up();
}

// Asks where the follower stands, or whether it still is there: a prepare without entries.
void replica_machine::probe(node_id to, follower& f) {
    if (!linked_.contains(to)) return;
    log_position previous{};
    if (!f.snapshotting) { // the one who waits for a snapshot is only told that its primary lives
        const auto epoch = log_.epoch_at(f.next - 1);
        if (!epoch) return cannot_stream(to);
        previous = {f.next - 1, *epoch};
    }
    send(to, prepare_message{previous, {}, applied_, now_, tables_});
}

void replica_machine::beat() {
    beat_at_ = now_ + timing_.beat;
    for (auto& [node, f] : followers_) {
        if (!f.probing && f.next > f.match + 1 && now_ - f.progress_at > timing_.resend) f.next = f.match + 1;
        probe(node, f);
        feed(node, f);
    }
}

void replica_machine::feed(node_id to, follower& f) {
    if (f.probing || f.snapshotting || f.wiped || !linked_.contains(to)) return;
    if (f.next == f.match + 1 && f.next <= log_.last().index) effects_.streams.push_back({to, f.next});
}

void replica_machine::streamed(node_id to, std::uint64_t up_to) {
    if (auto* f = follower_of(to)) {
        if (f->next == f->match + 1) f->progress_at = now_;
        f->next = up_to + 1;
    }
}

void replica_machine::cannot_stream(node_id to) {
    auto* f = follower_of(to);
    if (f == nullptr || f->snapshotting) return;
    // Who takes a snapshot begins with nothing, and nobody in the set may do that: it has lost what it had to keep,
    // and leaves the set first.
    if (config_.is_in_sync(to)) {
        f->wiped = true;
        return;
    }
    f->snapshotting = true;
    effects_.snapshots.push_back(to);
}

void replica_machine::snapshot_sent(node_id to, std::uint64_t index) {
    auto* f = follower_of(to);
    if (f == nullptr) return;
    f->snapshotting = false;
    f->probing = true;
    f->next = index + 1;
    f->progress_at = f->heard_at = now_;
    probe(to, *f);
}

void replica_machine::snapshot_failed(node_id to) {
    if (auto* f = follower_of(to)) f->snapshotting = false, f->probing = true;
}

log_position replica_machine::propose() {
    log_.append(led_epoch_);
    for (auto& [node, f] : followers_) feed(node, f);
    clear_up();
    return log_.last();
}

void replica_machine::clear_up() {
    std::uint64_t all = log_.last().index;
    for (const auto& [node, f] : followers_)
        if (f.counts) all = std::min(all, f.match);
    cleared_ = std::max(cleared_, all);
}

void replica_machine::committed(std::uint64_t index) {
    known_ = true;
    applied_ = std::max(applied_, index);
    commit_ = applied_;
    if (role_ == replica_role::settling && applied_ >= mark_) set_role(replica_role::serving);
}

void replica_machine::on_ack(node_id from, const ack_message& m) {
    auto* f = follower_of(from);
    if (f == nullptr || m.match > log_.last().index || m.stamp > now_) return;
    f->lease_until = std::max(f->lease_until, m.stamp + timing_.lease);
    f->heard_at = now_;
    if (f->wiped || f->snapshotting) return;
    if (f->probing) {
        f->probing = false;
        f->match = std::max(f->match, m.match);
        f->next = f->match + 1;
        f->progress_at = now_;
    } else if (m.match > f->match) {
        f->match = m.match;
        f->next = std::max(f->next, f->match + 1);
        f->progress_at = now_;
    }
    if (f->match == log_.last().index) f->progress_at = now_;
    clear_up();
    feed(from, *f);
    consider_admission();
}

void replica_machine::on_mismatch(node_id from, const mismatch_message& m) {
    auto* f = follower_of(from);
    if (f == nullptr || f->snapshotting || m.stamp > now_) return;
    f->heard_at = now_;
    if (m.wiped && config_.is_in_sync(from)) {
        f->wiped = true;
        return consider_removal();
    }
    // A learner may begin with nothing at any time, for instance when half a snapshot had come; what it said before
    // is not so any more. Nothing is cleared by what it has, so a word that is late does no harm.
    if (!f->counts) f->match = std::min(f->match, m.hint);
    const std::uint64_t base = log_.base().index;
    std::uint64_t next = std::max(f->match, std::min(m.hint, log_.last().index)) + 1;
    // Below its base this log knows nothing. The base was committed, and one whose tail is another says what it has
    // applied, which may be less than what it holds of ours: so it is asked for the base before it is told the
    // rest.
    if (next <= base) {
        if (f->next > base + 1) {
            next = base + 1;
            f->base_asked_at = now_;
        } else if (m.stamp < f->base_asked_at) {
            return; // that answers what was asked before
        }
    }
    f->probing = true;
    f->next = next;
    probe(from, *f);
}

// ---- the set
// --------------------------------------------------------------------------------------------------------

bool replica_machine::enough_in_sync() const {
    return config_.in_sync.size() >= std::min<std::size_t>(timing_.min_in_sync, config_.replicas.size());
}

instant replica_machine::lease_until() const {
    if (role_ != replica_role::serving) return never;
    instant until = instant::max(); // alone in the set: nobody else can take over
    for (const node_id node : config_.in_sync) {
        if (node == self_) continue;
        const auto found = followers_.find(node);
        until = std::min(until, found == followers_.end() ? never : found->second.lease_until);
    }
    // Who is being admitted may be in the set already, and take over.
    for (const auto& [node, f] : followers_)
        if (f.counts) until = std::min(until, f.lease_until);
    return until;
}

void replica_machine::tell_commit() {
    if (leads()) beat();
}

void replica_machine::consider_admission() {
    if (role_ != replica_role::serving || config_pending() ||
        (propose_again_at_ != never && now_ < propose_again_at_))
        return;
    for (auto& [node, f] : followers_) {
        if (config_.is_in_sync(node) || !config_.is_replica(node)) continue;
        if (f.probing || f.snapshotting || f.lease_until <= now_ || !linked_.contains(node)) continue;
        if (f.match < cleared_ || f.match < mark_) continue;
        shard_config next = config_;
        next.in_sync.push_back(node);
        std::ranges::sort(next.in_sync);
        f.counts = true; // before it is proposed: nothing is cleared without it from here on
        return propose_config(std::move(next));
    }
}

// Not there, silent, without its disk, or so slow that it holds everybody up.
bool replica_machine::is_lost(node_id node, const follower& f, instant now) const {
    if (f.wiped || now - f.heard_at > timing_.lease) return true;
    const auto down = down_since_.find(node);
    if (!linked_.contains(node) && down != down_since_.end() && now - down->second > timing_.down_pause)
        return true;
    return f.match < log_.last().index && now - f.progress_at > 4 * timing_.lease;
}

// Below `min_in_sync` it does not go by itself at once: if this node is the one that is cut off, the others, who
// are more, must have had the time to take over.
void replica_machine::consider_removal() {
    if (!leads() || config_pending() || (propose_again_at_ != never && now_ < propose_again_at_)) return;
    for (const auto& [node, f] : followers_) {
        if (!config_.is_in_sync(node) || !is_lost(node, f, now_)) continue;
        const bool below = config_.in_sync.size() <= timing_.min_in_sync;
        if (below && !f.wiped && now_ - f.heard_at < 3 * timing_.grace)
            continue; // one without its disk takes over nothing
        shard_config next = config_;
        std::erase(next.in_sync, node);
        return propose_config(std::move(next));
    }
}

void replica_machine::consider_replicas() {
    if (wanted_replicas_.empty() || role_ != replica_role::serving || config_pending()) return;
    if (propose_again_at_ != never && now_ < propose_again_at_) return;
    shard_config next = config_;
    next.replicas = std::exchange(wanted_replicas_, {});
    std::ranges::sort(next.replicas);
    if (!next.is_replica(self_)) return; // it hands over first
    std::erase_if(next.in_sync, [&](node_id node) { return !next.is_replica(node); });
    if (next != config_) propose_config(std::move(next));
}

bool replica_machine::hand_over(node_id to, instant now) {
    now_ = now;
    const auto* f = follower_of(to);
    if (role_ != replica_role::serving || config_pending() || f == nullptr || !config_.is_in_sync(to)) return false;
    if (cleared_ != log_.last().index || applied_ != cleared_ || f->match != log_.last().index) return false;
    send(to, hand_over_message{log_.last()});
    resign(now);
    handed_over_ = true;
    return true;
}

void replica_machine::resign(instant now) {
    now_ = now;
    if (!leads()) return;
    stopped_at_ = now;
    handed_over_ = false;
    step_down();
}

std::vector<replica_machine::follower_view> replica_machine::followers() const {
    std::vector<follower_view> views;
    for (const auto& [node, f] : followers_)
        views.push_back({node, f.match, f.counts, config_.is_in_sync(node), linked_.contains(node), f.snapshotting,
                         f.probing, f.next});
    return views;
}

} // namespace coppice
