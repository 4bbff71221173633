#include "cluster/declared/shard_teller.hpp"

#include "schema/limits.hpp"

namespace coppice {
namespace {

// Declaring is idempotent, so what may have happened is simply said again.
bool try_again(errc code) {
    return describe(code).retryable || code == errc::unknown_outcome || code == errc::internal;
}

} // namespace

void shard_teller::want(document_id id, wanted w, std::map<document_id, wanted>& left) const {
    const auto told = told_.find(id);
    if (told == told_.end() || told->second.version < w.version) left.emplace(std::move(id), std::move(w));
}

void shard_teller::want(const catalog& all, shard_id shard, std::size_t shards) {
    std::map<document_id, wanted> left;
    for (const auto& [name, type] : all.types) want({sort::type, name}, {type->version, type, nullptr, {}}, left);
    for (const auto& [name, t] : all.tenants) want({sort::tenant, name}, {t->version, nullptr, t, {}}, left);
    for (const owned_schedule& s : schedules_of(all, shard, shards))
        want({sort::schedule, s.schedule->spec.name}, {s.schedule->version, nullptr, nullptr, s}, left);
    left_ = std::move(left);
}

std::optional<declarations> shard_teller::next(time now) {
    if (under_way_ || left_.empty() || now < not_before_) return std::nullopt;
    declarations b;
    sent_.clear();
    for (const auto& [id, w] : left_) {
        if (sent_.size() == limits::declarations_per_proposal_max) break;
        if (w.type) b.types.push_back(w.type);
        if (w.tenant) b.tenants.push_back(w.tenant);
        if (w.schedule.schedule) b.schedules.push_back(w.schedule);
        sent_.emplace_back(id, w.version);
    }
    under_way_ = true;
    return b;
}

void shard_teller::answered(std::span<const command_result> results, time now) {
    under_way_ = false;
    for (std::size_t i = 0; i < sent_.size() && i < results.size(); ++i) {
        const auto& [id, version] = sent_[i];
        const command_result& r = results[i];
        if (r.code != errc::ok && try_again(r.code)) {
            not_before_ = now + limits::declare_retry_pause;
            last_trouble_ = to_string(failure{r.code, r.detail});
            continue;
        }
        told_[id] = {version, r.code == errc::ok ? expected<void>{} : fail(r.code, r.detail)};
        const auto left = left_.find(id);
        if (left != left_.end() && left->second.version <= version) left_.erase(left);
    }
    sent_.clear();
}

std::optional<expected<void>> shard_teller::told(const document_id& id, std::uint64_t version) const {
    const auto found = told_.find(id);
    if (found == told_.end() || found->second.version < version) return std::nullopt;
    return found->second.result;
}

} // namespace coppice
