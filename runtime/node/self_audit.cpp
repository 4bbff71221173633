#include "runtime/node/self_audit.hpp"

#include <algorithm>

namespace coppice {
namespace {

constexpr milliseconds first_walk_after = std::chrono::minutes{1};
constexpr std::size_t findings_logged_max = 10;

} // namespace

self_audit::self_audit(store& data, std::size_t shards, milliseconds every, logger log)
    : data_(data), shards_(shards), log_(std::move(log)),
      walk_(
          every, first_walk_after, [this](const std::atomic<bool>& stop) { look(stop); },
          [this](std::string_view why) {
              log_.error("the store could not be walked", {{"why", why}});
          }) {}

audit_summary self_audit::newest() const {
    const std::lock_guard lock(mutex_);
    return newest_;
}

void self_audit::look(const std::atomic<bool>& stop) {
    const check_report found = check_shards(data_, shards_, &stop);
    if (stop) return;
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
