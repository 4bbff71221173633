// What other threads tell the runner's thread: bounded by the attempts under way, taken whole at each turn of the
// loop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <unordered_set>
#include <vector>

#include "runtime/executors/exec_job.hpp"
#include "runtime/executors/unique_fd.hpp"
#include "schema/errc.hpp"

namespace coppice::executors {

class exec_inbox {
  public:
    struct content {
        std::vector<exec_job> starts;
        std::map<attempt_ref, milliseconds> cancels; // the grace
        std::optional<milliseconds> stop;
    };

    explicit exec_inbox(std::size_t attempts_max);

    // Any thread. See exec_runner.
    expected<void> start(exec_job job);
    void cancel(const attempt_ref& ref, milliseconds grace);
    void stop(milliseconds grace);
    std::size_t under_way() const;

    // The runner's thread.
    int wake_fd() const { return wake_.get(); }
    content take();
    // These attempts are over: their slots are free.
    void ended(const std::vector<attempt_ref>& refs);
    void set_warden(int pid, bool available);
    int warden_pid() const;

  private:
    void wake() const;

    mutable std::mutex mutex_;
    unique_fd wake_;
    std::size_t attempts_max_;
    content content_;
    std::unordered_set<attempt_ref> under_way_;
    bool stopping_ = false;
    bool warden_available_ = true;
    int warden_pid_ = -1;
};

} // namespace coppice::executors
