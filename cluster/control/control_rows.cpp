#include "cluster/control/control_rows.hpp"

#include <stdexcept>

#include "cluster/control/control_checks.hpp"
#include "persistence/keys.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

constexpr std::size_t head_size = 16;

} // namespace

void put_entry(tables& to, table t, const control_entry& entry) {
    const bytes_view value = as_bytes_view(entry.value);
    const auto room = to.reserve(t, as_bytes_view(entry.key), head_size + value.size());
    if (room.size() != head_size + value.size()) return;
    const auto head = row_key{}.u64(entry.revision).u64(entry.lease);
    std::memcpy(room.data(), head.view().data(), head_size);
    if (!value.empty()) std::memcpy(room.data() + head_size, value.data(), value.size());
}

std::optional<control_entry> entry_of(bytes_view key, bytes_view value) {
    if (value.size() < head_size) return std::nullopt;
    key_reader head{value};
    control_entry entry;
    entry.key = as_text(key);
    entry.revision = head.u64();
    entry.lease = head.u64();
    entry.value = as_text(value.subspan(head_size));
    return entry;
}

std::uint64_t meta_number(read_tables& from, std::string_view name) {
    const auto stored = from.get(table::meta, as_bytes_view(name));
    return stored ? key_reader{*stored}.u64() : 0;
}

void put_meta_number(tables& to, std::string_view name, std::uint64_t number) {
    to.put(table::meta, as_bytes_view(name), row_key{}.u64(number));
}

expected<std::vector<control_entry>> entries_of(read_tables& from, table t, std::string_view prefix) {
    std::vector<control_entry> entries;
    std::size_t size = 0;
    const bytes_view begin = as_bytes_view(prefix.empty() ? std::string_view{"\0", 1} : prefix);
    for (auto r = from.seek(t, begin); r && has_prefix(r->key, as_bytes_view(prefix)); r = from.next(t)) {
        auto entry = entry_of(r->key, r->value);
        if (!entry)
            return fail(errc::store_damaged, "the row of " + std::string{as_text(r->key)} + " is cut short");
        size += size_of(*entry);
        if (entries.size() == limits::control_list_entries_max || size > limits::control_list_size_max)
            return fail(errc::payload_too_large, "more below \"" + std::string{prefix} + "\" than a list may give");
        entries.push_back(std::move(*entry));
    }
    return entries;
}

expected<void> control_rows::write(const std::function<expected<void>(tables&)>& change) {
    const std::lock_guard guard{writing_};
    const auto transaction = rows_.begin_write();
    if (auto done = change(*transaction); !done) {
        transaction->abort();
        return done;
    }
    return transaction->commit();
}

expected<std::unique_ptr<read_transaction>> control_rows::read() {
    try {
        return rows_.begin_read();
    } catch (const std::runtime_error& none) {
        return fail(errc::unavailable, none.what());
    }
}

} // namespace coppice
