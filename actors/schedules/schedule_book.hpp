// What a shard knows of its schedules while it decides: their declarations, and when each is due next. A cache of
// the table `schedules`, kept up by whoever writes it. Not thread-safe.
#pragma once

#include <set>
#include <unordered_map>
#include <vector>

#include "actors/schedules/run_plan.hpp"
#include "persistence/tables.hpp"
#include "schema/ids.hpp"
#include "schema/records.capnp.h"

namespace coppice {

struct schedule_entry {
    schedule_id id{};
    tenant_id tenant{};
    std::int64_t next_us = 0;            // rec::ScheduleRow::nextUs
    schedule_spec spec;                  // without the payload, which the row has
    std::optional<schedule_times> times; // nothing: this node does not know its time zone
};

class schedule_book {
  public:
    // nextUs of a schedule that has no times any more.
    static constexpr std::int64_t no_more_us = -1;

    void load(read_tables& from, shard_id shard);
    void put(schedule_id id, rec::ScheduleRow::Reader row);

    // When a run comes next, or a schedule's first time is to be found.
    std::optional<instant> next_due() const;
    // At most so many that are due, the longest first. Valid until the next put.
    std::vector<const schedule_entry*> due(instant now, std::size_t most) const;
    std::size_t size() const { return entries_.size(); }

  private:
    std::optional<instant> due_of(const schedule_entry& e) const;

    std::unordered_map<schedule_id, schedule_entry> entries_;
    std::set<std::pair<instant, schedule_id>> by_due_;
};

// The declaration that a row holds.
schedule_spec read_spec(rec::ScheduleRow::Reader row);

} // namespace coppice
