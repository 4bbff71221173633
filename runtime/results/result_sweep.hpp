// Drops what is in the result store and no job's row names: results of attempts whose end was never written, and
// results and lines of jobs that were deleted while the store was away. Goes through the store in pages, every six
// hours and some minutes after the node's start; each node cares for the shards that it leads.
//
// What is younger than an hour is left: it may be on its way. Nothing is dropped from a store that is another
// system's: the first node to sweep leaves its system's name there under "owner", and others keep off.
#pragma once

#include "persistence/background_walk.hpp"
#include "persistence/tables.hpp"
#include "runtime/results/result_desk.hpp"
#include "schema/ids.hpp"

namespace coppice {

class result_sweep {
  public:
    struct settings {
        std::string owner;  // the system's name
        milliseconds every; // 0: never
        milliseconds first = std::chrono::minutes{5};
        milliseconds min_age = std::chrono::hours{1};
        std::size_t shards = 1;
        std::function<bool(shard_id)> leads; // empty: all
    };
    result_sweep(store& data, std::shared_ptr<result_desk> desk, settings chosen, logger log);

    // One pass, on the caller's thread: what it dropped. `stop`: becomes true when it is to end early; null: never.
    expected<std::size_t> sweep(const std::atomic<bool>* stop = nullptr);

  private:
    expected<void> claim(object_store& objects);
    bool is_named(const attempt_ref& ref);
    bool has_lines(const attempt_ref& ref);
    // Whether it is of a job of ours, old, and nothing names it.
    std::optional<job_id> left_over(const object_store::entry& each);
    void not_swept(std::string_view why);

    store& data_;
    const std::shared_ptr<result_desk> desk_;
    const settings settings_;
    logger log_;
    background_walk walk_; // last: it uses the others, and ends one that is under way
};

} // namespace coppice
