// What every replica does: it follows the configuration, and takes over when it is its turn.
#include "cluster/replication/replica_machine.hpp"

#include <algorithm>
#include <array>

namespace coppice {
namespace {

bool same_but_version(const shard_config& a, const shard_config& b) {
    return a.epoch == b.epoch && a.primary == b.primary && a.in_sync == b.in_sync && a.replicas == b.replicas;
}

} // namespace

std::string_view to_string(replica_role role) {
    constexpr std::array<std::string_view, 6> names{"out",       "learner",  "secondary",
                                                    "candidate", "settling", "serving"};
    return names.at(static_cast<std::size_t>(role));
}

replica_machine::replica_machine(const start& from, instant now)
    : shard_(from.shard), self_(from.self), timing_(from.timing), known_(from.known), now_(now),
      epoch_(from.log.last().epoch), log_(from.log), stored_(from.log.last().index), applied_(from.applied),
      commit_(from.applied), verified_(from.applied), heard_at_(now), cleared_(from.applied),
      stopped_at_(from.held_back ? now : never) {}

void replica_machine::set_role(replica_role role) {
    if (role_ == role) return;
    role_ = role;
    effects_.role_changed = true;
}

// A disk that lost what the configuration says it holds: this replica may neither lead nor vouch for anything.
// In epoch 0 nobody has led yet, and nobody can have lost anything.
bool replica_machine::is_wiped() const { return !known_ && config_.epoch > 0 && config_.is_in_sync(self_); }

replica_role replica_machine::role_by_config() const {
    if (!config_.is_replica(self_)) return replica_role::out;
    if (is_wiped() || !config_.is_in_sync(self_)) return replica_role::learner;
    return config_.primary == self_ ? replica_role::candidate : replica_role::secondary;
}

void replica_machine::learn_epoch(std::uint64_t epoch, node_id leader) {
    if (epoch <= epoch_) return;
    if (leads()) step_down();
    epoch_ = epoch;
    leader_ = leader;
    verified_ = applied_;
    asked_to_take_over_ = false;
    heard_at_ = now_; // the new primary has its time to be heard
}

void replica_machine::configured(const shard_config& config, instant now) {
    now_ = now;
    if (config.version <= config_.version) return;
    config_ = config;
    bool ours = false;
    if (proposed_ && config.version > proposed_->version) {
        ours = same_but_version(*proposed_, config);
        drop_proposal();
    }
    follow_config(ours);
}

void replica_machine::follow_config(bool ours) {
    if (config_.primary == self_ && config_.epoch == led_epoch_ && leads()) return sync_followers();
    // Who has promised its old primary meanwhile that it would not, leads in a later epoch, when that is over.
    const bool elected = ours && config_.primary == self_ && config_.epoch > led_epoch_ && config_.epoch > epoch_ &&
                         !promised_lately();
    learn_epoch(config_.epoch, config_.primary);
    if (leader_ == node_id{} && config_.epoch == epoch_) leader_ = config_.primary;
    if (elected) {
        led_epoch_ = config_.epoch;
        return lead();
    }
    if (leads()) step_down();
    set_role(role_by_config());
}

// What it made and did not commit is forgotten: only the log on disk, and what is in the tables, remain.
void replica_machine::step_down() {
    followers_.clear();
    log_.truncate_after(std::max(stored_, applied_));
    stored_ = log_.last().index;
    cleared_ = commit_ = verified_ = applied_;
    heard_at_ = now_;
    set_role(role_by_config());
}

void replica_machine::config_answered(answer how, std::uint64_t asked, const std::optional<shard_config>& now_there,
                                      instant now) {
    now_ = now;
    if (now_there) configured(*now_there, now);
    // An answer that comes late, about a version that has moved since, says nothing of what is proposed now.
    if (!proposed_ || asked != proposed_->version || how == answer::accepted) return;
    in_doubt_ = in_doubt_ || how == answer::unknown;
    if (in_doubt_) {
        // It may have been done: what it says goes on to count, and the same version is asked about again.
        propose_again_at_ = now + 2 * timing_.beat;
        return;
    }
    drop_proposal(); // it certainly was not done, though nothing newer is known here: look again in a while
    propose_again_at_ = now + timing_.beat;
    if (leads()) sync_followers();
}

void replica_machine::drop_proposal() {
    proposed_.reset();
    in_doubt_ = false;
    propose_again_at_ = never;
}

void replica_machine::propose_config(shard_config next) {
    next.version = config_.version;
    drop_proposal();
    proposed_ = next;
    effects_.propose = std::move(next);
}

void replica_machine::consider_takeover() {
    if (config_pending() || (propose_again_at_ != never && now_ < propose_again_at_)) return;
    shard_config next = config_;
    next.epoch = config_.epoch + 1;
    next.primary = self_;
    if (role_ == replica_role::candidate) {
        if (stopped_at_ != never && now_ - stopped_at_ < 2 * timing_.grace)
            return; // it stopped for another to take over
        if (promised_lately()) return;
        // Nobody did, perhaps because nobody could be asked: its epoch is still its own.
        if (handed_over_ && led_epoch_ == config_.epoch && epoch_ == config_.epoch) return lead();
        return propose_config(std::move(next));
    }
    if (role_ != replica_role::secondary || stored_ != log_.last().index) return;
    // One after the other, so that they don't all ask at once; any of them would do.
    std::int64_t turn = 0;
    for (const node_id node : config_.in_sync)
        if (node < self_ && node != config_.primary) ++turn;
    const bool silent = now_ - heard_at_ > timing_.grace + turn * timing_.beat;
    asked_to_take_over_ = asked_to_take_over_ && now_ - asked_at_ <= timing_.grace;
    if (!silent && !asked_to_take_over_) return;
    if (silent) std::erase(next.in_sync, config_.primary);
    propose_config(std::move(next));
}

void replica_machine::receive(node_id from, const replica_message& message, instant now) {
    now_ = now;
    const bool from_leader = std::holds_alternative<prepare_message>(message.what) ||
                             std::holds_alternative<hand_over_message>(message.what);
    if (from_leader) {
        if (message.epoch < epoch_) return send(from, stale_epoch_message{});
        if (role_ == replica_role::out || !enter_epoch(from, message.epoch)) return;
        if (const auto* m = std::get_if<prepare_message>(&message.what)) on_prepare(from, *m);
        if (const auto* m = std::get_if<hand_over_message>(&message.what)) on_hand_over(*m);
        return;
    }
    if (std::holds_alternative<stale_epoch_message>(message.what)) {
        // Who leads there is not known yet; the configuration will say it.
        if (leads() && message.epoch > epoch_) learn_epoch(message.epoch, node_id{});
        return;
    }
    if (!leads() || message.epoch != led_epoch_) return;
    if (const auto* m = std::get_if<ack_message>(&message.what)) on_ack(from, *m);
    if (const auto* m = std::get_if<mismatch_message>(&message.what)) on_mismatch(from, *m);
}

void replica_machine::link_up(node_id node, instant now) {
    now_ = now;
    linked_.insert(node);
    down_since_.erase(node);
    if (auto* f = follower_of(node)) {
        f->probing = true; // what was under way is lost
        probe(node, *f);
    }
}

void replica_machine::link_down(node_id node, instant now) {
    now_ = now;
    if (linked_.erase(node) > 0) down_since_[node] = now;
}

void replica_machine::tick(instant now) {
    now_ = now;
    if (proposed_ && propose_again_at_ != never && now >= propose_again_at_) {
        propose_again_at_ = never;
        // A takeover for which there is no reason any more is called off: the configuration that is there takes the
        // version on which both depend, so that only one of them can happen.
        effects_.propose =
            is_taking_over() && role_ == replica_role::secondary && hears_its_primary() ? config_ : *proposed_;
    }
    if (!leads()) return consider_takeover();
    if (now >= beat_at_) beat();
    consider_removal();
    consider_admission();
    consider_replicas();
}

void replica_machine::send(node_id to, decltype(replica_message::what) what) {
    effects_.sends.push_back({to, {shard_, epoch_, std::move(what)}});
}

} // namespace coppice
