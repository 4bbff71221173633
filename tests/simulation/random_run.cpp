#include "tests/simulation/random_run.hpp"

#include <algorithm>

#include "tests/simulation/faulty_world.hpp"
#include "tests/simulation/shard_submitter.hpp"

namespace coppice::testing {
namespace {

constexpr worker_id the_worker{7};

// Submits to one shard's primary; and runs what is started, as a worker does that reports until it is answered.
class shard_load final : public shard_submitter {
  public:
    using shard_submitter::shard_submitter;

    // A read: everything that was acknowledged before it began.
    void read() {
        for (auto& [id, n] : c_.nodes())
            if (n.journal && !n.frozen && n.journal->may_read(shard_)) history.read(id, *n.data->begin_read());
    }
    // The primary's commits say what is to be run.
    void started(const batch_output& out) {
        for (const start_effect& start : out.starts)
            c_.after(c_.between({1'000, 200'000}), [this, ref = start.work.ref] { report(ref); });
    }
    bool settled() const { return all_acknowledged() && running_.empty(); }

  private:
    void report(const attempt_ref& ref) {
        running_.insert(ref);
        const bool well = ref.attempt > 2 || ref.job.low() % 3 != 0;
        const report_op op{.job = ref.job,
                           .attempt = ref.attempt,
                           .what = well ? outcome::SUCCEEDED : outcome::FAILED,
                           .retry_after_ms = 10,
                           .worker = the_worker};
        ask_again(
            {op}, false, [this, ref] { return running_.contains(ref); },
            [this, ref](errc code) {
                if (code == errc::ok || code == errc::stale_attempt || code == errc::not_found) running_.erase(ref);
            });
    }
    // Also one who only believes that it leads.
    std::optional<node_id> whom_to_ask() override {
        const auto serving = c_.serving(shard_);
        if (serving.empty()) return std::nullopt;
        return serving[static_cast<std::size_t>(c_.between({0, static_cast<std::int64_t>(serving.size()) - 1}))];
    }
    std::optional<node_id> whom_to_tell() override {
        const auto* primary = c_.primary_of(shard_);
        return primary == nullptr ? std::nullopt : std::optional{primary->id};
    }
    void send(node_id to, const std::vector<op>& ops, bool grows, std::function<void(errc)> done) override {
        const auto answered = [done = std::move(done)](std::span<command_result> results) {
            done(results.front().code);
        };
        c_.propose(to, std::make_shared<proposal>(entry_of(ops), ops.size(), grows, answered, shard_));
    }

    std::set<attempt_ref> running_;
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
    if (!c.run_until([&] { return everybody_in_sync(c); }, 30 * second_us)) return stands_still("at the start");
    for (auto& load : loads) load->declare();
    const auto declared = [&] { return std::ranges::all_of(loads, [](const auto& l) { return l->declared(); }); };
    if (!c.run_until(declared, 30 * second_us)) return stands_still("at the declarations");
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
    if (!c.run_until(settled, 120 * second_us)) return stands_still("no progress after everything healed");
    c.run(2 * second_us);
    // What is left are retries; followers apply in a while what is committed.
    if (!c.run_until([&] { return settled() && all_have_applied_the_same(c); }, 60 * second_us))
        return stands_still("some replica does not follow");
    digests.look(c);
    for (const shard_id shard : c.shards()) {
        if (loads[shard.value]->history.reads() == 0) result.found.add("nobody ever read");
        for (auto& [id, n] : c.nodes()) {
            loads[shard.value]->history.require_all(id, *n.data->begin_read());
            check_events(*n.data->begin_read(), shard, result.found);
        }
    }
    check_same_tables(c, result.found);
    return result;
}

} // namespace coppice::testing
