#include "cluster/routing/slot_exchange.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

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

std::size_t slot_exchange::wanting() const {
    return static_cast<std::size_t>(std::ranges::count_if(lanes_, [](const lane& l) { return l.wants(); }));
}

bool slot_exchange::needs_more_than_its_share(const lane& l) const {
    return l.needs > 1 && l.needs <= total_ && l.needs > total_ / wanting();
}

void slot_exchange::choose_front(instant now) {
    if (front_) {
        const lane& l = lanes_[*front_];
        if (l.large_starts == front_starts_ && needs_more_than_its_share(l)) return;
        last_front_ = *std::exchange(front_, std::nullopt);
        even_until_ = now + limits::slots_even;
    }
    if (now < even_until_) return;
    for (std::size_t after = 1; after <= lanes_.size() && !front_; ++after)
        if (const std::size_t at = (last_front_ + after) % lanes_.size(); needs_more_than_its_share(lanes_[at])) {
            front_ = at;
            front_starts_ = lanes_[at].large_starts;
        }
}

std::vector<std::uint32_t> slot_exchange::wished() const {
    const bool keeps_one = !front_ && total_ >= limits::slots_kept_factor * lanes_.size();
    std::uint32_t left = total_;
    std::vector<std::uint32_t> all(lanes_.size());
    for (std::size_t i = 0; i < lanes_.size(); ++i)
        if (!lanes_[i].wants()) left -= all[i] = std::min(lanes_[i].granted, keeps_one ? 1U : 0U);
    if (front_) left -= all[*front_] = lanes_[*front_].needs;
    const std::size_t among = wanting() - (front_ ? 1 : 0);
    std::size_t place = 0;
    for (std::size_t i = 0; i < lanes_.size(); ++i)
        if (lanes_[i].wants() && i != front_) all[i] = share(left, among, place++);
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

std::vector<slot_exchange::grant> slot_exchange::answered(std::size_t shard, const answer& a, instant now) {
    lane& l = lanes_[shard];
    if (a.number > l.number) return {}; // of an executor that had its name: never of a sound node
    l.answered = std::max(l.answered, a.number);
    if (a.number == l.number) l.held = std::max(a.may_use, l.granted);
    l.needs = a.needs;
    l.large_starts = a.large_starts;
    if (wanting() > 0) {
        wanted_at_ = now;
        choose_front(now);
        return move_to(wished());
    }
    front_.reset();
    const bool nobody_has_any = std::ranges::all_of(lanes_, [](const lane& each) { return each.granted == 0; });
    return nobody_has_any ? move_to(even()) : std::vector<grant>{};
}

std::vector<slot_exchange::grant> slot_exchange::rest(instant now) {
    if (wanting() > 0) {
        if (front_ || now < even_until_) return {};
        choose_front(now);
        return front_ ? move_to(wished()) : std::vector<grant>{};
    }
    if (now - wanted_at_ < limits::slots_rest) return {};
    return move_to(even());
}

std::vector<slot_exchange::grant> slot_exchange::unanswered() const {
    std::vector<grant> found;
    for (std::size_t i = 0; i < lanes_.size(); ++i)
        if (lanes_[i].answered < lanes_[i].number) found.push_back(newest(i));
    return found;
}

} // namespace coppice
