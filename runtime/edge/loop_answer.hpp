// The answer to a promise of the event loop, given by another thread.
//
// A KJ fulfiller may be touched and destroyed on its loop's thread only. This holds one wherever it goes: the value
// travels through the inbox, and so does the fulfiller itself when nobody ever answered; the promise is then
// broken.
#pragma once

#include <kj/async.h>
#include <memory>

#include "runtime/edge/kj_inbox.hpp"

namespace coppice {

template <class T>
class loop_answer : public std::enable_shared_from_this<loop_answer<T>> {
  public:
    loop_answer(std::shared_ptr<kj_inbox> inbox, kj::Own<kj::PromiseFulfiller<T>> fulfiller)
        : inbox_(std::move(inbox)), fulfiller_(kj::mv(fulfiller)) {}
    loop_answer(const loop_answer&) = delete;
    loop_answer& operator=(const loop_answer&) = delete;
    ~loop_answer() {
        if (fulfiller_.get() == nullptr) return;
        inbox_->post([held = std::make_shared<kj::Own<kj::PromiseFulfiller<T>>>(kj::mv(fulfiller_))] {});
    }

    // Any thread, once.
    void give(T value) {
        inbox_->post([self = this->shared_from_this(), value = std::move(value)]() mutable {
            auto fulfiller = kj::mv(self->fulfiller_); // ends here, on the loop, whoever lets go of this last
            fulfiller->fulfill(kj::mv(value));
        });
    }

  private:
    std::shared_ptr<kj_inbox> inbox_;
    kj::Own<kj::PromiseFulfiller<T>> fulfiller_;
};

// The promise, and who answers it.
template <class T>
std::pair<kj::Promise<T>, std::shared_ptr<loop_answer<T>>>
make_loop_answer(const std::shared_ptr<kj_inbox>& inbox) {
    auto paf = kj::newPromiseAndFulfiller<T>();
    return {kj::mv(paf.promise), std::make_shared<loop_answer<T>>(inbox, kj::mv(paf.fulfiller))};
}

} // namespace coppice
