// A whole cluster in one thread on virtual time: real journals, machines and apply on memory stores, over a network
// and a control store that are as hostile as the scenario says. Everything random comes from one seed, so that a
// run can be repeated from it.
#pragma once

#include <boost/test/unit_test.hpp>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <set>

#include "tests/simulation/sim_disk.hpp"
#include "tests/simulation/sim_process.hpp"

namespace coppice::testing {

using microsecond_range = std::pair<std::int64_t, std::int64_t>;

// What may go wrong; the scenario turns it.
struct sim_faults {
    double loss = 0;      // of a message
    double duplicate = 0; // of a message
    double reorder = 0;   // of a message: it takes a way of its own
    microsecond_range delay{50, 500};
    microsecond_range control_delay{500, 5000};
    double control_unknown = 0; // of a compare-and-swap: its outcome is not told
    bool control_away = false;  // nothing gets through to it, or back
    double control_doubt = 0.5; // of what is asked in vain: whether it was taken is not known
    double kill_at_commit = 0;  // of a commit of a node's: its process ends before or after it
};

// What a link does that nothing comes through.
enum class sim_links {
    lossy,    // it stays, and forgets; the replication machines bear more than the network does
    reliable, // as TCP with heartbeats: what was sent comes when it is whole again, or the link ends for both
};

// One linearizable value a shard, with compare-and-swap and a watch: etcd as the cluster sees it.
struct sim_control {
    std::map<shard_id, shard_config> configs;
    std::vector<std::pair<shard_id, shard_config>> history;
};

class sim_cluster {
  public:
    struct node {
        node_id id;
        std::unique_ptr<sim_disk> data, log;
        std::unique_ptr<sim_process> process;  // null: it is down
        replicated_journal* journal = nullptr; // the process's, to look at; null: it is down
        std::map<shard_id, shard_config> copy; // of the control store, on its disk
        std::uint64_t life = 0;                // of the process
        double clock_rate = 1;                 // of its steady clock
        std::int64_t clock_offset_us = 0;
        bool frozen = false;
        std::vector<std::function<void()>> held; // what comes while it is frozen
        instant wake_at = never;
    };

    // `drift`: how far each node's clock may run fast or slow, as a part of one.
    sim_cluster(std::uint64_t seed, std::size_t nodes, std::size_t shards, replica_timing timing = {},
                double drift = 0);
    // Starts all processes. Hooks are set before.
    void start_all();
    // Set before: what a node's process is, of what it is given; and what its links are.
    std::function<std::unique_ptr<sim_process>(replicated_journal_options)> make_process;
    sim_links links = sim_links::lossy;

    // Runs until nothing is left to do before `for_us` have passed.
    void run(std::int64_t for_us);
    // Runs until it holds; false: it did not within `most_us`.
    bool run_until(const std::function<bool()>& holds, std::int64_t most_us);
    instant now() const { return now_; }
    std::mt19937_64& random() { return random_; }
    std::int64_t between(microsecond_range range);
    bool chance(double probability);
    void after(std::int64_t us, std::function<void()> what);

    // ---- orders of the scenario
    void start(node_id id);
    void crash(node_id id); // kill -9: what was not committed is gone
    void wipe(node_id id);  // and its disks with it
    void freeze(node_id id);
    void thaw(node_id id);
    // Nothing gets from one to the other, that way.
    void cut(node_id from, node_id to);
    void heal(node_id from, node_id to);
    void heal_all();
    // The node and the control store do not hear each other; whoever is told nothing goes on by what it knew.
    void cut_control(node_id node) { control_cut_.insert(node); }
    // The control store is there again, for one or all, and says what its watchers have missed.
    void heal_control(node_id node);
    void control_back();
    sim_faults faults;
    sim_control control;

    // ---- looks
    node& at(node_id id) { return nodes_.at(id); }
    std::map<node_id, node>& nodes() { return nodes_; }
    const std::vector<shard_id>& shards() const { return shards_; }
    // Who serves the shard, as the nodes themselves say; at most one at a time may be able to read.
    std::vector<node_id> serving(shard_id shard);
    node* primary_of(shard_id shard);
    replica_slot const& slot(node_id id, shard_id shard) { return at(id).journal->slots().at(shard); }
    // Proposes at that node; false: it is down.
    bool propose(node_id to, const proposal_ptr& p);
    // Does it in that life of the node's process, as soon as that is not frozen; not at all when it ended
    // meanwhile.
    void in_node(node_id id, std::uint64_t life, std::function<void(sim_process&)> what);

    // A commit killed the process of this node.
    std::function<void(node_id)> on_killed;
    // For whoever watches a run, or plants a bug: the options of a process that starts; and for the latter alone:
    // what goes over the wire, may be changed; and a configuration's change, which is told as accepted before it is
    // proposed when this says so.
    std::function<void(replicated_journal_options&)> on_start;
    std::function<void(node_id from, node_id to, bytes&)> on_wire;
    std::function<bool(const shard_config& from, const shard_config& to)> told_too_early;
    bool doubt_is_denied = false; // what may have happened is told as if it had not
    std::size_t disk_forgets = 0; // sim_disk.hpp; of the logs

  private:
    struct event {
        instant at;
        std::uint64_t number;
        std::function<void()> what;
        bool operator>(const event& o) const { return std::tie(at, number) > std::tie(o.at, o.number); }
    };
    void run_one();
    void wake(node_id id);
    void make_disks(node& n);
    instant steady_of(const node& n) const;
    bool transmit(node_id from, node_id to, sim_process::channel on, bytes frame);
    void deliver(node_id from, node_id to, sim_process::channel on, const std::shared_ptr<const bytes>& frame,
                 instant arrival);
    void break_when_silent(node_id a, node_id b);
    void flush_held(node_id from, node_id to);
    void propose_config(node_id from, shard_id shard, const shard_config& config);
    void tell_watchers(shard_id shard);
    void tell_watcher(node_id node, shard_id shard);
    bool hears_control(node_id node) const { return !faults.control_away && !control_cut_.contains(node); }
    void connect(node_id a, node_id b);
    void disconnect(node_id a, node_id b);
    void tell_of_link(node_id to, node_id of, std::function<void(sim_process&)> what);
    bool reachable(node_id a, node_id b) const;

    replica_timing timing_;
    std::mt19937_64 random_;
    instant now_{std::chrono::seconds{1'800'000'000}};
    std::uint64_t events_ = 0;
    std::priority_queue<event, std::vector<event>, std::greater<>> queue_;
    std::map<node_id, node> nodes_;
    std::vector<shard_id> shards_;
    std::set<std::pair<node_id, node_id>> cut_;
    std::set<node_id> control_cut_;
    std::map<std::pair<node_id, node_id>, instant> last_arrival_; // order of a link
    std::map<std::pair<node_id, node_id>, std::uint64_t> link_;   // its incarnation; absent: down
    struct held_frame {
        sim_process::channel on{};
        std::shared_ptr<const bytes> body;
    };
    std::map<std::pair<node_id, node_id>, std::vector<held_frame>> held_; // of reliable links that are cut
    std::uint64_t links_ = 0;
};

} // namespace coppice::testing
