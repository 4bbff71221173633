#include "cluster/control/control_checks.hpp"

#include <algorithm>

#include "schema/limits.hpp"

namespace coppice {
namespace {

bool printable(std::string_view text) {
    return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

tl::unexpected<failure> over(const char* what, std::size_t size, std::size_t most) {
    return fail(errc::payload_too_large,
                std::string{what} + ": " + std::to_string(size) + ", at most " + std::to_string(most));
}

} // namespace

expected<void> check_control_prefix(std::string_view prefix) {
    if (prefix.size() > limits::control_key_size_max)
        return over("bytes in a control key", prefix.size(), limits::control_key_size_max);
    if (!printable(prefix)) return fail(errc::invalid_argument, "a control key is printable ASCII without spaces");
    return {};
}

expected<void> check_control_key(std::string_view key) {
    if (key.empty()) return fail(errc::invalid_argument, "a control key is not empty");
    return check_control_prefix(key);
}

expected<void> check_control_txn(const control_txn& txn) {
    const std::size_t operations = txn.puts.size() + txn.erases.size();
    if (operations == 0) return fail(errc::invalid_argument, "a control transaction changes something");
    if (operations > limits::control_txn_operations_max)
        return over("puts and erases in a control transaction", operations, limits::control_txn_operations_max);
    if (txn.compares.size() > limits::control_txn_compares_max)
        return over("compares in a control transaction", txn.compares.size(), limits::control_txn_compares_max);
    std::vector<std::string_view> written;
    for (const auto& c : txn.compares)
        if (auto ok = check_control_key(c.key); !ok) return ok;
    for (const auto& p : txn.puts) {
        if (auto ok = check_control_key(p.key); !ok) return ok;
        if (p.value.size() > limits::control_value_size_max)
            return over("bytes in a control value", p.value.size(), limits::control_value_size_max);
        written.push_back(p.key);
    }
    for (const auto& e : txn.erases) {
        if (auto ok = check_control_key(e); !ok) return ok;
        written.push_back(e);
    }
    std::ranges::sort(written);
    if (const auto twice = std::ranges::adjacent_find(written); twice != written.end())
        return fail(errc::invalid_argument,
                    "a control transaction writes the key " + std::string{*twice} + " twice");
    if (const std::size_t size = size_of(txn); size > limits::control_txn_size_max)
        return over("bytes in a control transaction", size, limits::control_txn_size_max);
    return {};
}

expected<void> check_control_ttl(std::chrono::seconds ttl) {
    if (ttl < limits::control_lease_ttl_min || ttl > limits::control_lease_ttl_max)
        return fail(errc::invalid_argument, "a lease lives from 1 to 3600 seconds");
    return {};
}

std::size_t size_of(const control_txn& txn) {
    std::size_t size = 0;
    for (const auto& c : txn.compares) size += c.key.size();
    for (const auto& p : txn.puts) size += p.key.size() + p.value.size();
    for (const auto& e : txn.erases) size += e.size();
    return size;
}

bool control_budget::take(std::size_t size) {
    const bool calls_fit = calls_.fetch_add(1) < limits::control_calls_max;
    const bool size_fits = size_.fetch_add(size) + size <= limits::control_calls_size_max;
    if (calls_fit && size_fits) return true;
    give(size);
    return false;
}

void control_budget::give(std::size_t size) {
    calls_.fetch_sub(1);
    size_.fetch_sub(size);
}

failure control_overloaded() {
    return {errc::overloaded, "too many calls to the control store are not yet answered", 100};
}

failure control_stopped() { return {errc::unavailable, "the control store has stopped"}; }

} // namespace coppice
