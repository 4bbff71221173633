#include "runtime/edge/kj_inbox.hpp"

#include <utility>

namespace coppice {

void kj_inbox::post(work w) {
    const std::lock_guard guard{lock_};
    if (stage_ == stage::gone) return; // the loop is no more: whoever holds `w` may end it
    waiting_.push_back(std::move(w));
    if (std::exchange(sleeping_, false)) sleeper_->fulfill();
}

void kj_inbox::close() {
    const std::lock_guard guard{lock_};
    stage_ = stage::closed;
    if (std::exchange(sleeping_, false)) sleeper_->fulfill();
}

void kj_inbox::loop_is_gone() {
    std::vector<work> left; // ends after the lock: what it holds may post again as it goes
    const std::lock_guard guard{lock_};
    stage_ = stage::gone;
    left.swap(waiting_);
}

kj::Promise<void> kj_inbox::run() {
    std::vector<work> batch;
    {
        const std::lock_guard guard{lock_};
        if (stage_ != stage::open) return kj::READY_NOW;
        batch.swap(waiting_);
        if (batch.empty()) {
            auto paf = kj::newPromiseAndCrossThreadFulfiller<void>();
            sleeper_ = kj::mv(paf.fulfiller);
            sleeping_ = true;
            return paf.promise.then([this] { return run(); });
        }
    }
    for (work& w : batch) w();
    return kj::evalLater([this] { return run(); });
}

} // namespace coppice
