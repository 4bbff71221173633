#include "cluster/membership/member_keeper.hpp"

#include <algorithm>

namespace coppice {

expected<std::unique_ptr<member_keeper>> member_keeper::start(member_keeper_options options) {
    std::unique_ptr<member_keeper> keeper{new member_keeper(std::move(options))};
    auto mirror = control_mirror::start(
        {.store = keeper->options_.store,
         .prefix = std::string{member_key_prefix},
         .rows = keeper->options_.rows,
         .changed = [k = keeper.get()](const auto& changes, control_position) { k->changed(changes); }});
    if (!mirror) return tl::unexpected(mirror.error());
    keeper->mirror_ = std::move(*mirror);
    return keeper;
}

member_keeper::~member_keeper() { mirror_.reset(); }

std::vector<kept_member> member_keeper::members() const {
    std::vector<kept_member> all;
    for (const control_entry& e : mirror_->list("").entries)
        if (auto m = decode_member(e.key, e.value)) all.push_back({std::move(*m), e.revision});
    std::ranges::sort(all, {}, [](const kept_member& m) { return m.what.number; });
    return all;
}

bool member_keeper::all_have(std::string_view feature) const {
    return std::ranges::binary_search(enabled_features(plain_members(members())), feature);
}

void member_keeper::changed(const std::vector<control_change>& changes) {
    const std::lock_guard guard{telling_};
    if (options_.refused)
        for (const control_change& c : changes)
            if (c.value)
                if (const auto m = decode_member(c.key, *c.value); !m) options_.refused(c.key, m.error());
    // At the start it may come before `start` has the mirror; then nobody listens yet.
    if (told_) told_(members());
}

void member_keeper::on_members(told_function told) {
    const std::lock_guard guard{telling_};
    told_ = std::move(told);
    if (told_) told_(members());
}

void member_keeper::put_member(const member& m, std::uint64_t revision,
                               std::function<void(expected<std::uint64_t>)> done) {
    const std::string key = member_key(m.number), value = encode(m);
    if (auto ok = decode_member(key, value); !ok) return done(tl::unexpected(ok.error()));
    options_.store->commit({{{key, revision}}, {{key, value}}, {}},
                           [done = std::move(done)](tl::expected<std::uint64_t, control_refusal> result) {
                               if (result) return done(*result);
                               done(tl::unexpected(result.error().why));
                           });
}

} // namespace coppice
