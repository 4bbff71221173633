// The executors that are attached to this node, and how the shards share their slots: what comes from an executor
// goes to the router of every shard, with the slots that the shard was granted. One thread: the router's.
#pragma once

#include "cluster/routing/shard_router.hpp"
#include "cluster/routing/slot_exchange.hpp"

namespace coppice {

class executor_desk {
  public:
    executor_desk(std::vector<std::shared_ptr<shard_router>> shards, std::function<instant()> steady)
        : shards_(std::move(shards)), steady_(std::move(steady)) {}

    void came(const executor_up& m);
    void offered(const worker_attached& m);
    void draining(worker_id worker);
    void detached(worker_id worker);
    void went(const executor_down& m);
    // The shard's primary, here or elsewhere, says what it makes of its slots.
    void answered(shard_id shard, const seen_slots& seen);
    // Now and then: says again what was not answered, and evens out what nobody wants.
    void look_again();

  private:
    struct entry {
        slot_exchange slots;
        bool is_busy = false; // it brings attempts along
    };
    void carry_out(worker_id worker, const std::vector<slot_exchange::grant>& grants);

    std::vector<std::shared_ptr<shard_router>> shards_;
    std::function<instant()> steady_;
    std::map<worker_id, entry> executors_;
};

} // namespace coppice
