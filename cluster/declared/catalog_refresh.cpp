#include "cluster/declared/catalog_refresh.hpp"

#include <utility>

#include "cluster/declared/declared_record.hpp"
#include "schema/limits.hpp"

namespace coppice {

void catalog_refresh::ask(done_function done) {
    bool is_first = false;
    {
        const std::lock_guard guard{mutex_};
        if (asked_.size() + next_.size() + awaiting_.size() < limits::declared_questions_max) {
            next_.push_back(std::exchange(done, nullptr));
            is_first = !std::exchange(reading_, true);
        }
    }
    if (done) return done();
    if (is_first) read();
}

void catalog_refresh::read() {
    {
        const std::lock_guard guard{mutex_};
        asked_ = std::exchange(next_, {});
    }
    store_.get(std::string{declared_generation_key},
               [self = shared_from_this()](expected<std::optional<control_entry>> entry) {
                   self->was_read(entry && *entry ? (*entry)->revision : 0);
               });
}

void catalog_refresh::was_read(std::uint64_t revision) {
    waiters told;
    bool again = false;
    {
        const std::lock_guard guard{mutex_};
        for (done_function& each : std::exchange(asked_, {}))
            if (revision > in_force_)
                awaiting_.emplace(revision, std::move(each));
            else
                told.push_back(std::move(each));
        again = !next_.empty();
        reading_ = again;
    }
    for (const done_function& each : told) each();
    if (again) read();
}

void catalog_refresh::in_force(std::uint64_t revision) {
    waiters told;
    {
        const std::lock_guard guard{mutex_};
        in_force_ = revision;
        const auto end = awaiting_.upper_bound(revision);
        for (auto at = awaiting_.begin(); at != end; ++at) told.push_back(std::move(at->second));
        awaiting_.erase(awaiting_.begin(), end);
    }
    for (const done_function& each : told) each();
}

} // namespace coppice
