#include "cluster/placement/planner.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <tuple>

#include "cluster/placement/layout.hpp"

namespace coppice {
namespace {

using placement::index;
using placement::layout;
using placement::layout_shard;
using placement::move_reason;
using placement::node_role;
using placement::reason_of_move;

// The order of plan_placement's comment.
enum class worth : std::uint8_t { leaderless = 1, missing, drain_primary, drain_replica, spread, drop, even, lead };

struct ranked_step {
    worth rank{};
    std::size_t safety = 0; // replicas in sync: who has fewer comes first
    index shard = 0;
    step_kind kind{};
    index node = 0;
    std::string why;
    std::size_t order = 0; // of steps for balance
};

class step_finder {
  public:
    explicit step_finder(layout& picture) : picture_(picture) {}

    std::optional<ranked_step> find(index shard) {
        const layout_shard& s = picture_.shards()[shard];
        if (s.primary == placement::nowhere) return std::nullopt;
        if (role(s.primary) == node_role::gone) return replace_leader(shard);
        auto addition = picture_.is_busy(s) ? std::nullopt : add(shard);
        if (addition && addition->rank == worth::missing) return addition;
        if (const auto leaders = in_sync_of(s, node_role::usable);
            role(s.primary) == node_role::fading && !leaders.empty())
            return lead(shard, worth::drain_primary, chosen_or_all(s, leaders), name(s.primary) + " is draining");
        if (addition) return addition;
        return picture_.is_busy(s) ? std::nullopt : drop(shard);
    }

    std::string why(const reason_of_move& r, const char* verb) const {
        return name(r.from) + " " + verb + " " + std::to_string(r.from_load) + ", " + name(r.to) + " " + verb +
               " " + std::to_string(r.to_load);
    }

  private:
    node_role role(index node) const { return picture_.nodes()[node].role; }
    std::string name(index node) const { return "node-" + std::to_string(picture_.nodes()[node].id.value); }

    std::vector<index> in_sync_of(const layout_shard& s, node_role wanted) const {
        std::vector<index> found;
        std::ranges::copy_if(s.in_sync, std::back_inserter(found), [&](index n) { return role(n) == wanted; });
        return found;
    }
    // Rather one that stays.
    static std::vector<index> chosen_or_all(const layout_shard& s, const std::vector<index>& nodes) {
        std::vector<index> found;
        std::ranges::copy_if(nodes, std::back_inserter(found), [&](index n) { return s.is_chosen(n); });
        return found.empty() ? nodes : found;
    }
    std::size_t safety(const layout_shard& s) const {
        return in_sync_of(s, node_role::usable).size() + in_sync_of(s, node_role::fading).size();
    }

    ranked_step lead(index shard, worth rank, const std::vector<index>& among, std::string why) {
        const layout_shard& s = picture_.shards()[shard];
        const index to = picture_.best_leader(s, among);
        picture_.lead_by(shard, to);
        return {rank, safety(s), shard, step_kind::move_primary, to, std::move(why)};
    }

    std::optional<ranked_step> replace_leader(index shard) {
        const layout_shard& s = picture_.shards()[shard];
        auto among = in_sync_of(s, node_role::usable);
        among = among.empty() ? in_sync_of(s, node_role::fading) : chosen_or_all(s, among);
        if (among.empty()) return std::nullopt; // who has all that was committed is gone; there is nothing to copy
        return lead(shard, worth::leaderless, among, "its primary " + name(s.primary) + " is gone");
    }

    std::optional<ranked_step> add(index shard) const {
        const layout_shard& s = picture_.shards()[shard];
        const auto to = std::ranges::find_if(s.chosen, [&](index n) { return !s.is_held_by(n); });
        if (to == s.chosen.end()) return std::nullopt;
        if (s.holders.size() >= limits::replicas_max) return make_room(shard);
        ranked_step step{worth::even, safety(s), shard, step_kind::add_replica, *to, {}};
        const auto count = [&](node_role r) {
            return static_cast<std::size_t>(
                std::ranges::count_if(s.holders, [&](index n) { return role(n) == r; }));
        };
        const std::size_t usable = count(node_role::usable), fading = count(node_role::fading);
        if (usable + fading < picture_.target()) {
            step.rank = worth::missing;
            step.why = std::to_string(usable + fading) + " of " + std::to_string(picture_.target()) +
                       " replicas are there";
        } else if (usable < picture_.target()) {
            const auto leaving =
                std::ranges::find_if(s.holders, [&](index n) { return role(n) == node_role::fading; });
            step.rank = worth::drain_replica;
            step.why = name(*leaving) + " is draining";
        } else if (s.reason.kind == move_reason::spread) {
            step.rank = worth::spread;
            step.why = name(s.reason.from) + " and " + name(s.reason.to) + " are in one zone";
        } else {
            step.why = why(s.reason, "holds");
            step.order = s.reason.order;
        }
        return step;
    }

