// Results that are too large for the tables: their bytes go to an object store under the attempt that gave them,
// the job's row says that they are there, how many, and their SHA-256.
//
// The bytes come first: they are stored before the attempt's end is proposed, so a row never names what is not
// there. What nothing names (the node stopped in between, the report was refused, the job was deleted) is dropped
// at once where it is known, and otherwise by the sweep (result_sweep.hpp).
//
// A store that fails holds nothing up that fits into the tables: `put` says so, and the caller keeps the bytes.
//
// Threads: any. Callbacks come on the store's thread, or at once on the caller's.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "actors/jobs/attempt.hpp"
#include "runtime/observability/log.hpp"
#include "runtime/results/object_store.hpp"

namespace coppice {

struct result_totals {
    std::atomic<std::uint64_t> stored{0}; // results
    std::atomic<std::uint64_t> stored_bytes{0};
    std::atomic<std::uint64_t> fetched{0};
    std::atomic<std::uint64_t> dropped{0};
    std::atomic<std::uint64_t> failures{0}; // of the store, of any kind
};

class result_desk {
  public:
    static constexpr std::size_t under_way_max = 64 * 1024 * 1024; // bytes, to and from the store
    struct settings {
        std::size_t above = limits::result_inline_max; // bytes; smaller ones stay in the tables
        std::function<bool()> allowed;                 // whether all nodes know of it by now; empty: yes
    };
    using stored = std::function<void(expected<stored_result>)>;
    using got = std::function<void(expected<std::string>)>;

    result_desk(std::unique_ptr<object_store> store, settings chosen, logger log)
        : settings_(std::move(chosen)), log_(std::move(log)), place_(store->place()), store_(std::move(store)) {}
    ~result_desk() { stop(); }
    result_desk(const result_desk&) = delete;
    result_desk& operator=(const result_desk&) = delete;

    // Whether a result of this size belongs here.
    bool takes(std::size_t size) const {
        return size > settings_.above && (!settings_.allowed || settings_.allowed());
    }
    // Errors: overloaded, with more than `under_way_max` on its way; unavailable.
    void put(const attempt_ref& ref, std::shared_ptr<const std::string> bytes, stored then);
    // Errors: as put; store_damaged, when they are not there or not those that were stored.
    void get(const attempt_ref& ref, const stored_result& what, got then);
    void drop(std::span<const attempt_ref> refs);
    // Bytes under other names, such as lines of logs. Errors: as put; and of get those of object_store.
    void put_named(std::string name, std::string bytes, object_store::done then);
    void get_named(std::string name, std::size_t size_max, object_store::got then);
    void drop_named(const std::vector<std::string>& names);
    // Waits until nothing is on its way, at most so long.
    void settle(milliseconds patience);
    // Drops what is on its way, without callbacks; every call from here on is `unavailable`. Not from a callback.
    void stop();

    std::shared_ptr<object_store> objects() const; // null after stop
    const result_totals& totals() const { return totals_; }

  private:
    // Null: too much is on its way, or nothing goes any more; `no` says which.
    std::shared_ptr<object_store> begin(std::size_t bytes, failure& no);
    void end(std::size_t bytes);
    template <class Judge>
    void fetch(std::string name, std::size_t size_max, Judge judge, object_store::got then);
    failure failed(failure why);
    void works_again();

    const settings settings_;
    logger log_;
    result_totals totals_;
    mutable std::mutex mutex_; // guards what follows
    std::condition_variable idle_;
    std::size_t under_way_ = 0; // bytes
    std::size_t calls_ = 0;
    bool in_trouble_ = false;
    const std::string place_;
    std::shared_ptr<object_store> store_; // last: its thread uses the rest
};

} // namespace coppice
