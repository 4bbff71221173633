// How the shards share the slots of one executor. Each shard's primary starts attempts by itself, on the slots that
// it was granted; together they must never use more than there are, and a slot should not lie idle with one shard
// while another's work waits.
//
// Intuition: a purse. What a shard is granted is counted as spent until its primary says that it uses less: a grant
// is made smaller first, and what came free is granted elsewhere only when the primary has answered.
//
// Slots go where work waits for one: shards that want slots share evenly what the others do not use; a large
// executor leaves one slot with each shard, so that the first of its jobs need not wait for the exchange. When
// nobody wants any for a while, they are spread evenly again. Work that needs several slots at once may need more
// than an even share, which all the shards' waiting work together could keep from it for ever: so one such shard at
// a time is in front and is granted what it needs before the others share the rest, until it has started such a
// job; then all share evenly for limits::slots_even, and the next one comes to the front. Attempts are never taken
// away: a shard gives slots up as its work ends.
//
// Invariant: the sum of what shards may use, `held`, is never above the total, unless the total was made smaller.
//
// Pure; not thread-safe. One an executor, owned by the executor_desk of its node.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "schema/ids.hpp"
#include "schema/time.hpp"

namespace coppice {

class slot_exchange {
  public:
    // A grant that a shard's primary is to be told of. Of two, the one with the higher number holds.
    struct grant {
        std::size_t shard = 0; // its place among the shards
        std::uint32_t slots = 0;
        std::uint64_t number = 0;
    };

    // `turn`: of shards that get the same, the one with this number, modulo, gets what is left over: another for
    // each executor.
    slot_exchange(std::size_t shards, std::uint64_t turn) : lanes_(shards), turn_(turn) {}

    // So many slots are there now; at first they are spread evenly. `is_busy`: some of them hold attempts already,
    // nobody knows yet of which shards, so none is granted before all primaries have said what they use.
    std::vector<grant> offer(std::uint32_t slots, bool is_busy = false);
    // A primary's answer: it knows grant `number`, uses at most `may_use` slots, has work that waits for so many
    // more at once (0: for none), and has started so many jobs of several slots.
    struct answer {
        std::uint64_t number = 0;
        std::uint32_t may_use = 0;
        std::uint32_t needs = 0;
        std::uint32_t large_starts = 0;
    };
    std::vector<grant> answered(std::size_t shard, const answer& a, instant now);
    // Nobody wanted any for limits::slots_rest: spreads them evenly. Call it now and then, also for the time
    // between two that are in front.
    std::vector<grant> rest(instant now);
    // What its primary was told last, or would have been.
    grant newest(std::size_t shard) const { return {shard, lanes_[shard].granted, lanes_[shard].number}; }
    // Grants whose answer is still out.
    std::vector<grant> unanswered() const;

    std::uint32_t total() const { return total_; }
    std::uint32_t held(std::size_t shard) const { return lanes_[shard].held; }

  private:
    struct lane {
        std::uint32_t granted = 0;
        std::uint32_t held = 0; // at most so many may be in use
        std::uint64_t number = 0, answered = 0;
        std::uint32_t needs = 0; // 0: wants none
        std::uint32_t large_starts = 0;
        bool wants() const { return needs > 0; }
    };
    std::uint32_t share(std::uint32_t slots, std::size_t of, std::size_t place) const;
    std::size_t wanting() const;
    bool needs_more_than_its_share(const lane& l) const;
    void choose_front(instant now);
    std::vector<std::uint32_t> wished() const;
    std::vector<std::uint32_t> even() const;
    std::vector<grant> move_to(const std::vector<std::uint32_t>& wished);

    std::vector<lane> lanes_;
    std::uint64_t turn_;
    std::uint32_t total_ = 0;
    instant wanted_at_{}; // when somebody wanted some last
    std::optional<std::size_t> front_;
    std::size_t last_front_ = 0;
    std::uint32_t front_starts_ = 0; // its `large_starts` when it came to the front
    instant even_until_{};
};

} // namespace coppice
