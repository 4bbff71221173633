#include "cluster/replication/shard_log.hpp"

#include <utility>

#include "cluster/replication/replica_wire.hpp"
#include "persistence/keys.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

row_key rows_of(shard_id shard) { return row_key{}.u16(shard.value); }
row_key row_of(shard_id shard, std::uint64_t index) { return rows_of(shard).u64(index); }

std::uint64_t index_of(bytes_view key) {
    key_reader k{key};
    k.u16();
    return k.u64();
}

} // namespace

tables& shard_log::writing() {
    if (!transaction_) transaction_ = store_.begin_write();
    return *transaction_;
}

log_positions shard_log::load(shard_id shard, log_position applied) {
    if (cleared_.contains(shard)) return log_positions{applied}; // what is stored yet is as good as gone
    const auto from = store_.begin_read();
    const row_key prefix = rows_of(shard);
    std::optional<log_positions> found;
    for (auto r = from->seek(table::shard_log, prefix); r && has_prefix(r->key, prefix);
         r = from->next(table::shard_log)) {
        const auto entry = log_entry_from_wire(r->value);
        if (!entry || entry->at.index != index_of(r->key)) { // damaged: nothing up to here can be trusted
            found.reset();
            continue;
        }
        if (found && entry->at.index == found->last().index + 1 && entry->at.epoch >= found->last().epoch)
            found->append(entry->at.epoch);
        else if (entry->at.index == applied.index + 1) {
            found.emplace(applied);
            found->append(entry->at.epoch);
        } else
            found.emplace(entry->at);
    }
    const bool reaches = found && found->last().index >= applied.index && found->base().index <= applied.index;
    if (!reaches || !found->holds(applied)) return log_positions{applied};
    return *found;
}

void shard_log::truncate_after(shard_id shard, std::uint64_t index) {
    tables& t = writing();
    for (;;) {
        const auto last = t.seek_before(table::shard_log, keys::end_of_shard(shard));
        if (!last || !has_prefix(last->key, rows_of(shard)) || index_of(last->key) <= index) return;
        t.erase(table::shard_log, row_of(shard, index_of(last->key)));
    }
}

void shard_log::append(shard_id shard, const log_entry& entry) {
    writing().put(table::shard_log, row_of(shard, entry.at.index), *entry.body);
}

void shard_log::trim_before(shard_id shard, std::uint64_t index) {
    tables& t = writing();
    for (std::size_t i = 0; i < limits::replica_log_trim_max; ++i) {
        const auto first = t.seek(table::shard_log, rows_of(shard));
        if (!first || !has_prefix(first->key, rows_of(shard)) || index_of(first->key) >= index) return;
        t.erase(table::shard_log, row_of(shard, index_of(first->key)));
    }
}

void shard_log::clear(shard_id shard) {
    truncate_after(shard, 0);
    cleared_.insert(shard);
}

expected<void> shard_log::flush() {
    cleared_.clear(); // they are gone, or the change is and they are there
    if (!transaction_) return {};
    const auto transaction = std::exchange(transaction_, nullptr);
    return transaction->commit();
}

std::vector<log_entry> shard_log::read(shard_id shard, std::uint64_t from, std::size_t entries_max,
                                       std::size_t bytes_max) {
    std::vector<log_entry> found;
    std::size_t total = 0;
    const auto snapshot = transaction_ ? nullptr : store_.begin_read();
    read_tables& t = transaction_ ? static_cast<read_tables&>(*transaction_) : *snapshot;
    for (auto r = t.seek(table::shard_log, row_of(shard, from)); r && has_prefix(r->key, rows_of(shard));
         r = t.next(table::shard_log)) {
        total += r->value.size();
        if (index_of(r->key) != from + found.size() || found.size() >= entries_max) break;
        if (!found.empty() && total > bytes_max) break;
        auto entry = log_entry_from_wire(r->value);
        if (!entry) break;
        found.push_back(std::move(*entry));
    }
    return found;
}

} // namespace coppice
