#include "cluster/control/etcd_endpoints.hpp"

#include <algorithm>

#include "schema/limits.hpp"

namespace coppice {

milliseconds control_backoff(unsigned failures, std::mt19937_64& random) {
    constexpr unsigned doublings_max = 16;
    const milliseconds grown{limits::control_backoff_base.count() << std::min(failures - 1, doublings_max)};
    const milliseconds most = std::min<milliseconds>(grown, limits::control_backoff_max);
    std::uniform_int_distribution<std::int64_t> spread{most.count() / 2, most.count()};
    return milliseconds{spread(random)};
}

etcd_endpoints::choice etcd_endpoints::pick(time_point now) const {
    std::size_t soonest = current_;
    for (std::size_t i = 0; i < states_.size(); ++i) {
        const std::size_t index = (current_ + i) % states_.size();
        if (states_[index].not_before <= now) return {index, milliseconds{0}};
        if (states_[index].not_before < states_[soonest].not_before) soonest = index;
    }
    return {soonest, std::chrono::ceil<milliseconds>(states_[soonest].not_before - now)};
}

void etcd_endpoints::worked(std::size_t index) {
    states_[index] = {};
    if (states_[current_].failures > 0) current_ = index;
}

void etcd_endpoints::failed(std::size_t index, time_point now) {
    state& s = states_[index];
    if (now < s.not_before) return;
    s.not_before = now + control_backoff(++s.failures, random_);
    if (index == current_) current_ = (index + 1) % states_.size();
}

} // namespace coppice
