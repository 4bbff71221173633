#include "tests/simulation/random_run.hpp"

#include <algorithm>

#include "tests/actors/jobs/machine_ops.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {
namespace {

constexpr std::int64_t one_second = 1'000'000;
constexpr worker_id the_worker{7};

// Submits to one shard, each job under one id for ever, again and again until it is acknowledged; and runs what is
// started, as a worker does that reports until it is answered.
class shard_load {
  public:
    shard_load(sim_cluster& c, shard_id shard, violations& found) : checker(found), c_(c), shard_(shard) {}

    void declare() {
        if (declared_) return;
        job_type_spec build;
        build.name = "build";
        if (auto* primary = c_.primary_of(shard_))
            send(primary->id, {tenant_op{.spec = {.name = "acme", .types = {"*"}}}, type_op{.spec = build}}, false,
                 [this](errc code) { declared_ = declared_ || code == errc::ok; });
        c_.after(500'000, [this] { declare(); });
    }
    bool declared() const { return declared_; }
    void submit() {
        const job_id id = ids_.next(to_ms(c_.now()), shard_, tenant_id{1}, 7);
        open_.insert(id);
        try_again(id);
    }
    // A read: everything that was acknowledged before it began.
    void read() {
        for (auto& [id, n] : c_.nodes())
            if (n.journal && !n.frozen && n.journal->may_read(shard_)) checker.read(id, *n.data->begin_read());
    }
    // The primary's commits say what is to be run.
    void started(const batch_output& out) {
        for (const start_effect& start : out.starts)
            c_.after(c_.between({1'000, 200'000}), [this, ref = start.work.ref] { report(ref); });
    }
    bool settled() const { return open_.empty() && running_.empty(); }
    history_checker checker;

  private:
    void try_again(const job_id& id) {
        if (!open_.contains(id)) return;
        if (const auto at = anyone()) // also one who only believes that it leads
            send(*at, {submit_op{.job = id}}, true, [this, id](errc code) {
                if (code == errc::ok && open_.erase(id) > 0) checker.acknowledged(id);
            });
        c_.after(c_.between({200'000, 600'000}), [this, id] { try_again(id); });
    }
    void report(const attempt_ref& ref) {
        running_.insert(ref);
        report_again(ref);
    }
    void report_again(const attempt_ref& ref) {
        if (!running_.contains(ref)) return;
        const bool well = ref.attempt > 2 || ref.job.low() % 3 != 0;
        const report_op op{.job = ref.job,
                           .attempt = ref.attempt,
                           .what = well ? outcome::SUCCEEDED : outcome::FAILED,
                           .retry_after_ms = 10,
                           .worker = the_worker};
        if (const auto at = anyone())
            send(*at, {op}, false, [this, ref](errc code) {
                if (code == errc::ok || code == errc::stale_attempt || code == errc::not_found) running_.erase(ref);
            });
        c_.after(c_.between({200'000, 600'000}), [this, ref] { report_again(ref); });
    }
    std::optional<node_id> anyone() {
        const auto serving = c_.serving(shard_);
        if (serving.empty()) return std::nullopt;
        return serving[static_cast<std::size_t>(c_.between({0, static_cast<std::int64_t>(serving.size()) - 1}))];
    }
    void send(node_id to, const std::vector<op>& ops, bool grows, std::function<void(errc)> done) {
        const auto answered = [done = std::move(done)](std::span<command_result> results) {
            done(results.front().code);
        };
        c_.propose(to, std::make_shared<proposal>(entry_of(ops), ops.size(), grows, answered, shard_));
    }

    sim_cluster& c_;
    shard_id shard_;
    job_id_minter ids_;
    bool declared_ = false;
    std::set<job_id> open_;
    std::set<attempt_ref> running_;
};

bool everybody_in_sync(sim_cluster& c) {
    return std::ranges::all_of(c.shards(), [&](shard_id shard) {
        auto* p = c.primary_of(shard);
        return p != nullptr && p->journal->slots().at(shard).replica->config().in_sync.size() == c.nodes().size();
    });
}

bool all_have_applied_the_same(sim_cluster& c) {
    return std::ranges::all_of(c.shards(), [&](shard_id shard) {
        std::set<std::uint64_t> indexes;
        for (auto& [id, n] : c.nodes()) {
            const replica_slot& s = c.slot(id, shard);
            if (s.under_way || s.installing) return false;
            indexes.insert(s.place.at.index);
        }
        return indexes.size() == 1;
    });
}

std::string list_of(const std::vector<node_id>& nodes) {
    std::string numbers;
    for (const node_id node : nodes) numbers += std::to_string(node.value) + " ";
    return numbers;
}

std::string state_of(const replica_slot& s) {
    std::string text = std::string{to_string(s.replica->role())} + ", epoch " + std::to_string(s.replica->epoch()) +
                       ", last " + std::to_string(s.replica->last().index) + ", applied " +
                       std::to_string(s.place.at.index) + ", cleared " + std::to_string(s.replica->cleared()) +
                       (s.diverged ? ", diverged" : "") + (s.installing ? ", installing" : "") +
                       (s.under_way ? ", an entry under way" : "");
    for (const auto& f : s.replica->followers())
        text += "; follower " + std::to_string(f.node.value) + " match " + std::to_string(f.match) +
                (f.counts ? " counts" : "") + (f.in_sync ? " in sync" : "") + (f.linked ? "" : " unlinked") +
                (f.snapshot ? " snapshot" : "") + (f.probing ? " probing" : "") + " next " + std::to_string(f.next);
    return text + (s.replica->awaits_config() ? ", awaits a configuration" : "");
}

// For whoever looks for the reason of a standstill.
std::string state_of(sim_cluster& c) {
    std::string text;
    for (const shard_id shard : c.shards()) {
        const shard_config& config = c.control.configs.at(shard);
        text += "\nshard " + std::to_string(shard.value) + ": epoch " + std::to_string(config.epoch) + " primary " +
                std::to_string(config.primary.value) + " in sync " + list_of(config.in_sync) + " replicas " +
                list_of(config.replicas);
        for (auto& [id, n] : c.nodes())
            if (n.journal) text += "\n  node " + std::to_string(id.value) + ": " + state_of(c.slot(id, shard));
    }
    return text;
}

class faulty_world {
  public:
    explicit faulty_world(sim_cluster& c) : c_(c) {}

