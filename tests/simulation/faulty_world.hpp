// What goes wrong in a random history, and how all of it is made whole again.
#pragma once

#include "tests/simulation/looks.hpp"

namespace coppice::testing {

inline constexpr std::int64_t second_us = 1'000'000;

class faulty_world {
  public:
    explicit faulty_world(sim_cluster& c) : c_(c) {}

    // One fault at a time is drawn; several may be on at once.
    void something_happens() {
        const auto nodes = static_cast<std::int64_t>(c_.nodes().size());
        const node_id victim{static_cast<std::uint32_t>(c_.between({1, nodes}))};
        const node_id other{victim.value % static_cast<std::uint32_t>(nodes) + 1};
        const auto later = c_.between({50'000, 3 * second_us});
        switch (c_.between({0, 15})) {
        case 0:
        case 1:
            c_.crash(victim);
            return c_.after(later, [this, victim] { c_.start(victim); });
        case 2:
            c_.freeze(victim);
            return c_.after(later, [this, victim] { c_.thaw(victim); });
        case 3:
            c_.cut(victim, other); // one way
            return c_.after(later, [this, victim, other] { c_.heal(victim, other); });
        case 4:
            c_.cut(victim, other);
            c_.cut(other, victim);
            return c_.after(later, [this] { c_.heal_all(); });
        case 5:
            c_.faults.control_away = true;
            return c_.after(later, [this] { c_.control_back(); });
        case 6:
            if (c_.links == sim_links::reliable) return;
            c_.faults.loss = 0.1, c_.faults.duplicate = 0.1, c_.faults.reorder = 0.1;
            return c_.after(later, [this] { c_.faults.loss = c_.faults.duplicate = c_.faults.reorder = 0; });
        case 7:
            c_.faults.delay = {100, 100'000};
            return c_.after(later, [this] { c_.faults.delay = {50, 500}; });
        case 8:
            c_.faults.control_unknown = 0.3;
            return c_.after(later, [this] { c_.faults.control_unknown = 0; });
        case 9:
            c_.faults.kill_at_commit = 0.02;
            return c_.after(later, [this] { c_.faults.kill_at_commit = 0; });
        case 10:
            return fill_disk(victim, later);
        case 11:
            return leave_out(victim, later);
        case 12:
            c_.cut_control(victim);
            return c_.after(later, [this, victim] { c_.heal_control(victim); });
        case 13:
            return hand_over(victim);
        case 14:
            isolate(victim);
            return c_.after(later, [this] { c_.heal_all(), c_.control_back(); });
        default:
            // One disk is lost at a time, and only of a whole set: more is more than two copies can bear.
            if (!may_lose_a_copy()) return;
            c_.wipe(victim);
            c_.after(later, [this, victim] { c_.start(victim); });
        }
    }

    void heal() {
        c_.faults = {};
        for (auto& [id, n] : c_.nodes()) {
            if (n.frozen) c_.thaw(id);
            c_.start(id);
            n.data->full = n.log->full = false;
        }
        c_.heal_all();
        c_.control_back();
        want_everybody();
    }

  private:
    void fill_disk(node_id victim, std::int64_t later) {
        const auto set = [this, victim](bool full) {
            auto& n = c_.at(victim);
            if (n.data) n.data->full = n.log->full = full;
        };
        set(true);
        c_.after(later, [set] { set(false); });
    }
    // From everybody and from the control store: it does not hear that it was followed.
    void isolate(node_id victim) {
        c_.cut_control(victim);
        for (auto& each : c_.nodes())
            if (each.first != victim) c_.cut(victim, each.first), c_.cut(each.first, victim);
    }
    // As the placement and a node that is drained do.
    void hand_over(node_id to) {
        for (const shard_id shard : c_.shards())
            if (auto* primary = c_.primary_of(shard); primary != nullptr && primary->id != to)
                primary->journal->want_hand_over(shard, to);
    }
    // Membership changes under fire: a replica goes, and comes back with nothing.
    void leave_out(node_id victim, std::int64_t later) {
        if (!may_lose_a_copy()) return;
        for (const shard_id shard : c_.shards()) {
            auto* primary = c_.primary_of(shard);
            if (primary == nullptr || primary->id == victim) continue;
            std::vector<node_id> others;
            for (auto& [id, n] : c_.nodes())
                if (id != victim) others.push_back(id);
            primary->journal->want_replicas(shard, others);
        }
        c_.after(later, [this] { want_everybody(); });
    }
    // Again and again: whoever leads at the time must hear it.
    void want_everybody() {
        std::vector<node_id> all;
        for (auto& [id, n] : c_.nodes()) all.push_back(id);
        for (const shard_id shard : c_.shards())
            if (auto* primary = c_.primary_of(shard); primary != nullptr && !primary->frozen)
                primary->journal->want_replicas(shard, all);
        if (!std::exchange(wanting_, true))
            c_.after(500'000, [this] {
                wanting_ = false;
                want_everybody();
            });
    }
    bool may_lose_a_copy() {
        return everybody_in_sync(c_) && c_.now() - std::exchange(lost_at_, c_.now()) > seconds_between;
    }

    static constexpr microseconds seconds_between{10 * second_us};
    sim_cluster& c_;
    instant lost_at_{};
    bool wanting_ = false;
};

} // namespace coppice::testing
