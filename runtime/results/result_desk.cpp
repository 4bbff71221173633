#include "runtime/results/result_desk.hpp"

#include "actors/governance/sha256.hpp"
#include "runtime/results/result_name.hpp"

namespace coppice {

std::shared_ptr<object_store> result_desk::objects() const {
    const std::lock_guard guard{mutex_};
    return store_;
}

void result_desk::stop() {
    std::shared_ptr<object_store> last; // ends outside of the lock, which its callbacks take
    const std::lock_guard guard{mutex_};
    last = std::move(store_);
}

std::shared_ptr<object_store> result_desk::begin(std::size_t bytes, failure& no) {
    const std::lock_guard guard{mutex_};
    if (!store_) {
        no = {errc::unavailable, "the node stops", 0};
        return nullptr;
    }
    if (calls_ > 0 && under_way_ + bytes > under_way_max) {
        no = {errc::overloaded, "too many results are on their way to or from the result store", 200};
        return nullptr;
    }
    under_way_ += bytes;
    ++calls_;
    return store_;
}

void result_desk::end(std::size_t bytes) {
    const std::lock_guard guard{mutex_};
    under_way_ -= bytes;
    if (--calls_ == 0) idle_.notify_all();
}

void result_desk::settle(milliseconds patience) {
    std::unique_lock lock{mutex_};
    idle_.wait_for(lock, patience, [this] { return calls_ == 0; });
}

failure result_desk::failed(failure why) {
    totals_.failures.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard guard{mutex_};
    if (!std::exchange(in_trouble_, true))
        log_.error("the result store fails", {{"where", place_}, {"why", why.detail}});
    return why;
}

void result_desk::works_again() {
    const std::lock_guard guard{mutex_};
    if (std::exchange(in_trouble_, false)) log_.info("the result store works again", {});
}

void result_desk::put(const attempt_ref& ref, std::shared_ptr<const std::string> bytes, stored then) {
    put_named(result_name(ref), *bytes, [this, bytes, then = std::move(then)](expected<void> done) {
        if (!done) return then(tl::unexpected(std::move(done.error())));
        totals_.stored.fetch_add(1, std::memory_order_relaxed);
        totals_.stored_bytes.fetch_add(bytes->size(), std::memory_order_relaxed);
        // The digest is made here, on the store's thread, which has time for it.
        then(stored_result{bytes->size(), sha256(*bytes)});
    });
}

// `judge`: what the store's answer comes to; a call that never got there is answered without it.
template <class Judge>
void result_desk::fetch(std::string name, std::size_t size_max, Judge judge, object_store::got then) {
    failure no;
    const auto objects = begin(size_max, no);
    if (!objects) return then(tl::unexpected(std::move(no)));
    objects->get(std::move(name), size_max,
                 [this, size_max, judge, then = std::move(then)](expected<std::string> bytes) {
                     then(judge(std::move(bytes)));
                     end(size_max); // last: whoever settles waits for what `then` does, too
                 });
}

void result_desk::get(const attempt_ref& ref, const stored_result& what, got then) {
    const auto judge = [this, ref, what](expected<std::string> bytes) -> expected<std::string> {
        const std::string name = "the result of job " + to_string(ref.job);
        if (!bytes && bytes.error().code == errc::not_found)
            return tl::unexpected(failed({errc::store_damaged, name + " is not in the result store any more", 0}));
        if (!bytes && bytes.error().code != errc::result_too_large) return tl::unexpected(failed(bytes.error()));
        if (!bytes || bytes->size() != what.size || sha256(*bytes) != what.digest)
            return tl::unexpected(
                failed({errc::store_damaged, name + " in the result store is not the one that was stored", 0}));
        totals_.fetched.fetch_add(1, std::memory_order_relaxed);
        return bytes;
    };
    fetch(result_name(ref), what.size, judge, std::move(then));
}

void result_desk::put_named(std::string name, std::string bytes, object_store::done then) {
    const std::size_t size = bytes.size();
    failure no;
    const auto objects = begin(size, no);
    if (!objects) return then(tl::unexpected(std::move(no)));
    objects->put(std::move(name), std::move(bytes), [this, size, then = std::move(then)](expected<void> done) {
        if (done)
            works_again();
        else
            failed(done.error());
        then(std::move(done));
        end(size); // last: whoever settles waits for what `then` does, too
    });
}

void result_desk::get_named(std::string name, std::size_t size_max, object_store::got then) {
    const auto judge = [this](expected<std::string> bytes) {
        if (!bytes) failed(bytes.error());
        return bytes;
    };
    fetch(std::move(name), size_max, judge, std::move(then));
}

void result_desk::drop(std::span<const attempt_ref> refs) {
    std::vector<std::string> names;
    for (const attempt_ref& ref : refs) names.push_back(result_name(ref));
    drop_named(names);
}

void result_desk::drop_named(const std::vector<std::string>& names) {
    const auto to = objects();
    if (!to) return;
    for (const std::string& name : names)
        to->remove(name, [this](const expected<void>& done) {
            if (done)
                totals_.dropped.fetch_add(1, std::memory_order_relaxed);
            else
                failed(done.error()); // the sweep finds it
        });
}

} // namespace coppice
