// A control store on the other side of a bad line: the next commits are lost on their way there, or their answers
// on the way back, and what its watches say comes late. Everything else is the real store's.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "cluster/control/control_store.hpp"

namespace coppice::testing {

// Passes on what it hears, in order, but not while it is held up.
class late_watcher final : public control_watcher {
  public:
    explicit late_watcher(std::shared_ptr<control_watcher> to) : to_(std::move(to)) {}
    void hold_up(bool held) {
        const std::lock_guard guard{mutex_};
        held_ = held;
        if (held_) return;
        for (const auto& each : waiting_) each();
        waiting_.clear();
    }

    void reset(control_listing all) override {
        pass([to = to_, all] { to->reset(all); });
    }
    void changed(std::vector<control_change> changes, control_position at) override {
        pass([to = to_, changes, at] { to->changed(changes, at); });
    }
    void connected(control_position at) override {
        pass([to = to_, at] { to->connected(at); });
    }
    void disconnected(const failure& why) override {
        pass([to = to_, why] { to->disconnected(why); });
    }

  private:
    void pass(std::function<void()> what) {
        const std::lock_guard guard{mutex_};
        if (held_) return waiting_.push_back(std::move(what));
        what();
    }

    const std::shared_ptr<control_watcher> to_;
    std::mutex mutex_;
    bool held_ = false;
    std::vector<std::function<void()>> waiting_;
};

class lossy_store final : public control_store {
  public:
    enum class loses { nothing, request, answer };
    explicit lossy_store(std::unique_ptr<control_store> inner) : inner_(std::move(inner)) {}

    void lose_next(loses what) { next_ = what; }
    void hold_watches_up(bool held) {
        for (const auto& each : watchers_) each->hold_up(held);
    }

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
        watchers_.push_back(std::make_shared<late_watcher>(std::move(watcher)));
        return inner_->watch(std::move(prefix), from, watchers_.back());
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
    std::vector<std::shared_ptr<late_watcher>> watchers_;
    std::atomic<loses> next_ = loses::nothing;
};

} // namespace coppice::testing