    // One fault at a time is drawn; several may be on at once.
    void something_happens() {
        const auto nodes = static_cast<std::int64_t>(c_.nodes().size());
        const node_id victim{static_cast<std::uint32_t>(c_.between({1, nodes}))};
        const node_id other{victim.value % static_cast<std::uint32_t>(nodes) + 1};
        const auto later = c_.between({50'000, 3 * one_second});
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

    static constexpr microseconds seconds_between{10 * one_second};
    sim_cluster& c_;
    instant lost_at_{};
    bool wanting_ = false;
};

// The hooks by which loads and checkers look on.
void watch(sim_cluster& c, std::vector<std::unique_ptr<shard_load>>& loads, effect_checker& effects,
           bool of_two_versions) {
    c.on_start = [&, of_two_versions,
                  layouts = std::map<node_id, std::uint64_t>{}](replicated_journal_options& options) mutable {
        // Each start may be an upgrade, or the way back.
        std::uint64_t& layout = layouts.try_emplace(options.self, 1).first->second;
        if (of_two_versions && c.chance(0.4)) layout = 3 - layout;
        options.layout = layout;
        options.on_commit = [&effects](shard_id, const commit_report& r) { effects.committed(r.output); };
        options.deliver = [&loads](shard_id shard, const std::shared_ptr<const batch_output>& out) {
            loads[shard.value]->started(*out);
        };
        options.on_role = [&c, self = options.self](shard_id shard, const replica_machine& replica) {
            if (replica.role() != replica_role::serving) return;
            c.after(0, [&c, self, shard] {
                if (auto& n = c.at(self); n.journal && !n.frozen)
                    n.journal->change_workers(shard,
                                              [](shard_machine& m) { m.attach_worker(the_worker, {"build"}, 4); });
            });
        };
    };
    c.on_killed = [&c](node_id id) { c.after(100'000, [&c, id] { c.start(id); }); };
}

} // namespace

random_run_outcome random_run(std::uint64_t seed, const random_run_options& options) {
    std::mt19937_64 draw{seed};
    const std::size_t shards = 1 + draw() % 3;
    sim_cluster c{seed, 3, shards, options.timing, 0.02};
    random_run_outcome result;
    std::vector<std::unique_ptr<shard_load>> loads;
    for (const shard_id shard : c.shards()) loads.push_back(std::make_unique<shard_load>(c, shard, result.found));
    effect_checker effects{result.found};
    digest_checker digests{result.found};
    watch(c, loads, effects, draw() % 3 == 0);
    c.disk_forgets = options.disk_forgets;
    if (options.plant) options.plant(c);
    c.start_all();
    const auto stands_still = [&](const char* when) {
        result.standstill = std::string{when} + state_of(c);
        return result;
    };
    if (!c.run_until([&] { return everybody_in_sync(c); }, 30 * one_second)) return stands_still("at the start");
    for (auto& load : loads) load->declare();
    const auto declared = [&] { return std::ranges::all_of(loads, [](const auto& l) { return l->declared(); }); };
    if (!c.run_until(declared, 30 * one_second)) return stands_still("at the declarations");
    faulty_world faults{c};
    for (int step = 0; step < options.steps && result.found.none(); ++step) {
        for (auto& load : loads) {
            load->submit();
            load->read();
        }
        for (const shard_id shard : c.shards()) check_one_leads(c, shard, result.found);
        digests.look(c);
        if (c.chance(0.06)) faults.something_happens();
        c.run(c.between({1'000, 60'000}));
    }
    if (!options.until_healed || !result.found.none()) return result;
    faults.heal();
    const auto settled = [&] {
        return everybody_in_sync(c) && std::ranges::all_of(loads, [](const auto& l) { return l->settled(); });
    };
    if (!c.run_until(settled, 120 * one_second)) return stands_still("no progress after everything healed");
    c.run(2 * one_second);
    // What is left are retries; followers apply in a while what is committed.
    if (!c.run_until([&] { return settled() && all_have_applied_the_same(c); }, 60 * one_second))
        return stands_still("some replica does not follow");
    digests.look(c);
    for (const shard_id shard : c.shards()) {
        if (loads[shard.value]->checker.reads() == 0) result.found.add("nobody ever read");
        for (auto& [id, n] : c.nodes()) {
            loads[shard.value]->checker.require_all(id, *n.data->begin_read());
            check_events(*n.data->begin_read(), shard, result.found);
        }
    }
    const auto& first = c.nodes().begin()->second;
    for (auto& [id, n] : c.nodes())
        if (const auto other = difference(*first.data->begin_read(), *n.data->begin_read()); !other.empty())
            result.found.add("node " + std::to_string(id.value) + " has other tables than the first: " + other);
    return result;
}

} // namespace coppice::testing
