// A snapshot on its way: the primary reads all rows of a shard from one read transaction and sends them slice by
// slice; the learner writes each and asks for the next. One slice is under way at a time, so the primary's own work
// is held up by no more than reading one.
#include <algorithm>
#include <array>

#include "cluster/replication/replica_wire.hpp"
#include "cluster/replication/replicated_journal.hpp"

namespace coppice {
namespace {

constexpr std::size_t erased_at_once = 10'000;

// Every table whose keys begin with the shard.
constexpr std::array shard_tables{table::tenants,  table::types,      table::counters,    table::jobs,
                                  table::payloads, table::results,    table::queue,       table::running,
                                  table::timers,   table::dependents, table::idempotency, table::logs,
                                  table::evidence, table::events,     table::checkpoints, table::unique,
                                  table::graphs,   table::schedules,  table::batches};

bytes copy_of(bytes_view view) { return {view.begin(), view.end()}; }

} // namespace

void replicated_journal::begin_snapshot(replica_slot& s, node_id to) {
    snapshot_out out;
    out.rows = options_.data->begin_read();
    out.place = read_place(*out.rows, s.id);
    auto& kept = s.snapshots[to] = std::move(out);
    send_slice(s, to, kept);
}

// Reads the next slice, or sends the same again.
void replicated_journal::send_slice(replica_slot& s, node_id to, snapshot_out& out) {
    slice_message& m = out.under_way;
    if (m.number != out.number || m.at.index == 0) {
        m = {out.place.at,    out.number,      {}, false, out.place.digest, to_us(out.place.time),
             out.place.chain, out.place.layout};
        std::size_t total = 0;
        const row_key prefix = keys::shard(s.id);
        while (out.table_at < shard_tables.size() && total < limits::snapshot_slice_bytes &&
               m.rows.size() < limits::snapshot_rows_per_slice_max) {
            const table t = shard_tables[out.table_at];
            if (out.key_at.empty()) out.key_at = copy_of(prefix);
            const auto row = out.rows->seek(t, out.key_at);
            if (!row || !has_prefix(row->key, prefix)) {
                ++out.table_at;
                out.key_at.clear();
                continue;
            }
            total += row->key.size() + row->value.size();
            m.rows.push_back({static_cast<std::uint8_t>(t), copy_of(row->key), copy_of(row->value)});
            out.key_at = m.rows.back().key;
            out.key_at.push_back(std::byte{0}); // the least key after it
        }
        m.last = out.table_at >= shard_tables.size();
    }
    out.sent_at = now();
    send(to, {s.id, s.replica->epoch(), m});
}

void replicated_journal::on_slice_ack(replica_slot& s, node_id from, const slice_ack_message& m) {
    const auto found = s.snapshots.find(from);
    if (found == s.snapshots.end() || m.at != found->second.place.at) return;
    snapshot_out& out = found->second;
    if (m.done && out.under_way.last) {
        const std::uint64_t index = out.place.at.index;
        s.snapshots.erase(found);
        ++s.snapshots_sent;
        return s.replica->snapshot_sent(from, index);
    }
    if (m.number != out.number + 1 || out.under_way.last) return;
    ++out.number;
    send_slice(s, from, out);
}

void replicated_journal::tick_snapshots(replica_slot& s) {
    for (auto at = s.snapshots.begin(); at != s.snapshots.end();) {
        auto& [to, out] = *at;
        const auto silent = now() - out.sent_at;
        if (!linked_.contains(to)) {
            s.replica->snapshot_failed(to);
            at = s.snapshots.erase(at);
            continue;
        }
        if (silent > 5 * options_.timing.resend) send_slice(s, to, out);
        ++at;
    }
}

// ---- the learner
// -------------------------------------------------------------------------------------------------------

void replicated_journal::on_slice(replica_slot& s, node_id from, const slice_message& m) {
    if (s.replica->leads() || m.at.index == 0) return;
    // To take it is to begin with nothing. Whoever is in the set is not sent one, or does not know yet that it
    // left.
    if (s.config && s.config->is_in_sync(options_.self)) return;
    if (m.at.index <= s.place.at.index) { // it has that already
        send(from, {s.id, s.replica->epoch(), slice_ack_message{m.at, m.number + 1, true}});
        return;
    }
    const bool again = s.slices_of == m.at && m.number + 1 == s.slices_taken;
    if (again) {
        send(from, {s.id, s.replica->epoch(), slice_ack_message{m.at, s.slices_taken, false}});
        return;
    }
    const bool next = m.number == 0 || (s.slices_of == m.at && m.number == s.slices_taken);
    if (next) s.slice = {from, m};
}

bool replicated_journal::take_slice(replica_slot& s) {
    if (s.erase_wanted) {
        s.slice.reset(); // the primary sends it again
        return now() >= s.erase_after && begin_with_nothing(s);
    }
    if (!s.slice) return false;
    const auto [from, m] = *std::exchange(s.slice, std::nullopt);
    if (m.number == 0) {
        if (!begin_with_nothing(s)) return false;
        s.installing = true;
        s.slices_of = m.at;
    }
    const auto transaction = options_.data->begin_write();
    for (const snapshot_row& row : m.rows) {
        const auto t = static_cast<table>(row.table);
        const bool ours =
            std::ranges::find(shard_tables, t) != shard_tables.end() && has_prefix(row.key, keys::shard(s.id));
        if (ours) transaction->put(t, row.key, row.value);
    }
    const replica_place place{m.at, m.digest, from_us(m.time_us), !m.last, true, m.chain, m.layout};
    write_place(*transaction, s.id, place);
    if (const auto done = transaction->commit(); !done) {
        fault(s, "a snapshot cannot be written: " + to_string(done.error()));
        return true; // the primary sends it again
    }
    s.slices_taken = m.number + 1;
    if (m.last) {
        s.installing = false;
        ++s.snapshots_installed;
        s.place = own_chain(place);
        s.digests.clear();
        reload(s);
        s.replica->installed(m.at, now());
    }
    send(from, {s.id, s.replica->epoch(), slice_ack_message{m.at, s.slices_taken, m.last}});
    return true;
}

// As if it had never held the shard. False: its rows are there still, and nothing may be built upon them.
bool replicated_journal::begin_with_nothing(replica_slot& s) {
    const auto erased = erase_rows(s.id);
    log_.clear(s.id);
    log_changes_.push_back({&s, 0});
    s.installing = s.erase_wanted = false;
    if (!erased) await_erasure(s, erased.error());
    s.slices_taken = 0;
    s.slices_of = {};
    s.place = own_chain({});
    s.digests.clear();
    s.apply_due = never;
    reload(s);
    s.replica->installed({}, now());
    return erased.has_value();
}

// Until then it is as one that a snapshot was begun for: what comes is not taken.
void replicated_journal::await_erasure(replica_slot& s, const failure& why) {
    fault(s, "its rows cannot be erased: " + to_string(why));
    s.installing = s.erase_wanted = true;
    s.erase_after = now() + options_.timing.lease;
}

// All rows of the shard, in bounded transactions; the first of them says that what is left is no state of the
// shard.
expected<void> replicated_journal::erase_rows(shard_id shard) {
    const row_key prefix = keys::shard(shard);
    for (bool more = true; more;) {
        more = false;
        const auto transaction = options_.data->begin_write();
        write_place(*transaction, shard, {.installing = true, .found = true});
        std::size_t erased = 0;
        for (const table t : shard_tables)
            while (!more) {
                const auto row = transaction->seek(t, prefix);
                if (!row || !has_prefix(row->key, prefix)) break;
                const bytes key = copy_of(row->key);
                transaction->erase(t, key);
                more = ++erased >= erased_at_once;
            }
        if (auto done = transaction->commit(); !done) return done;
    }
    return {};
}

} // namespace coppice
