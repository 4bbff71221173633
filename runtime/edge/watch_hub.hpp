// Who waits for what: callers that watch a job, and callers that follow the event feed. The journal tells it of
// every commit; it wakes those concerned, on the edge's loop. It holds no data: who is woken reads the tables.
//
// `committed` runs on the journal's thread and costs next to nothing while nobody watches.
#pragma once

#include <atomic>
#include <kj/async.h>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "actors/jobs/batch_output.hpp"
#include "runtime/edge/kj_inbox.hpp"

namespace coppice {

class watch_hub {
  public:
    watch_hub(std::shared_ptr<kj_inbox> inbox, std::size_t shards) : inbox_(std::move(inbox)), newest_(shards) {}

    // On the loop's thread. The promise is fulfilled by the next change of the job; dropping it forgets the watch.
    kj::Promise<void> changed(const job_id& id);
    // A place in the feed: the sequence of the newest event of each shard, by number.
    using place = std::vector<std::uint64_t>;
    // Fulfilled as soon as an event of `shards` beyond `after` is committed, or sooner; at once when there is one.
    kj::Promise<void> event_after(const place& after, const std::vector<shard_id>& shards);
    place newest() const;

    // On the journal's thread.
    void committed(shard_id shard, const batch_output& batch);
    // What a shard's feed held when the node started.
    void start_at(shard_id shard, std::uint64_t newest_event) {
        newest_[shard.value].store(newest_event, std::memory_order_release);
    }

  private:
    using fulfillers = std::vector<kj::Own<kj::PromiseFulfiller<void>>>;
    void wake(const std::vector<job_id>& ids);
    void wake_followers();
    void forget_gone(const job_id& id);

    std::shared_ptr<kj_inbox> inbox_;
    std::vector<std::atomic<std::uint64_t>> newest_; // events, by shard; as many as when it was made
    std::atomic<std::size_t> watchers_{0};
    std::atomic<bool> followers_waiting_{false};
    std::mutex lock_; // of watched_
    std::unordered_set<job_id> watched_;
    // The loop's own.
    std::unordered_map<job_id, fulfillers> waiting_;
    fulfillers followers_;
};

} // namespace coppice
