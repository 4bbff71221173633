// The walk behind check_store: one step for each group of tables. See store_check.hpp.
#pragma once

#include <kj/exception.h>
#include <map>
#include <optional>
#include <set>

#include "actors/jobs/job_keys.hpp"
#include "actors/jobs/job_state.hpp"
#include "actors/jobs/store_check.hpp"
#include "persistence/record.hpp"

namespace coppice {

// Tables of which a repair has to be told the key of what was found: it does not follow from the job.
inline bool is_told_by_key(table t) {
    return t == table::queue || t == table::timers || t == table::dependents || t == table::idempotency ||
           t == table::unique || t == table::batches || t == table::running || t == table::payloads ||
           t == table::results || t == table::checkpoints;
}

struct store_checker {
    store_checker(read_tables& tables, shard_id of, std::size_t most, const std::atomic<bool>* stop_when = nullptr)
        : from(tables), shard(of), findings_max(most), stop(stop_when) {}

    void declarations();
    void timers();
    void jobs();
    void indexes();
    void bytes_apart();
    void idempotency();
    void likeness();
    void graphs();
    void batches();
    void schedules();
    void logs();
    void counters();
    void feeds();

    // Looks at one row of a table that `is_told_by_key` by itself; of one whose key follows from the job, at the
    // key.
    void look_at(table t, const row& r);
    // The first of a job, those that it waits for, that wait for it and that its graph has, whose row can't be
    // read.
    std::optional<job_id> first_unreadable(const job_id& id);
    // A tenant's jobs, as far as their rows can be read.
    std::map<type_id, std::array<std::uint64_t, job_state_count>> count_jobs(tenant_id tenant);
    bool unreadable = false; // something that was looked at could not be read

    check_report report;

  private:
    static constexpr std::size_t key_size_min = 6; // shard and tenant, or more: what every walk may pass over
    // Stands for the rows that name no job of this shard, so that a repair can be told of them.
    job_id no_job() const { return job_id::make(0, shard, tenant_id{}, 0); }
    using tally = std::array<std::uint64_t, job_state_count>;

    static std::string number(std::uint64_t n) { return std::to_string(n); }
    bool full() const {
        return report.findings.size() >= findings_max || (stop != nullptr && stop->load(std::memory_order_relaxed));
    }
    void find(const std::string& what) {
        if (!full()) report.findings.push_back(what);
    }
    void find(const job_id& id, const std::string& what);
    void find_unreadable(table t, const std::string& why);

    // Every row of the shard in `t`, until there are enough findings; an unreadable one is a finding.
    template <class Each>
    void each_row(table t, Each&& each) {
        const row_key prefix = keys::shard(shard);
        for (auto r = from.seek(t, prefix); r && has_prefix(r->key, prefix) && !full(); r = from.next(t)) {
            ++report.rows;
            at = suspect{t, r->key};
            about = is_told_by_key(t) ? std::optional{no_job()} : std::nullopt;
            guarded(t, [&] {
                if (r->key.size() >= key_size_min) return each(*r);
                find_unreadable(t, "its key is too short");
            });
        }
        at.reset();
    }
    template <class Read>
    void guarded(table t, Read&& read) {
        try {
            read();
        } catch (const kj::Exception& e) {
            find_unreadable(t, e.getDescription().cStr());
        } catch (const std::runtime_error& e) { // what record_reader::read throws
            find_unreadable(t, e.what());
        }
    }
    bool can_be_read(const job_id& id);
    // A row of a table with a job's key that does not lie under it.
    static bool is_misplaced(const row& r, const job_id& id);
    // The job's row, valid until the next call.
    std::optional<rec::JobRow::Reader> job(const job_id& id);

    void check_job(const job_id& id, rec::JobRow::Reader row);
    void check_place(const job_id& id, rec::JobRow::Reader row);
    void check_attempts(const job_id& id, rec::JobRow::Reader row);
    void check_family(const job_id& id, rec::JobRow::Reader row);
    void check_end(const job_id& id, rec::JobRow::Reader row);
    void check_bytes(const job_id& id, rec::JobRow::Reader row);
    // Whether a job that runs may be counted under this key.
    bool key_fits(std::uint64_t key, rec::JobRow::Reader row) const;
    void timer_row(const row& r);
    void check_timer(instant due, keys::timer_kind kind, const job_id& id);
    void queue_row(const row& r);
    void running_rows();
    void dependents_row(const row& r);
    void idempotency_row(const row& r);
    void unique_row(const row& r);
    void batch_row(const row& r);
    void evidence_rows();
    void compare_feeds();
    bool has_timer(std::int64_t due_us, keys::timer_kind kind, const job_id& id);
    // The newest row of an evidence or event feed before `sequence`; nullopt: none.
    struct feed_row {
        std::uint64_t sequence = 0;
        job_id job;
        job_state state{};
        std::int64_t at_us = 0;
        std::uint16_t code = 0;
    };
    std::optional<feed_row> evidence_of_job_before(std::uint64_t sequence);
    std::optional<feed_row> event_before(std::uint64_t sequence);

    struct suspect {
        table of{};
        bytes_view key;
    };

    read_tables& from;
    shard_id shard;
    std::size_t findings_max;
    const std::atomic<bool>* stop; // null: never
    std::optional<suspect> at;     // the row that is looked at
    std::optional<job_id> about;   // whose it is, as far as a repair is concerned
    std::map<std::pair<tenant_id, type_id>, tally> counted;
    std::set<tenant_id> tenants;
    std::set<type_id> types;
    std::map<type_id, std::uint64_t> key_since;   // of types with concurrency by key: rec::TypeRow::keySince
    std::map<job_id, std::uint32_t> open_members; // of graphs with a callback: jobs that have not ended
    std::set<job_id> telling;                     // parents whose children are told by a timer
    std::set<job_id> erasing;                     // erased jobs whose logs go by a timer
    record_reader<rec::JobRow> job_reader;
    record_reader<rec::JobRow> other_job_reader;
    record_reader<rec::EvidenceRow> evidence_reader;
    record_reader<rec::EventRow> event_reader;
};

} // namespace coppice
