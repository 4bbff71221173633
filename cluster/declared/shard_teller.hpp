// What one shard has still to be told of what is declared. A shard keeps what it was told, so each version of a
// document is told once in a life of this node; what it could not take now is told again after a pause.
//
// Pure: it says what to propose next, and is told what came of it. Used by the cluster's control actor, one a
// shard.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "actors/governance/declared_commands.hpp"

namespace coppice {

class shard_teller {
  public:
    using time = std::chrono::steady_clock::time_point;
    // Types before tenants before schedules, by name.
    enum class sort : std::uint8_t { type, tenant, schedule };
    using document_id = std::pair<sort, std::string>;

    // What is in force now. What is no longer declared and was not yet told is not told any more.
    // `shard`: of so many; it is told of its own tenants' schedules alone.
    void want(const catalog& all, shard_id shard, std::size_t shards);

    // What to propose now, at most limits::declarations_per_proposal_max; nothing while a batch is under way, in a
    // pause, or when all was told.
    std::optional<declarations> next(time now);
    // Of the batch that `next` gave last; a result for each of its commands, in order.
    void answered(std::span<const command_result> results, time now);

    bool idle() const { return left_.empty() && !under_way_; }
    // ok: the shard has committed this version or a later one; nothing: not yet; else why it refuses it for good.
    std::optional<expected<void>> told(const document_id& id, std::uint64_t version) const;
    const std::string& last_trouble() const { return last_trouble_; } // why it pauses, or did last

  private:
    struct wanted {
        std::uint64_t version = 0;
        type_ptr type;
        tenant_ptr tenant;
        owned_schedule schedule;
    };
    struct outcome {
        std::uint64_t version = 0;
        expected<void> result;
    };
    void want(document_id id, wanted w, std::map<document_id, wanted>& left) const;

    std::map<document_id, wanted> left_;
    std::map<document_id, outcome> told_;
    std::vector<std::pair<document_id, std::uint64_t>> sent_;
    bool under_way_ = false;
    time not_before_{};
    std::string last_trouble_;
};

} // namespace coppice
