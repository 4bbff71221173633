#include "cluster/declared/migrate_declared.hpp"

#include <algorithm>
#include <map>

#include "cluster/control/control_wait.hpp"
#include "cluster/control/local_control_store.hpp"
#include "cluster/declared/declared_record.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

using documents = std::map<std::string, std::string>; // key -> value

// As if the cluster had been told all of it: the documents, the last number of each kind, one change.
expected<documents> documents_of(store& from) {
    documents all;
    std::map<std::string, std::uint32_t> numbers;
    for (const declared_row& row : declared_rows(*from.begin_read(), "")) {
        const std::string key = declared_key(row.kind, row.name);
        std::string value = encode(row);
        if (const auto readable = decode_declared(key, value); !readable)
            return fail(readable.error().code, key + ": " + readable.error().detail);
        all[key] = std::move(value);
        numbers[row.kind] = std::max(numbers[row.kind], row.number);
    }
    for (const auto& [kind, number] : numbers) all[number_counter_key(kind)] = std::to_string(number);
    if (all.empty()) return fail(errc::not_found, "nothing is declared there");
    all[std::string{declared_generation_key}] = "1";
    return all;
}

// Has `beside` hold just `wanted`. What is so already stays as it is, for a migration that goes on compares it.
expected<void> write_beside(control_store& beside, const documents& wanted) {
    const auto there = wait_for_answer<expected<control_listing>>([&](auto done) { beside.list("", done); });
    if (!there) return tl::unexpected(there.error());
    documents present;
    for (const control_entry& e : there->entries) present[e.key] = e.value;
    std::vector<control_txn> steps(1);
    const auto step = [&]() -> control_txn& {
        control_txn& last = steps.back();
        const bool full = last.puts.size() + last.erases.size() == limits::control_txn_operations_max;
        return full ? steps.emplace_back() : last;
    };
    for (const auto& [key, value] : wanted)
        if (const auto found = present.find(key); found == present.end() || found->second != value)
            step().puts.push_back({key, value, 0});
    for (const auto& [key, value] : present)
        if (!wanted.contains(key)) step().erases.push_back(key);
    for (control_txn& each : steps) {
        if (each.puts.empty() && each.erases.empty()) continue;
        const auto done = wait_for_answer<tl::expected<std::uint64_t, control_refusal>>(
            [&](auto answer) { beside.commit(std::move(each), answer); });
        if (!done) return tl::unexpected(done.error().why);
    }
    return {};
}

} // namespace

expected<control_migration> migrate_declared(store& from, control_store& into) {
    const auto wanted = documents_of(from);
    if (!wanted) return tl::unexpected(wanted.error());
    const auto beside = make_local_control_store(std::make_shared<control_rows>(from));
    if (!beside) return tl::unexpected(beside.error());
    if (auto done = write_beside(**beside, *wanted); !done) return tl::unexpected(done.error());
    return migrate_control(**beside, into);
}

} // namespace coppice
