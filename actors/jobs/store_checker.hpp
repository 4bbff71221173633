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

struct store_checker {
    store_checker(read_tables& tables, shard_id of, std::size_t most)
        : from(tables), shard(of), findings_max(most) {}

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

    check_report report;

  private:
    using tally = std::array<std::uint64_t, job_state_count>;

    static std::string number(std::uint64_t n) { return std::to_string(n); }
    bool full() const { return report.findings.size() >= findings_max; }
    void find(const std::string& what) {
        if (!full()) report.findings.push_back(what);
    }
    void find(const job_id& id, const std::string& what) { find("job " + to_string(id) + ": " + what); }

    // Every row of the shard in `t`, until there are enough findings; an unreadable one is a finding.
    template <class Each>
    void each_row(table t, Each&& each) {
        const row_key prefix = keys::shard(shard);
        for (auto r = from.seek(t, prefix); r && has_prefix(r->key, prefix) && !full(); r = from.next(t)) {
            ++report.rows;
            guarded(t, [&] { each(*r); });
        }
    }
    template <class Read>
    void guarded(table t, Read&& read) {
        try {
            read();
        } catch (const kj::Exception& e) {
            find("table " + std::string{to_string(t)} + ": a row that can't be read: " + e.getDescription().cStr());
        } catch (const std::runtime_error& e) { // what record_reader::read throws
            find("table " + std::string{to_string(t)} + ": a row that can't be read: " + e.what());
        }
    }
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
    void check_timer(instant due, keys::timer_kind kind, const job_id& id);
    void queue_rows();
    void running_rows();
    void dependents_rows();
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

    read_tables& from;
    shard_id shard;
    std::size_t findings_max;
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
