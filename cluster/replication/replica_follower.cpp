// What a follower does: it makes its log the primary's, and says how far it has come.
#include <algorithm>
#include <stdexcept>

#include "cluster/replication/replica_machine.hpp"

namespace coppice {

bool replica_machine::enter_epoch(node_id from, std::uint64_t epoch) {
    learn_epoch(epoch, from);
    if (leader_ == node_id{}) leader_ = from;
    if (leader_ != from || leads()) return false; // an epoch has one primary
    heard_at_ = now_;
    return true;
}

void replica_machine::on_prepare(node_id from, const prepare_message& m) {
    if (is_wiped()) return send(from, mismatch_message{0, true, m.stamp});
    // What is applied is committed, and so the same in the primary's log.
    if (m.previous.index > applied_ && !log_.holds(m.previous)) {
        const std::uint64_t last = log_.last().index;
        return send(from, mismatch_message{last < m.previous.index ? last : applied_, false, m.stamp});
    }
    heard_stamp_ = m.stamp; // only now: who promises at this stamp holds what its primary had when it said it
    append_from(m);
    verified_ = std::max(verified_, std::min(m.previous.index + m.entries.size(), log_.last().index));
    commit_ = std::max(commit_, m.commit);
    if (effects_.append.empty()) acknowledge();
}

void replica_machine::append_from(const prepare_message& m) {
    for (const log_entry& e : m.entries) {
        if (e.at.epoch > epoch_ || e.at.epoch < log_.last().epoch) {
            if (e.at.index > log_.last().index) return; // no primary makes such a log
        }
        if (const auto here = log_.epoch_at(e.at.index); here) {
            if (*here == e.at.epoch) continue;
            if (e.at.index <= applied_) {
                effects_.cannot_follow = e.at.index;
                return;
            }
            cut_after(e.at.index - 1);
        }
        if (e.at.index <= applied_) continue;
        if (e.at.index != log_.last().index + 1) return;
        known_ = true;
        log_.append(e.at.epoch);
        effects_.append.push_back(e);
    }
}

void replica_machine::cut_after(std::uint64_t index) {
    if (index < applied_) throw std::logic_error("a committed entry would be cut off");
    log_.truncate_after(index);
    stored_ = std::min(stored_, index);
    verified_ = std::min(verified_, index);
    std::erase_if(effects_.append, [&](const log_entry& e) { return e.at.index > index; });
    effects_.truncate_after = std::min(effects_.truncate_after.value_or(index), index);
}

void replica_machine::stored(std::uint64_t index, instant now) {
    now_ = now;
    stored_ = std::max(stored_, std::min(index, log_.last().index));
    if (!leads()) acknowledge();
}

// Never more than was verified with this epoch's primary: what the log holds beyond it may yet be cut off.
void replica_machine::acknowledge() {
    if (leader_ == node_id{} || leader_ == self_ || is_wiped()) return;
    // Who has proposed to take over, or was asked to, promises nothing: it may lead as soon as it is told. When
    // nobody could tell it what came of that, it promises again, and keeps that promise even if it won. What it has
    // on disk it may say.
    const bool promises = in_doubt_ || !(is_taking_over() || asked_to_take_over_);
    if (promises && is_taking_over()) promised_at_ = now_;
    send(leader_, ack_message{std::min(stored_, verified_), promises ? heard_stamp_ : never});
}

void replica_machine::on_hand_over(const hand_over_message& m) {
    // One that was admitted just now may not have heard of it yet.
    const bool may = role_ == replica_role::secondary || role_ == replica_role::learner;
    if (!may || m.last != log_.last() || stored_ != m.last.index) return;
    asked_to_take_over_ = true;
    asked_at_ = now_;
    consider_takeover();
}

void replica_machine::installed(log_position at, instant now) {
    now_ = now;
    known_ = at.index > 0; // who has begun with nothing may not act as if it held what the set must hold
    log_ = log_positions{at};
    stored_ = applied_ = verified_ = at.index;
    commit_ = std::max(commit_, at.index);
}

} // namespace coppice
