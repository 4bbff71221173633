// A control store on the other side of a bad line: the next commits are lost on their way there, or their answers
// on the way back. Everything else is the real store's.
#pragma once

#include <atomic>

#include "cluster/control/control_store.hpp"

namespace coppice::testing {

class lossy_store final : public control_store {
  public:
    enum class loses { nothing, request, answer };
    explicit lossy_store(std::unique_ptr<control_store> inner) : inner_(std::move(inner)) {}

    void lose_next(loses what) { next_ = what; }

    void get(std::string key, control_answer<std::optional<control_entry>> done) override {
        inner_->get(std::move(key), std::move(done));
    }
    void list(std::string prefix, control_answer<control_listing> done) override {
        inner_->list(std::move(prefix), std::move(done));
    }
    void commit(control_txn txn, control_commit_answer done) override {
        const auto unknown = [done](const auto&) {
            done(tl::unexpected(control_refusal{{errc::unknown_outcome, "the line broke"}, {}}));
        };
        switch (next_.exchange(loses::nothing)) {
        case loses::nothing:
            return inner_->commit(std::move(txn), std::move(done));
        case loses::answer:
            return inner_->commit(std::move(txn), unknown);
        case loses::request:
            return inner_->get("any", unknown); // answered on the store's thread, as a commit is
        }
    }
    expected<control_watch> watch(std::string prefix, std::optional<control_position> from,
                                  std::shared_ptr<control_watcher> watcher) override {
        return inner_->watch(std::move(prefix), from, std::move(watcher));
    }
    void unwatch(control_watch watch) override { inner_->unwatch(watch); }
    void grant_lease(std::chrono::seconds ttl, std::function<void(const failure&)> lost,
                     control_answer<control_lease> done) override {
        inner_->grant_lease(ttl, std::move(lost), std::move(done));
    }
    void revoke_lease(control_lease lease, control_answer<void> done) override {
        inner_->revoke_lease(lease, std::move(done));
    }
    void stop() override { inner_->stop(); }

  private:
    const std::unique_ptr<control_store> inner_;
    std::atomic<loses> next_ = loses::nothing;
};

} // namespace coppice::testing
