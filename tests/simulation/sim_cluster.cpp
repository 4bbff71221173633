#include "tests/simulation/sim_cluster.hpp"

#include <algorithm>

namespace coppice::testing {
namespace {

std::pair<node_id, node_id> ordered(node_id a, node_id b) { return {std::min(a, b), std::max(a, b)}; }

} // namespace

sim_cluster::sim_cluster(std::uint64_t seed, std::size_t nodes, std::size_t shards, replica_timing timing,
                         double drift)
    : timing_(timing), random_(seed) {
    std::vector<node_id> all;
    for (std::uint32_t i = 1; i <= nodes; ++i) all.push_back(node_id{i});
    for (std::size_t i = 0; i < shards; ++i) {
        const shard_id shard{static_cast<std::uint16_t>(i)};
        shards_.push_back(shard);
        const node_id first = all[i % all.size()];
        control.configs[shard] = {.version = 1, .epoch = 0, .primary = first, .in_sync = {first}, .replicas = all};
    }
    for (const node_id id : all) {
        node& n = nodes_[id];
        n.id = id;
        n.clock_rate = 1 + std::uniform_real_distribution<double>{-drift, drift}(random_);
        n.clock_offset_us = between({1, 1'000'000'000});
    }
}

void sim_cluster::start_all() {
    for (auto& [id, n] : nodes_) start(id);
}

void sim_cluster::make_disks(node& n) {
    n.data = std::make_unique<sim_disk>();
    n.log = std::make_unique<sim_disk>();
    n.log->forgets = disk_forgets;
    for (sim_disk* disk : {n.data.get(), n.log.get()})
        disk->kill = [this]() -> std::optional<bool> {
            if (!chance(faults.kill_at_commit)) return std::nullopt;
            return chance(0.5);
        };
}

std::int64_t sim_cluster::between(microsecond_range range) {
    return std::uniform_int_distribution<std::int64_t>{range.first, range.second}(random_);
}

bool sim_cluster::chance(double probability) { return std::bernoulli_distribution{probability}(random_); }

void sim_cluster::after(std::int64_t us, std::function<void()> what) {
    queue_.push({now_ + microseconds{us}, ++events_, std::move(what)});
}

void sim_cluster::run_one() {
    event next = queue_.top();
    queue_.pop();
    now_ = std::max(now_, next.at);
    next.what();
}

void sim_cluster::run(std::int64_t for_us) {
    const instant end = now_ + microseconds{for_us};
    while (!queue_.empty() && queue_.top().at <= end) run_one();
    now_ = end;
}

bool sim_cluster::run_until(const std::function<bool()>& holds, std::int64_t most_us) {
    const instant end = now_ + microseconds{most_us};
    while (!holds()) {
        if (queue_.empty() || queue_.top().at > end) return false;
        run_one();
    }
    return true;
}

instant sim_cluster::steady_of(const node& n) const {
    const auto real = static_cast<double>(to_us(now_) % 1'000'000'000);
    return from_us(n.clock_offset_us + static_cast<std::int64_t>(real * n.clock_rate));
}

// ---- processes
// ------------------------------------------------------------------------------------------------------

void sim_cluster::in_node(node_id id, std::uint64_t life, std::function<void(sim_process&)> what) {
    node& n = at(id);
    if (!n.process || n.life != life) return;
    if (n.frozen) {
        n.held.emplace_back([this, id, life, what = std::move(what)] { in_node(id, life, what); });
        return;
    }
    try {
        what(*n.process);
        if (!n.process || n.life != life) return;
        n.process->run();
        n.journal = n.process->journal();
    } catch (const process_killed&) {
        crash(id);
        if (on_killed) on_killed(id);
        return;
    }
    wake(id);
}

// The earliest time that was asked for counts, however often the node is called meanwhile.
void sim_cluster::wake(node_id id) {
    node& n = at(id);
    const auto wait = std::max<std::int64_t>(100, (n.process->next_wake() - steady_of(n)).count());
    const instant then = now_ + microseconds{wait};
    if (n.wake_at > now_ && n.wake_at <= then) return;
    n.wake_at = then;
    after(wait, [this, id, life = n.life, then] {
        if (at(id).life != life || at(id).wake_at != then) return;
        at(id).wake_at = never;
        in_node(id, life, [](sim_process& p) { p.tick(); });
    });
}

void sim_cluster::start(node_id id) {
    node& n = at(id);
    if (n.process) return;
    if (!n.data) make_disks(n);
    const std::uint64_t life = ++n.life;
    n.wake_at = never;
    replicated_journal_options options;
    options.data = n.data.get();
    options.log = n.log.get();
    options.self = id;
    options.timing = timing_;
    options.shards = shards_;
    options.clock = [this, id] { return now_ + microseconds{at(id).clock_offset_us % 1000}; };
    options.steady = [this, id] { return steady_of(at(id)); };
    options.send = [this, id](node_id to, sim_process::channel on, bytes frame) {
        return transmit(id, to, on, std::move(frame));
    };
    options.propose_config = [this, id](shard_id shard, const shard_config& c) { propose_config(id, shard, c); };
    options.on_fault = [id](const std::string& what) { BOOST_TEST_MESSAGE("node " << id.value << ": " << what); };
    if (on_start) on_start(options);
    try {
        n.process =
            make_process ? make_process(std::move(options)) : std::make_unique<bare_process>(std::move(options));
        n.journal = n.process->journal();
    } catch (const process_killed&) {
        if (on_killed) on_killed(id);
        return;
    }
    for (const shard_id shard : shards_) {
        if (const auto known = n.copy.find(shard); known != n.copy.end())
            after(0, [this, id, life, shard, config = known->second] {
                in_node(id, life, [shard, config](sim_process& p) { p.configured(shard, config); });
            });
        tell_watcher(id, shard);
    }
    for (auto& [other, o] : nodes_)
        if (other != id && o.process) connect(id, other);
    wake(id);
}

void sim_cluster::crash(node_id id) {
    node& n = at(id);
    if (!n.process) return;
    for (auto& [other, o] : nodes_)
        if (other != id) disconnect(id, other);
    ++n.life; // what is left of the process, and its callbacks, must see that it is over
    n.journal = nullptr;
    n.process.reset();
    n.data->crash();
    n.log->crash();
    n.frozen = false;
    n.held.clear();
}

void sim_cluster::wipe(node_id id) {
    crash(id);
    make_disks(at(id));
    at(id).copy.clear();
}

void sim_cluster::freeze(node_id id) {
    at(id).frozen = true;
    for (auto& each : nodes_)
        if (each.first != id) break_when_silent(id, each.first);
}

void sim_cluster::thaw(node_id id) {
    node& n = at(id);
    n.frozen = false;
    for (auto& what : std::exchange(n.held, {})) what();
    if (links == sim_links::lossy || !n.process) return;
    for (auto& [other, o] : nodes_)
        if (other != id && o.process) connect(id, other);
}

// ---- network
// --------------------------------------------------------------------------------------------------------

bool sim_cluster::reachable(node_id a, node_id b) const { return !cut_.contains({a, b}) && !cut_.contains({b, a}); }

void sim_cluster::connect(node_id a, node_id b) {
    if (!reachable(a, b) || link_.contains(ordered(a, b))) return;
    const std::uint64_t number = ++links_;
    link_[ordered(a, b)] = number;
    for (const auto& way : {std::pair{a, b}, std::pair{b, a}})
        tell_of_link(way.first, way.second, [this, from = way.first, to = way.second, number](sim_process& p) {
            const auto found = link_.find(ordered(from, to));
            if (links == sim_links::reliable || (found != link_.end() && found->second == number)) p.link_up(to);
        });
}

// A reliable link's end is told before its next beginning, and that before what comes over it.
void sim_cluster::tell_of_link(node_id to, node_id of, std::function<void(sim_process&)> what) {
    instant then = now_ + microseconds{between(faults.delay)};
    if (links == sim_links::reliable) {
        instant& last = last_arrival_[{of, to}];
        last = then = std::max(then, last);
    }
    queue_.push(
        {then, ++events_, [this, to, life = at(to).life, what = std::move(what)] { in_node(to, life, what); }});
}

void sim_cluster::disconnect(node_id a, node_id b) {
    if (link_.erase(ordered(a, b)) == 0) return;
    held_.erase({a, b});
    held_.erase({b, a});
    for (const auto& way : {std::pair{a, b}, std::pair{b, a}})
        tell_of_link(way.first, way.second, [this, from = way.first, to = way.second](sim_process& p) {
            if (links == sim_links::reliable || !link_.contains(ordered(from, to))) p.link_down(to);
        });
}

void sim_cluster::cut(node_id from, node_id to) {
    cut_.insert({from, to});
    break_when_silent(from, to);
}

void sim_cluster::heal(node_id from, node_id to) {
    cut_.erase({from, to});
    if (links == sim_links::lossy) return;
    flush_held(from, to);
    if (at(from).process && at(to).process) connect(from, to);
}

void sim_cluster::heal_all() {
    cut_.clear();
    for (auto& [a, x] : nodes_)
        for (auto& [b, y] : nodes_) {
            if (a != b) flush_held(a, b);
            if (a < b && x.process && y.process) connect(a, b);
        }
}

// A reliable link of which one end hears nothing for so long is none any more, for both.
void sim_cluster::break_when_silent(node_id a, node_id b) {
    const auto link = link_.find(ordered(a, b));
    if (links == sim_links::lossy || link == link_.end()) return;
    after(between({1'500'000, 2'000'000}), [this, a, b, number = link->second] {
        const auto found = link_.find(ordered(a, b));
        if (found == link_.end() || found->second != number) return;
        if (!reachable(a, b) || at(a).frozen || at(b).frozen) disconnect(a, b);
    });
}

bool sim_cluster::transmit(node_id from, node_id to, sim_process::channel on, bytes frame) {
    if (!link_.contains(ordered(from, to))) return false;
    if (on_wire) on_wire(from, to, frame);
    const auto shared = std::make_shared<const bytes>(std::move(frame));
    if (links == sim_links::reliable) {
        held_[{from, to}].push_back({on, shared});
        if (!cut_.contains({from, to})) flush_held(from, to);
        return true;
    }
    if (cut_.contains({from, to}) || chance(faults.loss)) return true; // it doesn't know
    const int copies = chance(faults.duplicate) ? 2 : 1;
    for (int i = 0; i < copies; ++i) {
        instant arrival = now_ + microseconds{between(faults.delay)};
        if (i == 0 && !chance(faults.reorder)) {
            instant& last = last_arrival_[{from, to}];
            last = arrival = std::max(arrival, last);
        }
        deliver(from, to, on, shared, arrival);
    }
    return true;
}

void sim_cluster::flush_held(node_id from, node_id to) {
    const auto held = held_.find({from, to});
    if (held == held_.end()) return;
    for (const held_frame& each : std::exchange(held->second, {})) {
        instant& last = last_arrival_[{from, to}];
        last = std::max(now_ + microseconds{between(faults.delay)}, last);
        deliver(from, to, each.on, each.body, last);
    }
}

void sim_cluster::deliver(node_id from, node_id to, sim_process::channel on,
                          const std::shared_ptr<const bytes>& frame, instant arrival) {
    queue_.push(
        {arrival, ++events_, [this, from, to, on, frame, number = link_.at(ordered(from, to)), life = at(to).life] {
             const auto found = link_.find(ordered(from, to));
             if (found == link_.end() || found->second != number) return; // the link broke
             in_node(to, life, [from, on, frame](sim_process& p) { p.receive(from, on, *frame); });
         }});
}

// ---- control store
// --------------------------------------------------------------------------------------------------

void sim_cluster::propose_config(node_id from, shard_id shard, const shard_config& proposed) {
    using answer = replica_machine::answer;
    const std::uint64_t life = at(from).life;
    const answer doubted = doubt_is_denied ? answer::refused : answer::unknown;
    const auto tell = [this, from, life, shard, doubted,
                       asked = proposed.version](answer how, std::optional<shard_config> there) {
        after(between(faults.control_delay), [this, from, life, shard, doubted, asked, how, there] {
            const bool comes_through = hears_control(from) || !there;
            in_node(from, life, [=](sim_process& p) {
                p.config_answered(shard, comes_through ? how : doubted, asked,
                                  comes_through ? there : std::nullopt);
            });
        });
    };
    if (told_too_early && told_too_early(control.configs.at(shard), proposed)) {
        shard_config soon = proposed;
        ++soon.version;
        after(0, [this, from, life, shard, soon] {
            in_node(from, life, [shard, soon](sim_process& p) {
                p.config_answered(shard, answer::accepted, soon.version - 1, soon);
            });
        });
    }
    // Nobody took it; or it is not known whether somebody did.
    if (!hears_control(from)) return tell(chance(faults.control_doubt) ? doubted : answer::refused, std::nullopt);
    after(between(faults.control_delay), [this, from, shard, proposed, tell, doubted] {
        shard_config& there = control.configs.at(shard);
        const bool is_first = there.version == proposed.version;
        // What is on its way when the line breaks may yet come through.
        if (faults.control_away || (!hears_control(from) && chance(0.5))) return tell(doubted, std::nullopt);
        if (is_first) {
            there = proposed;
            ++there.version;
            control.history.emplace_back(shard, there);
            tell_watchers(shard);
        }
        if (chance(faults.control_unknown)) return tell(doubted, std::nullopt);
        tell(is_first ? answer::accepted : answer::conflict, there);
    });
}

void sim_cluster::control_back() {
    faults.control_away = false;
    control_cut_.clear();
    for (const shard_id shard : shards_) tell_watchers(shard);
}

void sim_cluster::heal_control(node_id node) {
    control_cut_.erase(node);
    for (const shard_id shard : shards_) tell_watcher(node, shard);
}

void sim_cluster::tell_watchers(shard_id shard) {
    for (auto& each : nodes_) tell_watcher(each.first, shard);
}

void sim_cluster::tell_watcher(node_id node, shard_id shard) {
    after(between(faults.control_delay), [this, node, life = at(node).life, shard] {
        if (!hears_control(node)) return;
        in_node(node, life, [this, node, shard](sim_process& p) {
            at(node).copy[shard] = control.configs.at(shard);
            p.configured(shard, at(node).copy[shard]);
        });
    });
}

// ---- looks
// ----------------------------------------------------------------------------------------------------------

std::vector<node_id> sim_cluster::serving(shard_id shard) {
    std::vector<node_id> found;
    for (auto& [id, n] : nodes_)
        if (n.journal && n.journal->slots().at(shard).replica->role() == replica_role::serving) found.push_back(id);
    return found;
}

sim_cluster::node* sim_cluster::primary_of(shard_id shard) {
    node* best = nullptr;
    std::uint64_t epoch = 0;
    for (const node_id id : serving(shard))
        if (const auto e = slot(id, shard).replica->epoch(); e >= epoch) best = &at(id), epoch = e;
    return best;
}

bool sim_cluster::propose(node_id to, const proposal_ptr& what) {
    node& n = at(to);
    if (!n.process) return false;
    in_node(to, n.life, [what](sim_process& p) { p.propose(what); });
    return true;
}

} // namespace coppice::testing
