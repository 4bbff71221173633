#include "actors/jobs/slot_pool.hpp"

#include <algorithm>
#include <utility>

namespace coppice {

// Every change of a worker goes through here, so that the total of free slots can't drift.
template <class Change>
void slot_pool::change(worker_id id, Change&& how) {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    worker& w = found->second;
    const std::uint32_t before = w.free();
    how(w);
    free_ += w.free();
    free_ -= before;
    if (w.free() > before || w.draining) note_changed(id, w);
}

void slot_pool::note_changed(worker_id id, worker& w) {
    if (!std::exchange(w.changed, true)) changed_.push_back(id);
}

std::vector<worker_id> slot_pool::take_changed() {
    for (const worker_id id : changed_)
        if (const auto found = workers_.find(id); found != workers_.end()) found->second.changed = false;
    return std::exchange(changed_, {});
}

bool slot_pool::has_all(const worker& w, const demand& wanted) {
    return std::ranges::all_of(wanted.require, [&](const std::string& label) { return w.labels.contains(label); });
}

void slot_pool::add_member(worker_id id, const worker& w, const demand& wanted) {
    const auto liked = static_cast<std::size_t>(
        std::ranges::count_if(wanted.prefer, [&](const std::string& label) { return w.labels.contains(label); }));
    members_of_type& of = by_type_[wanted.type];
    of.members.push_back({id, liked});
    of.most_liked = std::max(of.most_liked, liked);
}

void slot_pool::attach(worker_id id, std::set<std::string> type_names, std::uint32_t slots, tenant_id tenant,
                       std::set<std::string> labels, std::uint32_t total) {
    const auto [found, is_new] = workers_.try_emplace(id);
    if (const auto held = absent_.find(id); is_new && held != absent_.end()) {
        found->second.used = held->second; // no slots yet, so none of them counts as free
        absent_.erase(held);
    }
    change(id, [&](worker& w) {
        w.type_names = std::move(type_names);
        w.labels = std::move(labels);
        w.tenant = tenant;
        w.slots = slots;
        w.total = std::max(total, slots);
        w.silent = false;
    });
}

void slot_pool::resize(worker_id id, std::uint32_t slots, std::uint64_t grant) {
    change(id, [&](worker& w) {
        w.slots = slots;
        w.total = std::max(w.total, slots);
        w.grant = grant;
    });
}

void slot_pool::detach(worker_id id) {
    const auto found = workers_.find(id);
    if (found == workers_.end()) return;
    free_ -= found->second.free();
    for (auto& [type, of] : by_type_) std::erase_if(of.members, [&](const member& m) { return m.id == id; });
    if (found->second.used > 0) absent_[id] = found->second.used;
    if (found->second.changed) std::erase(changed_, id);
    workers_.erase(found);
}

void slot_pool::drain(worker_id id) {
    change(id, [](worker& w) { w.draining = true; });
}

void slot_pool::silence(worker_id id) {
    change(id, [](worker& w) { w.silent = true; });
}

std::optional<worker_id> slot_pool::take(const wish& by, worker_id first) {
    const auto found = by_type_.find(by.type);
    if (found == by_type_.end()) return std::nullopt;
    members_of_type& of = found->second;
    if (const worker* w = first == worker_id{} ? nullptr : find(first);
        w != nullptr && is_open_to(first, *w, by) && std::ranges::find(w->types, by.type) != w->types.end()) {
        take_from(first, by.slots);
        return first;
    }
    std::optional<std::size_t> chosen;
    for (std::size_t tried = 1; tried <= of.members.size(); ++tried) {
        const std::size_t at = (of.next + tried) % of.members.size();
        const member& m = of.members[at];
        if (!is_open_to(m.id, workers_.at(m.id), by)) continue;
        if (!chosen || m.liked > of.members[*chosen].liked) chosen = at;
        if (m.liked == of.most_liked) break;
    }
    if (!chosen) return std::nullopt;
    of.next = *chosen;
    const worker_id id = of.members[*chosen].id;
    take_from(id, by.slots);
    return id;
}

void slot_pool::take_from(worker_id id, std::uint32_t slots) {
    if (!workers_.contains(id)) {
        absent_[id] += slots;
        return;
    }
    change(id, [slots](worker& w) {
        w.used += slots;
        if (slots > 1) ++w.large_starts;
    });
}

void slot_pool::release(worker_id id, std::uint32_t slots) {
    if (const auto held = absent_.find(id); held != absent_.end()) {
        held->second -= std::min(held->second, slots);
        if (held->second == 0) absent_.erase(held);
    }
    change(id, [slots](worker& w) { w.used -= std::min(w.used, slots); });
}

bool slot_pool::could_run(const wish& by) const {
    const auto found = by_type_.find(by.type);
    return found != by_type_.end() && std::ranges::any_of(found->second.members, [&](const member& m) {
               return is_open_to(m.id, workers_.at(m.id), by);
           });
}

slot_pool::room slot_pool::room_at(worker_id id, const wish& by) const {
    const worker* w = find(id);
    if (w == nullptr || w->draining || !w->serves(by.tenant) ||
        std::ranges::find(w->types, by.type) == w->types.end())
        return room::never;
    return is_open_to(id, *w, by) ? room::now : room::later;
}

void slot_pool::keep_none() {
    if (const auto found = workers_.find(kept_); found != workers_.end()) note_changed(kept_, found->second);
    kept_ = worker_id{};
}

bool slot_pool::keep_one_for(const wish& by) {
    const auto found = by_type_.find(by.type);
    if (found == by_type_.end() || kept_ != worker_id{}) return false;
    std::uint32_t fewest = 0;
    for (const member& m : found->second.members) {
        const worker& w = workers_.at(m.id);
        if (w.draining || w.silent || w.slots < by.slots || !w.serves(by.tenant)) continue;
        const std::uint32_t lacks = by.slots - std::min(by.slots, w.free());
        if (kept_ != worker_id{} && lacks >= fewest) continue;
        kept_ = m.id;
        fewest = lacks;
    }
    return kept_ != worker_id{};
}

const slot_pool::worker* slot_pool::find(worker_id id) const {
    const auto found = workers_.find(id);
    return found == workers_.end() ? nullptr : &found->second;
}

std::uint32_t slot_pool::held(worker_id id) const {
    if (const worker* w = find(id)) return w->used;
    const auto held = absent_.find(id);
    return held == absent_.end() ? 0 : held->second;
}

std::uint64_t slot_pool::held() const {
    std::uint64_t sum = 0;
    for (const auto& [id, w] : workers_) sum += w.used;
    for (const auto& [id, used] : absent_) sum += used;
    return sum;
}

void slot_pool::clear_used() {
    absent_.clear();
    for (auto& [id, w] : workers_) change(id, [](worker& each) { each.used = 0; });
}

} // namespace coppice