    // A list that is full of nodes that are leaving would keep their replacements out. As the factor leaves room
    // for two, there are more of them than are needed.
    std::optional<ranked_step> make_room(index shard) const {
        const layout_shard& s = picture_.shards()[shard];
        const auto last_to_go = [&](index n) {
            return std::tuple{n == s.primary, role(n) == node_role::usable, role(n) == node_role::fading,
                              s.is_in_sync(n), n};
        };
        const index from = *std::ranges::min_element(s.holders, {}, last_to_go);
        if (from == s.primary || role(from) == node_role::usable) return std::nullopt;
        if (role(from) == node_role::fading && s.is_in_sync(from) && safety(s) <= picture_.target())
            return std::nullopt;
        return ranked_step{worth::missing, safety(s),
                           shard,          step_kind::remove_replica,
                           from,           name(from) + " is leaving or gone, and the list of replicas is full"};
    }

    // Only when all that stay are in sync.
    std::optional<ranked_step> drop(index shard) {
        const layout_shard& s = picture_.shards()[shard];
        if (s.chosen.empty() || s.awaits_copies || !std::ranges::includes(s.in_sync, s.chosen)) return std::nullopt;
        std::vector<index> extra;
        std::ranges::set_difference(s.holders, s.chosen, std::back_inserter(extra));
        if (extra.empty()) return std::nullopt;
        const auto last_to_go = [&](index n) {
            return std::tuple{n == s.primary, role(n) == node_role::usable, role(n) == node_role::fading, n};
        };
        const index from = *std::ranges::min_element(extra, {}, last_to_go);
        if (from == s.primary) return lead(shard, worth::drop, s.chosen, name(from) + " is to hold it no longer");
        const std::string enough = std::to_string(s.chosen.size()) + " others are in sync";
        constexpr std::array<const char*, 3> how{" holds one too many, and ", " is draining, and ",
                                                 " is gone, and "};
        return ranked_step{worth::drop, safety(s),
                           shard,       step_kind::remove_replica,
                           from,        name(from) + how.at(static_cast<std::size_t>(role(from))) + enough};
    }

    layout& picture_;
};

bool comes_before(const ranked_step& a, const ranked_step& b) {
    return std::tie(a.rank, a.safety, a.order, a.shard) < std::tie(b.rank, b.safety, b.order, b.shard);
}

// Primaries are evened out when nothing else is to be done, so that no handover is made twice.
void add_leads(layout& picture, const step_finder& finder, std::vector<ranked_step>& steps) {
    for (const auto& m : picture.even_out_primaries())
        steps.push_back({worth::lead, 0, m.shard, step_kind::move_primary, m.node, finder.why(m.reason, "leads")});
}

void arrange(layout& picture, std::size_t copies_max) {
    picture.choose();
    picture.fill();
    picture.even_out_free();
    picture.part_zones();
    picture.even_out(copies_max);
    picture.keep_leaders();
}

} // namespace

std::string_view to_string(step_kind kind) {
    constexpr std::array<std::string_view, 3> names{"add_replica", "remove_replica", "move_primary"};
    return names.at(static_cast<std::size_t>(kind));
}

std::vector<placement_step> plan_placement(const placement_input& input) {
    layout picture{input};
    arrange(picture, input.steps_max);
    step_finder finder{picture};
    std::vector<ranked_step> steps;
    for (index shard = 0; shard < picture.shards().size(); ++shard)
        if (auto step = finder.find(shard)) steps.push_back(std::move(*step));
    std::ranges::sort(steps, comes_before);
    if (steps.empty()) add_leads(picture, finder, steps);
    if (steps.size() > input.steps_max) steps.resize(input.steps_max);
    std::vector<placement_step> plan;
    for (ranked_step& step : steps)
        plan.push_back(
            {picture.shards()[step.shard].id, step.kind, picture.nodes()[step.node].id, std::move(step.why)});
    return plan;
}

std::vector<placed_shard> place_initially(const std::vector<placement_node>& nodes, std::uint32_t shard_count,
                                          std::uint32_t replication_factor) {
    placement_input input{nodes, {}, replication_factor, 0};
    for (const shard_id shard : all_shards(std::min(shard_count, limits::shards_max)))
        input.shards.push_back({shard, {}});
    layout picture{input};
    if (picture.target() == 0) return {};
    arrange(picture, 0);
    picture.take_as_held();
    (void)picture.even_out_primaries();
    for (index shard = 0; shard < picture.shards().size(); ++shard) {
        const layout_shard& s = picture.shards()[shard];
        shard_config& config = input.shards[shard].config;
        config.epoch = 1;
        config.primary = picture.nodes()[s.primary].id;
        for (const index node : s.chosen) config.replicas.push_back(picture.nodes()[node].id);
        config.in_sync = config.replicas;
    }
    return input.shards;
}

} // namespace coppice
