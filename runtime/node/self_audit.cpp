#include "runtime/node/self_audit.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace coppice {
namespace {

constexpr milliseconds first_walk_after = std::chrono::minutes{1};
constexpr int low_priority = 10;
constexpr std::size_t findings_logged_max = 10;

} // namespace

self_audit::self_audit(store& data, std::size_t shards, milliseconds every, logger log)
    : data_(data), shards_(shards), log_(std::move(log)) {
    if (every.count() > 0) thread_ = std::thread([this, every] { run(every); });
}

self_audit::~self_audit() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    if (thread_.joinable()) thread_.join();
}

audit_summary self_audit::newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
}

void self_audit::run(milliseconds every) {
    ::setpriority(PRIO_PROCESS, 0, low_priority); // on Linux: of this thread
    std::unique_lock lock(mutex_);
    for (milliseconds wait = std::min(every, first_walk_after);; wait = every) {
        if (wake_.wait_for(lock, wait, [this] { return stop_.load(); })) return;
        lock.unlock();
        walk();
        lock.lock();
    }
}

void self_audit::walk() {
    check_report found;
    try {
        found = check_shards(data_, shards_, &stop_);
    } catch (const std::exception& e) { // the store cannot be read now: its disk failed
        return log_.error("the store could not be walked", {{"why", e.what()}});
    }
    if (stop_) return;
    for (std::size_t i = 0; i < std::min(found.findings.size(), findings_logged_max); ++i)
        log_.error("the store does not fit together", {{"what", found.findings[i]}});
    if (found.findings.empty())
        log_.info("the store was walked, and all fits", {{"rows", found.rows}});
    else
        log_.error("the store was walked; `coppice doctor` tells more",
                   {{"rows", found.rows}, {"findings", found.findings.size()}});
    const std::lock_guard lock(mutex_);
    newest_ = {wall_clock_now(), found.rows, found.findings.size(), newest_.walks + 1};
}

} // namespace coppice
