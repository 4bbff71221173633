// What both backends of the control store refuse before they begin, and how much they take on at a time. Pure but
// for the budget, which any thread may use.
#pragma once

#include <atomic>
#include <memory>
#include <string_view>

#include "cluster/control/control_store.hpp"

namespace coppice {

expected<void> check_control_key(std::string_view key);
expected<void> check_control_prefix(std::string_view prefix); // may be empty
expected<void> check_control_txn(const control_txn& txn);
expected<void> check_control_ttl(std::chrono::seconds ttl);

// Keys and values, in bytes.
std::size_t size_of(const control_txn& txn);
inline std::size_t size_of(const control_entry& e) { return e.key.size() + e.value.size(); }

// Calls that were taken and not yet answered: at most limits::control_calls_max of control_calls_size_max bytes.
class control_budget {
  public:
    bool take(std::size_t size);
    void give(std::size_t size);

  private:
    std::atomic<std::size_t> calls_ = 0;
    std::atomic<std::size_t> size_ = 0;
};

failure control_overloaded();
failure control_stopped();

// `done`, giving back to the budget first.
template <class Answer>
Answer returning(std::shared_ptr<control_budget> budget, std::size_t size, Answer done) {
    return [budget = std::move(budget), size, done = std::move(done)](auto result) {
        budget->give(size);
        done(std::move(result));
    };
}

} // namespace coppice
