#include "actors/schedules/schedule_book.hpp"

#include <algorithm>

#include "actors/jobs/job_keys.hpp"
#include "persistence/record.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

// Bounded, so that no sum of it with a time overflows.
milliseconds ms(std::uint64_t v) {
    constexpr auto most = std::chrono::duration_cast<milliseconds>(limits::duration_max).count();
    return milliseconds{static_cast<std::int64_t>(std::min<std::uint64_t>(v, most))};
}

} // namespace

schedule_spec read_spec(rec::ScheduleRow::Reader row) {
    schedule_spec spec;
    spec.name = view(row.getName());
    spec.type = view(row.getType());
    spec.priority = row.getPriority();
    spec.timing = {std::string{view(row.getCron())}, std::string{view(row.getZone())}, ms(row.getEveryMs())};
    spec.overlap = static_cast<overlap_policy>(std::min<int>(row.getOverlap(), 3));
    spec.missed = static_cast<missed_policy>(std::min<int>(row.getMissedPolicy(), 2));
    spec.catch_up = ms(row.getCatchUpMs());
    spec.jitter = ms(row.getJitterMs());
    spec.paused = row.getPaused();
    return spec;
}

void schedule_book::load(read_tables& from, shard_id shard) {
    entries_.clear();
    by_due_.clear();
    record_reader<rec::ScheduleRow> rows;
    const row_key prefix = keys::shard(shard);
    for (auto r = from.seek(table::schedules, prefix); r && has_prefix(r->key, prefix);
         r = from.next(table::schedules)) {
        key_reader k{r->key.subspan(2)};
        put(schedule_id{k.u32()}, rows.read(r->value));
    }
}

std::optional<instant> schedule_book::due_of(const schedule_entry& e) const {
    if (e.spec.paused || !e.times || e.next_us == no_more_us) return std::nullopt;
    if (e.next_us == 0) return instant{microseconds{1}}; // its first time is to be found: at once
    return run_due(e.spec, e.id.value, from_us(e.next_us));
}

void schedule_book::put(schedule_id id, rec::ScheduleRow::Reader row) {
    schedule_entry& e = entries_[id];
    if (const auto due = due_of(e)) by_due_.erase({*due, id});
    schedule_spec spec = read_spec(row);
    if (!e.times || spec.timing != e.spec.timing) {
        const auto times = schedule_times::make(spec.timing);
        e.times = times ? std::optional{*times} : std::nullopt;
    }
    e.id = id;
    e.tenant = tenant_id{row.getTenant()};
    e.next_us = row.getNextUs();
    e.spec = std::move(spec);
    if (const auto due = due_of(e)) by_due_.emplace(*due, id);
}

std::optional<instant> schedule_book::next_due() const {
    return by_due_.empty() ? std::nullopt : std::optional{by_due_.begin()->first};
}

std::vector<const schedule_entry*> schedule_book::due(instant now, std::size_t most) const {
    std::vector<const schedule_entry*> found;
    for (auto at = by_due_.begin(); at != by_due_.end() && at->first <= now && found.size() < most; ++at)
        found.push_back(&entries_.at(at->second));
    return found;
}

} // namespace coppice
