#include "cluster/control/migrate_control.hpp"

#include <algorithm>
#include <memory>

#include "cluster/control/control_checks.hpp"
#include "cluster/control/control_wait.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

using commit_result = tl::expected<std::uint64_t, control_refusal>;

expected<control_listing> list_all(control_store& s) {
    return wait_for_answer<expected<control_listing>>([&](auto done) { s.list("", done); });
}

expected<std::optional<control_entry>> read(control_store& s, std::string_view key) {
    return wait_for_answer<expected<std::optional<control_entry>>>(
        [&](auto done) { s.get(std::string{key}, done); });
}

// One migration. The marker's value: the source's history, a space, the last key that was copied.
class migration {
  public:
    migration(control_store& from, control_store& into) : from_(from), into_(into) {}

    expected<control_migration> run();

  private:
    expected<void> read_source();
    expected<void> take_target();
    expected<void> copy();
    expected<void> finish();
    // Commits `puts` with the marker set to `value` (absent: erased), if the marker is still as we left it.
    expected<void> step(std::vector<control_put> puts, std::optional<std::string> value);
    std::string marker_value(const std::string& last) const {
        return std::to_string(source_.at.history) + " " + last;
    }

    control_store& from_;
    control_store& into_;
    control_listing source_;
    std::string last_;         // key that was copied
    std::uint64_t marker_ = 0; // its revision; 0: there is none
    control_migration result_;
};

expected<void> migration::read_source() {
    auto all = list_all(from_);
    if (!all) return tl::unexpected(all.error());
    source_ = std::move(*all);
    std::erase_if(source_.entries, [](const control_entry& e) { return e.lease != 0; });
    return {};
}

expected<void> migration::take_target() {
    const auto marker = read(into_, control_migration_key);
    if (!marker) return tl::unexpected(marker.error());
    if (*marker) {
        const std::string ours = marker_value("");
        if (!(*marker)->value.starts_with(ours))
            return fail(errc::already_exists, "another node's migration into this control store has begun");
        last_ = (*marker)->value.substr(ours.size());
        marker_ = (*marker)->revision;
        return {};
    }
    const auto there = list_all(into_);
    if (!there) return tl::unexpected(there.error());
    if (!there->entries.empty())
        return fail(errc::already_exists, "the control store to migrate into holds " +
                                              std::to_string(there->entries.size()) + " keys, as " +
                                              there->entries.front().key);
    return step({}, marker_value(""));
}

expected<void> migration::step(std::vector<control_put> puts, std::optional<std::string> value) {
    control_txn txn;
    txn.compares.push_back({std::string{control_migration_key}, marker_});
    txn.puts = std::move(puts);
    if (value)
        txn.puts.push_back({std::string{control_migration_key}, *value});
    else
        txn.erases.emplace_back(control_migration_key);
    const auto done = wait_for_answer<commit_result>([&](auto answer) { into_.commit(std::move(txn), answer); });
    if (done) {
        marker_ = *done;
        return {};
    }
    const failure& why = done.error().why;
    if (why.code == errc::conflict) return fail(errc::conflict, "somebody else writes to the control store");
    // Whether an unknown outcome was ours, the marker says.
    if (why.code != errc::unknown_outcome) return tl::unexpected(why);
    const auto marker = read(into_, control_migration_key);
    if (!marker) return tl::unexpected(marker.error());
    const bool happened = value ? *marker && (*marker)->value == *value : !*marker;
    if (!happened) return tl::unexpected(why);
    marker_ = *marker ? (*marker)->revision : 0;
    return {};
}

expected<void> migration::copy() {
    std::vector<control_put> puts;
    std::size_t size = 0;
    const auto flush = [&]() -> expected<void> {
        if (puts.empty()) return {};
        const std::string last = puts.back().key;
        result_.copied += puts.size();
        size = 0;
        return step(std::exchange(puts, {}), marker_value(last));
    };
    constexpr std::size_t marker_room = 2 * limits::control_key_size_max + 64; // compared, written, its value
    for (const control_entry& e : source_.entries) {
        if (e.key <= last_) {
            ++result_.present;
            continue;
        }
        const bool full = puts.size() + 1 == limits::control_txn_operations_max ||
                          size + size_of(e) + marker_room > limits::control_txn_size_max;
        if (full)
            if (auto done = flush(); !done) return done;
        size += size_of(e);
        puts.push_back({e.key, e.value});
    }
    return flush();
}

// The copy is compared before the marker goes: what changed in the source meanwhile must not be lost in silence.
expected<void> migration::finish() {
    auto there = list_all(into_);
    if (!there) return tl::unexpected(there.error());
    std::erase_if(there->entries, [](const control_entry& e) { return e.key == control_migration_key; });
    if (auto again = read_source(); !again) return again;
    const auto same = [](const control_entry& a, const control_entry& b) {
        return a.key == b.key && a.value == b.value;
    };
    if (!std::ranges::equal(there->entries, source_.entries, same))
        return fail(errc::conflict, "the copy is not what the node has declared: one of both was changed "
                                    "meanwhile; empty the target and migrate again");
    return step({}, std::nullopt);
}

expected<control_migration> migration::run() {
    if (auto done = read_source(); !done) return tl::unexpected(done.error());
    const bool clash =
        std::ranges::any_of(source_.entries, [](const control_entry& e) { return e.key == control_migration_key; });
    if (clash) return fail(errc::invalid_argument, "the source is itself in the middle of a migration");
    if (auto done = take_target(); !done) return tl::unexpected(done.error());
    if (auto done = copy(); !done) return tl::unexpected(done.error());
    if (auto done = finish(); !done) return tl::unexpected(done.error());
    return result_;
}

} // namespace

expected<control_migration> migrate_control(control_store& from, control_store& into) {
    return migration{from, into}.run();
}

} // namespace coppice
