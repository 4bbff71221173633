#include "runtime/node/cluster_operations.hpp"

#include <algorithm>

#include "cluster/replication/replica_journal_actor.hpp"

namespace coppice {
namespace {

constexpr std::uint32_t move_retry_ms = 500;

std::string named(node_id node) { return "node-" + std::to_string(node.value); }
std::string named(shard_id shard) { return "shard " + std::to_string(shard.value); }

std::string text_of(const listener& l) {
    const bool is_v6 = l.host.find(':') != std::string::npos;
    return (is_v6 ? "[" + l.host + "]" : l.host) + ":" + std::to_string(l.port);
}

member_state state_after(node_change change) {
    switch (change) {
    case node_change::drain:
        return member_state::draining;
    case node_change::resume:
        return member_state::active;
    case node_change::remove:
        break;
    }
    return member_state::removed;
}

auto refuse(errc code, std::string detail, node_id primary = {}, std::uint32_t retry_ms = 0) {
    return tl::unexpected(cluster_view::move_refused{{code, std::move(detail), retry_ms}, primary});
}

} // namespace

// ---- looks

std::vector<cluster_node_row> cluster_operations::nodes() const {
    std::vector<cluster_node_row> rows;
    const auto links = options_.network->statistics();
    const auto configs = options_.configs->configs();
    for (const auto& [what, revision] : options_.members->members()) {
        cluster_node_row row{.node = what.number,
                             .name = what.name,
                             .state = std::string{to_string(what.state)},
                             .zone = what.zone,
                             .rpc = text_of(what.rpc),
                             .peer = text_of(what.peer)};
        for (const auto& [shard, config] : configs) {
            row.leads += config.epoch > 0 && config.primary == what.number ? 1 : 0;
            row.in_sync += config.is_in_sync(what.number) ? 1 : 0;
            row.holds += config.is_replica(what.number) ? 1 : 0;
        }
        if (what.number == options_.self) {
            row.is_self = row.linked = true;
            row.seen = milliseconds{0};
            for (const auto& [shard, face] : options_.board->faces()) row.applied += face.applied.load();
        } else if (const auto found = std::ranges::find(links, what.number, &peer_statistics::node);
                   found != links.end()) {
            row.linked = found->up;
            if (found->last_heard_age.count() >= 0) row.seen = found->last_heard_age;
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

std::vector<cluster_shard_row> cluster_operations::shards() const {
    std::vector<cluster_shard_row> rows;
    for (const auto& [shard, config] : options_.configs->configs()) {
        cluster_shard_row row{.shard = shard,
                              .epoch = config.epoch,
                              .primary = config.epoch > 0 ? config.primary : node_id{},
                              .in_sync = config.in_sync,
                              .replicas = config.replicas};
        if (const replica_face* face = options_.board->face(shard)) {
            row.role = std::string{to_string(face->role.load())};
            row.applied = face->applied.load();
            row.lease_valid = to_us(steady_now()) < face->lease_until_us.load();
        }
        rows.push_back(std::move(row));
    }
    return rows;
}

bool cluster_operations::has_feature(std::string_view feature) const { return options_.members->all_have(feature); }

// ---- members

// There is another node to go on with, and it has what was acknowledged.
expected<void> cluster_operations::may_leave(const std::vector<kept_member>& members, node_id node) const {
    const auto stays = [&](node_id other) {
        return other != node && std::ranges::any_of(members, [&](const kept_member& m) {
                   return m.what.number == other &&
                          (m.what.state == member_state::active || m.what.state == member_state::draining);
               });
    };
    if (std::ranges::none_of(members, [&](const kept_member& m) { return stays(m.what.number); }))
        return fail(errc::invalid_argument, named(node) + " is the last node of the cluster");
    for (const auto& [shard, config] : options_.configs->configs())
        if (config.is_in_sync(node) && std::ranges::none_of(config.in_sync, stays))
            return fail(errc::illegal_transition, named(node) + " alone has all of " + named(shard) +
                                                      "; add or resume a node, and wait until it is in sync");
    return {};
}

void cluster_operations::change_node(node_id node, node_change change, change_done done) {
    const auto members = options_.members->members();
    const auto found = std::ranges::find_if(members, [&](const kept_member& m) { return m.what.number == node; });
    if (found == members.end()) return done(fail(errc::not_found, "no member of this cluster is " + named(node)));
    const member_state to = state_after(change);
    if (found->what.state == to) return done({});
    if (change == node_change::remove)
        if (auto ok = may_leave(members, node); !ok) return done(ok);
    auto next = changed(found->what, to);
    if (!next) return done(tl::unexpected(next.error()));
    options_.members->put_member(*next, found->revision,
                                 [done = std::move(done)](const expected<std::uint64_t>& written) {
                                     if (written) return done({});
                                     done(tl::unexpected(written.error()));
                                 });
}

void cluster_operations::invite(std::chrono::seconds lifetime, invite_done done) {
    options_.joining->invite(lifetime, [done = std::move(done)](expected<invitation> made) {
        if (!made) return done(tl::unexpected(made.error()));
        done(cluster_invitation{std::move(made->token), made->expires, std::move(made->desks)});
    });
}

// ---- shards

// False: it is there already.
tl::expected<bool, cluster_view::move_refused> cluster_operations::may_move(shard_id shard, node_id to) const {
    const auto config = options_.configs->config(shard);
    const replica_face* face = options_.board->face(shard);
    if (!config || face == nullptr) return refuse(errc::not_found, "there is no " + named(shard));
    const auto members = options_.members->members();
    const auto target = std::ranges::find_if(members, [&](const kept_member& m) { return m.what.number == to; });
    if (target == members.end()) return refuse(errc::invalid_argument, "no member of this cluster is " + named(to));
    if (target->what.state != member_state::active)
        return refuse(errc::invalid_argument,
                      named(to) + " is " + std::string{to_string(target->what.state)} + ", and may lead nothing");
    if (config->epoch == 0) return refuse(errc::not_primary, "nobody leads " + named(shard) + " yet");
    if (config->primary == to) return false;
    if (config->primary != options_.self)
        return refuse(errc::not_primary, named(config->primary) + " leads " + named(shard), config->primary);
    if (!config->is_in_sync(to))
        return refuse(errc::invalid_argument, named(to) + " is not in sync with " + named(shard));
    if (face->role.load() != replica_role::serving)
        return refuse(errc::unavailable, named(options_.self) + " does not lead " + named(shard) + " at the moment",
                      {}, move_retry_ms);
    return true;
}

void cluster_operations::move_shard(shard_id shard, node_id to, move_done done) {
    const auto is_to_move = may_move(shard, to);
    if (!is_to_move) return done(tl::unexpected(is_to_move.error()));
    if (!*is_to_move) return done({});
    {
        const std::lock_guard guard{mutex_};
        if (moves_.size() >= limits::hand_overs_awaited_max)
            return done(refuse(errc::overloaded, "too many shards are being moved", {}, move_retry_ms));
        const auto patience = std::chrono::duration_cast<microseconds>(limits::hand_over_patience);
        const auto [at, is_new] = moves_.try_emplace(shard, move{to, steady_now() + patience, {}});
        if (!is_new)
            return done(refuse(errc::conflict, named(shard) + " is being moved to " + named(at->second.to)));
        at->second.done = std::move(done);
    }
    options_.hand_over(shard, to);
}

void cluster_operations::config_changed(shard_id shard, const shard_config& config) {
    std::unique_lock lock{mutex_};
    const auto found = moves_.find(shard);
    if (found == moves_.end() || config.primary == options_.self) return;
    const move ended = std::move(found->second);
    moves_.erase(found);
    lock.unlock();
    if (config.primary == ended.to) return ended.done({});
    ended.done(
        refuse(errc::not_primary, named(config.primary) + " leads " + named(shard) + " now", config.primary));
}

void cluster_operations::look_again() {
    std::vector<std::pair<shard_id, node_id>> wanted;
    std::vector<std::pair<shard_id, move_done>> late;
    {
        const std::lock_guard guard{mutex_};
        for (auto at = moves_.begin(); at != moves_.end();) {
            const bool is_late = steady_now() >= at->second.until;
            if (is_late)
                late.emplace_back(at->first, std::move(at->second.done));
            else
                wanted.emplace_back(at->first, at->second.to);
            at = is_late ? moves_.erase(at) : std::next(at);
        }
    }
    for (const auto& [shard, done] : late)
        done(refuse(errc::unavailable, named(shard) + " could not be handed over in time; it stays where it was",
                    {}, move_retry_ms));
    for (const auto& [shard, to] : wanted) {
        options_.hand_over(shard, to);
        if (const auto config = options_.configs->config(shard)) config_changed(shard, *config);
    }
}

} // namespace coppice
