// Random histories: first safety under faults, then everything heals, and progress is demanded.
//
//     COPPICE_SIM_SEED=N test_simulation --run_test=random_faults     one run again
//     COPPICE_SIM_RUNS=N ...                                          so many, from fresh seeds
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <functional>

#include "tests/actors/jobs/machine_ops.hpp"
#include "tests/actors/jobs/machine_world.hpp"
#include "tests/simulation/sim_cluster.hpp"

namespace coppice::testing {
namespace {

constexpr std::int64_t second = 1'000'000;
constexpr std::size_t fixed_runs = 200;

std::optional<std::uint64_t> number_from(const char* name) {
    const char* given = std::getenv(name);
    if (given == nullptr) return std::nullopt;
    return std::strtoull(given, nullptr, 10);
}

// Submits to one shard, each job under one id for ever, again and again until it is acknowledged; and reads what
// was acknowledged, wherever a node says that its reads are good.
class history {
  public:
    history(sim_cluster& c, shard_id shard) : c_(c), shard_(shard) {}

    void declare() {
        if (declared_) return;
        job_type_spec build;
        build.name = "build";
        if (auto* primary = c_.primary_of(shard_))
            send(primary->id, {tenant_op{.spec = {.name = "acme", .types = {"*"}}}, type_op{.spec = build}}, false,
                 [this] { declared_ = true; });
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
        for (auto& [id, n] : c_.nodes()) {
            if (!n.journal || n.frozen || !n.journal->may_read(shard_)) continue;
            const auto tables = n.data->begin_read();
            std::size_t looked = 0;
            for (auto job = acknowledged_.rbegin(); job != acknowledged_.rend() && looked < 5; ++job, ++looked)
                BOOST_TEST(read_job(*tables, *job).has_value(),
                           "node " << id.value << " reads without " << to_string(*job));
            ++reads_;
        }
    }
    bool settled() const { return open_.empty(); }
    std::size_t acknowledged() const { return acknowledged_.size(); }
    std::size_t reads() const { return reads_; }
    void require_everywhere() {
        for (auto& [id, n] : c_.nodes()) {
            const auto tables = n.data->begin_read();
            std::size_t missing = 0;
            for (const job_id& job : acknowledged_) missing += read_job(*tables, job) ? 0 : 1;
            BOOST_TEST(missing == 0U, "node " << id.value << " misses " << missing);
        }
    }

  private:
    void try_again(const job_id& id) {
        if (!open_.contains(id)) return;
        // Also at those who only believe that they lead.
        const auto serving = c_.serving(shard_);
        if (!serving.empty()) {
            const auto at =
                static_cast<std::size_t>(c_.between({0, static_cast<std::int64_t>(serving.size()) - 1}));
            send(serving[at], {submit_op{.job = id}}, true, [this, id] {
                if (open_.erase(id) > 0) acknowledged_.push_back(id);
            });
        }
        c_.after(c_.between({200'000, 600'000}), [this, id] { try_again(id); });
    }
    void send(node_id to, const std::vector<op>& ops, bool grows, std::function<void()> done) {
        const auto answered = [done = std::move(done)](std::span<command_result> results) {
            if (results.front().code == errc::ok) done();
        };
        c_.propose(to, std::make_shared<proposal>(entry_of(ops), ops.size(), grows, answered, shard_));
    }

