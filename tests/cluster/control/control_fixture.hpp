// What the tests of the control store share: blocking calls, a watcher that notes what it hears, and the backends.
#pragma once

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <variant>

#include "cluster/control/control_store.hpp"

namespace coppice::testing {

inline constexpr auto patience = std::chrono::seconds{30}; // for what must happen; a test fails after it

// Waits for an answer; that none comes is a failed test, not a hang.
template <class Result, class Start>
Result answer_of(Start&& start) {
    auto promise = std::make_shared<std::promise<Result>>();
    auto answered = promise->get_future();
    start([promise](Result result) { promise->set_value(std::move(result)); });
    if (answered.wait_for(patience) != std::future_status::ready) BOOST_FAIL("a call was not answered");
    return answered.get();
}

using commit_result = tl::expected<std::uint64_t, control_refusal>;

inline expected<std::optional<control_entry>> get(control_store& s, const std::string& key) {
    return answer_of<expected<std::optional<control_entry>>>([&](auto done) { s.get(key, done); });
}
inline expected<control_listing> list(control_store& s, const std::string& prefix) {
    return answer_of<expected<control_listing>>([&](auto done) { s.list(prefix, done); });
}
inline commit_result commit(control_store& s, control_txn txn) {
    return answer_of<commit_result>([&](auto done) { s.commit(std::move(txn), done); });
}
inline commit_result put(control_store& s, const std::string& key, const std::string& value,
                         control_lease lease = 0) {
    return commit(s, {{}, {{key, value, lease}}, {}});
}
inline commit_result erase(control_store& s, const std::string& key) { return commit(s, {{}, {}, {key}}); }
inline expected<control_lease> grant(
    control_store& s, std::chrono::seconds ttl, std::function<void(const failure&)> lost = [](const failure&) {}) {
    return answer_of<expected<control_lease>>([&](auto done) { s.grant_lease(ttl, lost, done); });
}
inline expected<void> revoke(control_store& s, control_lease lease) {
    return answer_of<expected<void>>([&](auto done) { s.revoke_lease(lease, done); });
}

// The value, or a failed test that says why there is none.
template <class T>
T must(expected<T> result) {
    if (!result) BOOST_FAIL(to_string(result.error()));
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}
inline std::uint64_t must(commit_result result) {
    if (!result) BOOST_FAIL(to_string(result.error().why));
    return *result;
}

// Waits until `holds`, which it asks again and again.
template <class Condition>
void wait_until(Condition&& holds, const char* what) {
    const auto end = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) BOOST_FAIL("never happened: " << what);
        std::this_thread::sleep_for(std::chrono::milliseconds{2});
    }
}

// Holds a copy of what it was told and every change, and checks the order.
class noting_watcher : public control_watcher {
  public:
    void reset(control_listing all) override {
        const std::lock_guard guard{mutex_};
        ++resets_;
        copy_.clear();
        for (const auto& e : all.entries) copy_[e.key] = e.value;
        at_ = all.at;
    }
    void changed(std::vector<control_change> changes, control_position at) override {
        const std::lock_guard guard{mutex_};
        for (const auto& c : changes) {
            if (c.revision <= at_.revision) in_order_ = false; // `at_` is of the call before
            if (c.value)
                copy_[c.key] = *c.value;
            else
                copy_.erase(c.key);
            heard_.push_back(c);
        }
        at_ = at;
    }
    void connected(control_position) override { connected_ = true, ++signs_; }
    void disconnected(const failure& why) override {
        const std::lock_guard guard{mutex_};
        connected_ = false;
        why_ = to_string(why);
    }

    std::map<std::string, std::string> copy() const { return locked(copy_); }
    std::vector<control_change> heard() const { return locked(heard_); }
    control_position at() const { return locked(at_); }
    std::string why() const { return locked(why_); }
    int resets() const { return locked(resets_); }
    bool in_order() const { return locked(in_order_); }
    bool is_connected() const { return connected_; }
    int signs() const { return signs_; }

  private:
    template <class T>
    T locked(const T& value) const {
        const std::lock_guard guard{mutex_};
        return value;
    }
    mutable std::mutex mutex_;
    std::map<std::string, std::string> copy_;
    std::vector<control_change> heard_;
    control_position at_;
    std::string why_;
    int resets_ = 0;
    bool in_order_ = true;
    std::atomic<bool> connected_ = false;
    std::atomic<int> signs_ = 0;
};

} // namespace coppice::testing
