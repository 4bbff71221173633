#include "cluster/routing/slot_exchange.hpp"

#include <algorithm>
#include <numeric>

#include "schema/limits.hpp"

namespace coppice {

// What the one at `place` gets of `slots` that are split among `of`.
std::uint32_t slot_exchange::share(std::uint32_t slots, std::size_t of, std::size_t place) const {
    const auto among = static_cast<std::uint32_t>(of);
    const bool gets_one_more = (place + turn_) % of < slots % among;
    return slots / among + (gets_one_more ? 1 : 0);
}

std::vector<std::uint32_t> slot_exchange::even() const {
    std::vector<std::uint32_t> all;
    for (std::size_t i = 0; i < lanes_.size(); ++i) all.push_back(share(total_, lanes_.size(), i));
    return all;
}

std::vector<std::uint32_t> slot_exchange::wished() const {
    const auto wanting =
        static_cast<std::size_t>(std::ranges::count_if(lanes_, [](const lane& l) { return l.wants; }));
    const bool keeps_one = total_ >= limits::slots_kept_factor * lanes_.size();
    std::uint32_t left = total_;
    std::vector<std::uint32_t> all(lanes_.size());
    for (std::size_t i = 0; i < lanes_.size(); ++i)
        if (!lanes_[i].wants) left -= all[i] = std::min(lanes_[i].granted, keeps_one ? 1U : 0U);
    std::size_t place = 0;
    for (std::size_t i = 0; i < lanes_.size(); ++i)
        if (lanes_[i].wants) all[i] = share(left, wanting, place++);
    return all;
}

// Smaller grants at once; larger ones as far as what nobody may use reaches.
std::vector<slot_exchange::grant> slot_exchange::move_to(const std::vector<std::uint32_t>& wished) {
    std::vector<grant> made;
    const auto say = [&](std::size_t i, std::uint32_t slots) {
        lanes_[i].granted = slots;
        lanes_[i].held = std::max(lanes_[i].held, slots);
        ++lanes_[i].number;
        made.push_back(newest(i));
    };
    for (std::size_t i = 0; i < lanes_.size(); ++i)
        if (wished[i] < lanes_[i].granted) say(i, wished[i]);
    std::uint32_t in_use = std::accumulate(lanes_.begin(), lanes_.end(), 0U,
                                           [](std::uint32_t sum, const lane& l) { return sum + l.held; });
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        if (wished[i] <= lanes_[i].granted || in_use >= total_) continue;
        // What the lane holds beyond its grant is its own already.
        const std::uint32_t most = lanes_[i].held + (total_ - in_use);
        const std::uint32_t slots = std::min(wished[i], most);
        if (slots <= lanes_[i].granted) continue;
        in_use += slots > lanes_[i].held ? slots - lanes_[i].held : 0;
        say(i, slots);
    }
    return made;
}

std::vector<slot_exchange::grant> slot_exchange::offer(std::uint32_t slots, bool is_busy) {
    if (slots == total_) return {};
    total_ = slots;
    if (!is_busy) return move_to(even());
    std::vector<grant> made;
    for (std::size_t i = 0; i < lanes_.size(); ++i) {
        lanes_[i].granted = 0;
        lanes_[i].held = slots;
        ++lanes_[i].number;
        made.push_back(newest(i));
    }
    return made;
}

std::vector<slot_exchange::grant> slot_exchange::answered(std::size_t shard, std::uint64_t number,
                                                          std::uint32_t may_use, bool wants, instant now) {
    lane& l = lanes_[shard];
    if (number > l.number) return {}; // of an executor that had its name: never of a sound node
    l.answered = std::max(l.answered, number);
    if (number == l.number) l.held = std::max(may_use, l.granted);
    l.wants = wants;
    const bool any = std::ranges::any_of(lanes_, [](const lane& each) { return each.wants; });
    if (any) wanted_at_ = now;
    if (any) return move_to(wished());
    const bool nobody_has_any = std::ranges::all_of(lanes_, [](const lane& each) { return each.granted == 0; });
    return nobody_has_any ? move_to(even()) : std::vector<grant>{};
}

std::vector<slot_exchange::grant> slot_exchange::rest(instant now) {
    const bool any = std::ranges::any_of(lanes_, [](const lane& each) { return each.wants; });
    if (any || now - wanted_at_ < limits::slots_rest) return {};
    return move_to(even());
}

std::vector<slot_exchange::grant> slot_exchange::unanswered() const {
    std::vector<grant> found;
    for (std::size_t i = 0; i < lanes_.size(); ++i)
        if (lanes_[i].answered < lanes_[i].number) found.push_back(newest(i));
    return found;
}

} // namespace coppice
