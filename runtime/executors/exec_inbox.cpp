#include "runtime/executors/exec_inbox.hpp"

#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "runtime/executors/exec_launch.hpp"

namespace coppice::executors {

using namespace std::chrono_literals;

namespace {

// Keeps `now + grace` far from overflow; nothing waits that long.
milliseconds sane(milliseconds grace) { return std::clamp(grace, milliseconds{0}, milliseconds{24h}); }

} // namespace

exec_inbox::exec_inbox(std::size_t attempts_max)
    : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      attempts_max_(std::min(attempts_max, limits::exec_attempts_max)) {}

expected<void> exec_inbox::start(exec_job job) {
    if (auto checked = check_job(job); !checked) return checked;
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(errc::unavailable, "the exec runner stops");
    if (!warden_available_) return fail(errc::unavailable, "the warden of exec jobs keeps dying", 10'000);
    if (under_way_.contains(job.work.ref)) return fail(errc::already_exists, "this attempt is under way");
    if (under_way_.size() >= attempts_max_)
        return fail(errc::overloaded, std::to_string(attempts_max_) + " exec attempts are under way", 1000);
    under_way_.insert(job.work.ref);
    content_.starts.push_back(std::move(job));
    if (content_.starts.size() == 1) wake();
    return {};
}

void exec_inbox::cancel(const attempt_ref& ref, milliseconds grace) {
    const std::lock_guard lock(mutex_);
    if (!under_way_.contains(ref)) return;
    grace = sane(grace);
    const auto [found, added] = content_.cancels.emplace(ref, grace);
    if (!added) found->second = std::min(found->second, grace);
    wake();
}

void exec_inbox::stop(milliseconds grace) {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    grace = sane(grace);
    content_.stop = std::min(grace, content_.stop.value_or(grace));
    wake();
}

std::size_t exec_inbox::under_way() const {
    const std::lock_guard lock(mutex_);
    return under_way_.size();
}

exec_inbox::content exec_inbox::take() {
    std::uint64_t count = 0;
    [[maybe_unused]] const auto size = ::read(wake_.get(), &count, sizeof count);
    const std::lock_guard lock(mutex_);
    return std::exchange(content_, {});
}

void exec_inbox::ended(const std::vector<attempt_ref>& refs) {
    const std::lock_guard lock(mutex_);
    for (const auto& ref : refs) under_way_.erase(ref);
}

void exec_inbox::set_warden(int pid, bool available) {
    const std::lock_guard lock(mutex_);
    warden_pid_ = pid;
    warden_available_ = available;
}

int exec_inbox::warden_pid() const {
    const std::lock_guard lock(mutex_);
    return warden_pid_;
}

void exec_inbox::wake() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto size = ::write(wake_.get(), &one, sizeof one);
}

} // namespace coppice::executors
