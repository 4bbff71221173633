// The shard configurations of the cluster, followed and changed: what a node's replicas hear of the control store,
// and the one way in which they change it. A configuration's version is its key's revision, so a change is a
// compare-and-swap on the version that the replica knew.
//
// Invariants: `told` hears every change of a shard's configuration in order, none twice, and never an older one
// after a newer one of the same store; what the store holds and we cannot read is reported and changes nothing.
//
// Used by a node's assembly, a keeper a node. Threads: any; callbacks come on the control store's thread unless
// said otherwise, and must not block.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cluster/control/control_mirror.hpp"
#include "cluster/replication/replica_machine.hpp"
#include "cluster/replication/shard_config.hpp"

namespace coppice {

struct shard_config_keeper_options {
    control_store* store = nullptr;     // outlives the keeper
    std::shared_ptr<control_rows> rows; // the mirror's; null: in memory only
    // A key under "/shards/" whose value, or whose absence after it was there, is not to be used.
    std::function<void(const std::string& key, const failure& why)> refused;
    // Into how many shards this node believes the cluster to be divided; 0: it does not say. `miscounted` hears, as
    // `told` does, that the control store says otherwise: the node must not go on.
    std::uint32_t shards = 0;
    std::function<void(const failure& why)> miscounted;
};

class shard_config_keeper {
  public:
    using told_function = std::function<void(shard_id, const shard_config&)>;
    using answer_function = std::function<void(replica_machine::answer, std::optional<shard_config> there)>;

    // Begins to follow; waits for nobody. Errors: those of the store's `watch`.
    static expected<std::unique_ptr<shard_config_keeper>> start(shard_config_keeper_options options);
    // Waits for a call of `told` that is under way, so it may not come from one; nothing is told after it. The
    // store may still answer proposals.
    ~shard_config_keeper();
    shard_config_keeper(const shard_config_keeper&) = delete;
    shard_config_keeper& operator=(const shard_config_keeper&) = delete;

    // Who is told: of every configuration there is, on this thread, before it returns, and of each change from then
    // on. In place of who was told before. May not be called from `told`.
    void on_config(told_function told);
    std::optional<shard_config> config(shard_id shard) const;
    std::vector<std::pair<shard_id, shard_config>> configs() const; // by number
    control_mirror_status status() const { return mirror_->status(); }

    // Puts `next` in place of the version that it names; answered once, in the words of
    // replica_machine::config_answered. accepted: with `next` at its new version. conflict: with what is there, if
    // it can be read. refused: the store is away or full, `next` is none.
    void propose(shard_id shard, const shard_config& next, answer_function done);

    // Writes the first configuration of each of `shards` that has none: epoch 0, so nobody has led it; the
    // primaries go round `replicas`. Before that, how many shards there are, for good. Done again after an error,
    // it goes on. Errors: invalid_argument; illegal_transition: the cluster has another number of shards; those of
    // the store.
    void create(std::vector<node_id> replicas, std::vector<shard_id> shards,
                std::function<void(expected<void>)> done);

  private:
    explicit shard_config_keeper(shard_config_keeper_options options) : options_(std::move(options)) {}

    void changed(const std::vector<control_change>& changes);
    void take(const std::string& key, const std::optional<std::string>& value, std::uint64_t revision);
    void refuse(const std::string& key, failure why) const;

    const shard_config_keeper_options options_;
    std::mutex telling_; // held during every call of `told_`
    told_function told_;
    std::map<shard_id, shard_config> last_told_;
    std::unique_ptr<control_mirror> mirror_; // ends first: it calls us
};

} // namespace coppice
