#include "tests/simulation/actor_run.hpp"

#include <algorithm>

#include "tests/simulation/faulty_world.hpp"
#include "tests/simulation/shard_submitter.hpp"
#include "tests/simulation/sim_executor.hpp"

namespace coppice::testing {
namespace {

constexpr std::size_t newest_kept = 5;
constexpr int steps = 100;

// Clients of one shard: each call goes to a node that is drawn, whoever leads, and is made again until it is
// answered well.
class shard_clients final : public shard_submitter {
  public:
    shard_clients(sim_cluster& c, shard_id shard, violations& found)
        : shard_submitter(c, shard, found), found_(found) {}

    void submit_or_more() {
        const job_id id = submit();
        if (c_.chance(0.1)) c_.after(c_.between({0, 500'000}), [this, id] { cancel(id); });
    }
    // Of any node: it has what was acknowledged before, or refuses.
    void read() {
        const node_id node = anyone();
        const std::uint64_t life = c_.at(node).life;
        c_.in_node(node, life, [this, node, life](sim_process& p) {
            static_cast<actor_process&>(p).read(
                shard_, [this, node, life, before = newest_](const expected<void>& done) {
                    if (!done || c_.at(node).life != life) return;
                    ++reads_;
                    const auto tables = c_.at(node).data->begin_read();
                    for (const job_id& job : before)
                        if (!read_job(*tables, job))
                            found_.add("node " + std::to_string(node.value) + " reads without " + to_string(job) +
                                       ", which was acknowledged");
                });
        });
    }
    bool answered() const {
        return all_acknowledged() && cancels_.empty() && std::ranges::none_of(asked_, [&](const auto& each) {
                   return c_.at(each.second.first).life == each.second.second;
               });
    }
    bool all_ended() {
        const auto* primary = c_.primary_of(shard_);
        if (primary == nullptr) return false;
        const auto tables = primary->data->begin_read();
        return std::ranges::all_of(all_, [&](const job_id& job) {
            const auto there = read_job(*tables, job);
            return !there || is_terminal(there->state);
        });
    }
    std::size_t reads() const { return reads_; }

  private:
    node_id anyone() {
        return node_id{static_cast<std::uint32_t>(c_.between({1, static_cast<std::int64_t>(c_.nodes().size())}))};
    }
    std::optional<node_id> whom_to_ask() override { return anyone(); }
    void acknowledged(const job_id& id) override {
        all_.push_back(id);
        newest_.push_back(id);
        if (newest_.size() > newest_kept) newest_.erase(newest_.begin());
    }
    void cancel(const job_id& id) {
        cancels_.insert(id);
        ask_again(
            {cancel_op{id, "tried"}}, false, [this, id] { return cancels_.contains(id); },
            [this, id](errc code) {
                if (!describe(code).retryable && code != errc::unknown_outcome && code != errc::not_found)
                    cancels_.erase(id);
            });
    }
    void send(node_id node, const std::vector<op>& ops, bool grows, std::function<void(errc)> done) override {
        const std::uint64_t life = c_.at(node).life, number = ++calls_;
        const auto answered = [this, node, life, number,
                               done = std::move(done)](std::span<command_result> results) {
            if (c_.at(node).life != life) return; // nobody is there to say it
            if (asked_.erase(number) == 0) found_.add("a call was answered twice");
            done(results.front().code);
        };
        asked_.emplace(number, std::pair{node, life});
        if (!c_.propose(node, std::make_shared<proposal>(entry_of(ops), ops.size(), grows, answered, shard_)))
            asked_.erase(number);
    }

    violations& found_;
    std::uint64_t calls_ = 0;
    std::map<std::uint64_t, std::pair<node_id, std::uint64_t>>
        asked_; // not answered yet: by which life of which node
    std::set<job_id> cancels_;
    std::vector<job_id> all_, newest_;
    std::size_t reads_ = 0;
};

class history {
  public:
    explicit history(std::uint64_t seed) : draw_(seed), c_(seed, 3, 1 + draw_() % 3, {}, 0.02) {
        c_.links = sim_links::reliable;
        for (const shard_id shard : c_.shards())
            clients_.push_back(std::make_unique<shard_clients>(c_, shard, result_.found));
        c_.make_process = [this](replicated_journal_options journal) { return start(std::move(journal)); };
        c_.on_killed = [this](node_id id) { c_.after(100'000, [this, id] { c_.start(id); }); };
    }

    // What dies with a process is refused, and told to its clients.
    ~history() {
        for (auto& each : c_.nodes()) c_.crash(each.first);
    }
    history(const history&) = delete;
    history& operator=(const history&) = delete;

    random_run_outcome run() {
        c_.start_all();
        if (!comes_true([&] { return everybody_in_sync(c_); }, 30)) return stands_still("at the start");
        for (auto& each : clients_)
            each->declare({.attempt = milliseconds{2'000}, .cancel_grace = milliseconds{300}});
        const auto declared = [&] {
            return std::ranges::all_of(clients_, [](const auto& each) { return each->declared(); });
        };
        if (!comes_true(declared, 30)) return stands_still("at the declarations");
        go_wrong();
        if (!result_.found.none()) return result_;
        world_.heal();
        if (!comes_true([&] { return has_settled(); }, 120))
            return stands_still("no progress after everything healed");
        c_.run(2 * second_us);
        if (!comes_true([&] { return has_settled() && all_have_applied_the_same(c_); }, 60))
            return stands_still("some replica does not follow");
        if (!comes_true([&] { return every_executor_is_known(); }, 30))
            return stands_still("some primary does not know some executor");
        look_at_the_end();
        return result_;
    }

  private:
    std::unique_ptr<sim_process> start(replicated_journal_options options) {
        const node_id self = options.self;
        sim_cluster::node& n = c_.at(self);
        const worker_id worker{std::uint64_t{self.value} << 32 | ++workers_};
        auto* executor =
            executors_.emplace_back(std::make_unique<sim_executor>(c_, self, worker, result_.found, handed_out_))
                .get();
        executor_of_[self] = executor;
        options.on_commit = [this](shard_id, const commit_report& r) { effects_.committed(r.output); };
        return std::make_unique<actor_process>(
            std::move(options),
            actor_process_options{.data = n.data.get(),
                                  .log = n.log.get(),
                                  .random = &c_.random(),
                                  .first_call = [this] { return c_.random()(); },
                                  .on_failure =
                                      [this, self](const std::string& what) {
                                          result_.found.add("node " + std::to_string(self.value) + ": " + what);
                                      },
                                  .worker = worker,
                                  .assigned = [executor](const assign& m) { executor->assigned(m); },
                                  .cancelled = [executor](const attempt_ref& ref) { executor->cancelled(ref); },
                                  .revoked = [executor](const attempt_ref& ref) { executor->revoked(ref); },
                                  .holds = [executor](shard_id shard) { return executor->holds(shard); }});
    }

    void go_wrong() {
        for (int step = 0; step < steps && result_.found.none(); ++step) {
            for (auto& each : clients_) {
                each->submit_or_more();
                each->read();
            }
            for (const shard_id shard : c_.shards()) check_one_leads(c_, shard, result_.found);
            digests_.look(c_);
            if (c_.chance(0.06)) world_.something_happens();
            c_.run(c_.between({1'000, 60'000}));
        }
    }

    bool comes_true(const std::function<bool()>& holds, std::int64_t seconds) {
        return c_.run_until([&] { return !result_.found.none() || holds(); }, seconds * second_us);
    }
    random_run_outcome stands_still(const char* when) {
        result_.standstill = std::string{when} + state_of(c_);
        return result_;
    }
    // Nobody waits for anything; nothing runs, and nobody believes that something does.
    bool has_settled() {
        return everybody_in_sync(c_) &&
               std::ranges::all_of(clients_,
                                   [](const auto& each) { return each->answered() && each->all_ended(); }) &&
               std::ranges::all_of(executor_of_, [](const auto& each) { return each.second->is_idle(); });
    }

    void look_at_the_end() {
        digests_.look(c_);
        for (const shard_id shard : c_.shards()) {
            shard_clients& clients = *clients_[shard.value];
            if (clients.reads() == 0) result_.found.add("nobody ever read");
            for (auto& [id, n] : c_.nodes()) {
                clients.history.require_all(id, *n.data->begin_read());
                check_events(*n.data->begin_read(), shard, result_.found);
            }
            look_at_slots(shard);
        }
        for (auto& [id, n] : c_.nodes()) look_at_actors(id, *n.process);
        check_same_tables(c_, result_.found);
    }
    const std::unordered_map<worker_id, slot_pool::worker>& workers_of(shard_id shard) {
        return c_.primary_of(shard)->journal->slots().at(shard).machine.pool().workers();
    }
    bool every_executor_is_known() {
        return std::ranges::all_of(c_.shards(), [&](shard_id shard) {
            return c_.primary_of(shard) != nullptr && workers_of(shard).size() == c_.nodes().size();
        });
    }
    void look_at_slots(shard_id shard) {
        for (const auto& [worker, w] : workers_of(shard))
            if (w.used > 0) result_.found.add("slots are used by nothing");
    }
    // No actor is left of a job that has ended.
    void look_at_actors(node_id node, sim_process& process) {
        for (const std::string& path : static_cast<actor_process&>(process).job_actors())
            result_.found.add("node " + std::to_string(node.value) + " still has " + path);
    }

    std::mt19937_64 draw_;
    sim_cluster c_;
    random_run_outcome result_;
    std::vector<std::unique_ptr<shard_clients>> clients_;
    effect_checker effects_{result_.found};
    digest_checker digests_{result_.found};
    faulty_world world_{c_};
    std::uint64_t workers_ = 0;
    std::set<attempt_ref> handed_out_;
    std::vector<std::unique_ptr<sim_executor>> executors_; // of all lives
    std::map<node_id, sim_executor*> executor_of_;         // of the present ones
};

} // namespace

random_run_outcome actor_run(std::uint64_t seed) {
    history h{seed};
    return h.run();
}

} // namespace coppice::testing