    sim_cluster& c_;
    shard_id shard_;
    job_id_minter ids_;
    bool declared_ = false;
    std::set<job_id> open_;
    std::vector<job_id> acknowledged_;
    std::size_t reads_ = 0;
};

bool all_in_sync(sim_cluster& c) {
    return std::ranges::all_of(c.shards(), [&](shard_id shard) {
        auto* p = c.primary_of(shard);
        return p != nullptr && p->journal->slots().at(shard).replica->config().in_sync.size() == c.nodes().size();
    });
}

// For whoever looks for the reason of a standstill.
std::string state_of(sim_cluster& c) {
    std::string text;
    const auto list = [](const std::vector<node_id>& nodes) {
        std::string numbers;
        for (const node_id node : nodes) numbers += std::to_string(node.value) + " ";
        return numbers;
    };
    for (const shard_id shard : c.shards()) {
        const shard_config& config = c.control.configs.at(shard);
        text += "\nshard " + std::to_string(shard.value) + ": epoch " + std::to_string(config.epoch) + " primary " +
                std::to_string(config.primary.value) + " in sync " + list(config.in_sync);
        for (auto& [id, n] : c.nodes()) {
            if (!n.journal) continue;
            const replica_slot& s = c.slot(id, shard);
            text += "\n  node " + std::to_string(id.value) + ": " + std::string{to_string(s.replica->role())} +
                    ", epoch " + std::to_string(s.replica->epoch()) + ", last " +
                    std::to_string(s.replica->last().index) + ", applied " + std::to_string(s.place.at.index) +
                    ", cleared " + std::to_string(s.replica->cleared()) + (s.diverged ? ", diverged" : "") +
                    (s.installing ? ", installing" : "") + (s.under_way ? ", an entry under way" : "");
            for (const auto& f : s.replica->followers())
                text += "; follower " + std::to_string(f.node.value) + " match " + std::to_string(f.match) +
                        (f.counts ? " counts" : "") + (f.in_sync ? " in sync" : "") +
                        (f.linked ? "" : " unlinked") + (f.snapshot ? " snapshot" : "") +
                        (f.probing ? " probing" : "") + " next " + std::to_string(f.next);
            if (s.replica->awaits_config()) text += ", awaits a configuration";
        }
    }
    return text;
}

// One fault at a time is drawn; several may be on at once.
void something_happens(sim_cluster& c, bool& wiped) {
    const node_id victim{static_cast<std::uint32_t>(c.between({1, static_cast<std::int64_t>(c.nodes().size())}))};
    const node_id other{victim.value % static_cast<std::uint32_t>(c.nodes().size()) + 1};
    const auto later = c.between({50'000, 3 * second});
    switch (c.between({0, 9})) {
    case 0:
    case 1:
        c.crash(victim);
        c.after(later, [&c, victim] { c.start(victim); });
        break;
    case 2:
        c.freeze(victim);
        c.after(later, [&c, victim] { c.thaw(victim); });
        break;
    case 3:
        c.cut(victim, other); // one way
        c.after(later, [&c, victim, other] { c.heal(victim, other); });
        break;
    case 4:
        c.cut(victim, other);
        c.cut(other, victim);
        c.after(later, [&c] { c.heal_all(); });
        break;
    case 5:
        c.faults.control_away = true;
        c.after(later, [&c] { c.faults.control_away = false; });
        break;
    case 6:
        c.faults.loss = 0.1, c.faults.duplicate = 0.1, c.faults.reorder = 0.1;
        c.after(later, [&c] { c.faults.loss = c.faults.duplicate = c.faults.reorder = 0; });
        break;
    case 7:
        c.faults.delay = {100, 100'000};
        c.after(later, [&c] { c.faults.delay = {50, 500}; });
        break;
    case 8:
        c.faults.control_unknown = 0.3;
        c.after(later, [&c] { c.faults.control_unknown = 0; });
        break;
    default: // one disk is lost at a time, and only of a whole set: more is more than two copies can bear
        if (std::exchange(wiped, true) || !all_in_sync(c)) break;
        c.wipe(victim);
        c.after(later, [&c, victim] { c.start(victim); });
    }
}

void run_once(std::uint64_t seed) {
    BOOST_TEST_CONTEXT("COPPICE_SIM_SEED=" << seed << " test_simulation --run_test=random_faults") {
        std::mt19937_64 draw{seed};
        const std::size_t shards = 1 + draw() % 2;
        sim_cluster c{seed, 3, shards, {}, 0.02};
        BOOST_REQUIRE(c.run_until([&] { return all_in_sync(c); }, 30 * second));
        std::vector<std::unique_ptr<history>> clients;
        for (const shard_id shard : c.shards()) clients.push_back(std::make_unique<history>(c, shard));
        for (auto& client : clients) client->declare();
        const auto declared = [&] {
            return std::ranges::all_of(clients, [](const auto& each) { return each->declared(); });
        };
        BOOST_REQUIRE(c.run_until(declared, 30 * second));
        bool wiped = false;
        for (int step = 0; step < 150; ++step) {
            for (auto& client : clients) {
                client->submit();
                client->read();
            }
            if (c.chance(0.06)) something_happens(c, wiped);
            c.run(c.between({1'000, 60'000}));
        }
        // It heals; progress is due.
        c.faults = {};
        for (auto& [id, n] : c.nodes()) {
            if (n.frozen) c.thaw(id);
            c.start(id);
        }
        c.heal_all();
        const auto settled = [&] {
            return all_in_sync(c) && std::ranges::all_of(clients, [](const auto& each) { return each->settled(); });
        };
        const bool progress = c.run_until(settled, 120 * second);
        BOOST_TEST(progress, "no progress after everything healed" << (progress ? "" : state_of(c)));
        c.run(2 * second);
        for (auto& client : clients) {
            client->require_everywhere();
            BOOST_TEST(client->acknowledged() == 150U);
            BOOST_TEST(client->reads() > 0U);
        }
        const auto& first = c.nodes().begin()->second;
        for (auto& [id, n] : c.nodes())
            BOOST_TEST(difference(*first.data->begin_read(), *n.data->begin_read()) == "");
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(random_faults)

BOOST_AUTO_TEST_CASE(nothing_acknowledged_is_lost_and_everything_heals) {
    if (const auto seed = number_from("COPPICE_SIM_SEED")) return run_once(*seed);
    if (const auto runs = number_from("COPPICE_SIM_RUNS")) {
        std::random_device fresh;
        for (std::uint64_t i = 0; i < *runs; ++i) run_once(std::uint64_t{fresh()} << 16 | (fresh() & 0xffff));
        return;
    }
    for (std::uint64_t seed = 1; seed <= fixed_runs; ++seed) run_once(seed);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
