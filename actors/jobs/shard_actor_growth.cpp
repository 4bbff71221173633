#include "actors/jobs/shard_actor_growth.hpp"

#include <algorithm>
#include <caf/send.hpp>
#include <stdexcept>

namespace coppice {
namespace {

void job_actor_started(shard_pointer self, const attempt_ref& ref, const started_child& child) {
    shard_state& s = self->state;
    const auto found = s.live.find(ref);
    if (found == s.live.end()) return;
    found->second.starting = false;
    if (child.handle) {
        found->second.actor = caf::actor_cast<job_handle>(child.handle);
        if (found->second.cancelled) self->send(found->second.actor, attempt_cancelled{ref});
        if (found->second.heard) self->send(found->second.actor, attempt_heard{ref});
        if (found->second.overdue) self->send(found->second.actor, deadline_reached{});
        if (found->second.over) self->send(found->second.actor, attempt_over{ref});
    }
    if (found->second.over) forget_attempt(s, ref);
}

void grow(shard_pointer self, tenant_id tenant, std::vector<attempt_ref> refs);

void grown(shard_pointer self, tenant_id tenant, const caf::actor& supervisor, std::span<const attempt_ref> refs,
           const started_children& started) {
    const auto found = self->state.tenants.find(tenant);
    if (found == self->state.tenants.end() || found->second.supervisor != supervisor)
        return; // it gave up meanwhile
    found->second.growing = false;
    for (std::size_t i = 0; i < refs.size(); ++i) job_actor_started(self, refs[i], started.results[i]);
    grow(self, tenant, std::exchange(found->second.waiting, {}));
}

// One request at a time: what ends while it waits its turn needs no actor any more. So actors do not pile up behind
// jobs that are quicker than they.
void grow(shard_pointer self, tenant_id tenant, std::vector<attempt_ref> refs) {
    shard_state& s = self->state;
    auto& subtree = s.tenants.at(tenant);
    if (subtree.growing) {
        std::ranges::move(refs, std::back_inserter(subtree.waiting));
        return;
    }
    start_children request;
    std::erase_if(refs, [&](const attempt_ref& ref) {
        const auto found = s.live.find(ref);
        if (found == s.live.end() || found->second.actor || std::exchange(found->second.starting, true))
            return true;
        request.batch.push_back({"job-" + to_string(ref.job), found->second.watch});
        return false;
    });
    if (refs.empty()) return;
    subtree.growing = true;
    self->request(subtree.supervisor, caf::infinite, std::move(request))
        .then([self, tenant, supervisor = subtree.supervisor,
               refs](const started_children& started) { grown(self, tenant, supervisor, refs, started); },
              [](const caf::error&) {}); // its end is seen by the monitor, which grows the subtree anew
}

void tenant_started(shard_pointer self, tenant_id tenant, const started_children& started) {
    shard_state& s = self->state;
    const auto found = s.tenants.find(tenant);
    if (found == s.tenants.end()) return;
    const started_child& child = started.results.front();
    if (!child.handle) throw std::runtime_error("no supervisor for a tenant: " + to_string(child.why));
    found->second.supervisor = child.handle;
    self->monitor(child.handle);
    grow(self, tenant, std::exchange(found->second.waiting, {}));
}

} // namespace

void forget_attempt(shard_state& s, const attempt_ref& ref) {
    const auto found = s.live.find(ref);
    if (found == s.live.end()) return;
    if (found->second.deadline != never) s.deadlines.erase({found->second.deadline, ref});
    s.live.erase(found);
}

void grow_now(shard_pointer self, const shard_options_ptr& options, tenant_id tenant,
              std::vector<attempt_ref> refs) {
    if (refs.empty()) return;
    shard_state& s = self->state;
    const std::string& name = s.live.at(refs.front()).watch->tenant_name;
    const auto [found, is_new] = s.tenants.try_emplace(tenant);
    if (found->second.supervisor) return grow(self, tenant, std::move(refs));
    std::ranges::move(refs, std::back_inserter(found->second.waiting));
    if (!is_new) return;
    self->request(options->tenants.handle(), caf::infinite, start_children{{{name, std::any{}}}})
        .then([self, tenant](const started_children& started) { tenant_started(self, tenant, started); });
}

void grow_later(shard_pointer self, const shard_options_ptr& options, tenant_id tenant,
                std::vector<attempt_ref> refs) {
    if (options->grow_after <= milliseconds{0}) return grow_now(self, options, tenant, std::move(refs));
    auto& young = self->state.young;
    if (young.empty()) self->delayed_send(self, options->grow_after, growth_due{});
    young.push_back({options->clock() + options->grow_after, tenant, std::move(refs)});
}

void grow_due(shard_pointer self, const shard_options_ptr& options) {
    shard_state& s = self->state;
    const instant now = options->clock();
    // The first are due whatever the clock says: it may have been set back.
    do {
        auto [due, tenant, refs] = std::move(s.young.front());
        s.young.pop_front();
        std::erase_if(refs, [&](const attempt_ref& ref) { return !s.live.contains(ref); });
        grow_now(self, options, tenant, std::move(refs));
    } while (!s.young.empty() && s.young.front().due <= now);
    if (s.young.empty()) return;
    const microseconds wait = s.young.front().due - now;
    self->delayed_send(self, std::min<microseconds>(wait, options->grow_after), growth_due{});
}

void regrow_tenant(shard_pointer self, const shard_options_ptr& options, const caf::down_msg& down) {
    shard_state& s = self->state;
    for (auto& [tenant, subtree] : s.tenants) {
        if (!subtree.supervisor || subtree.supervisor.address() != down.source) continue;
        const tenant_id id = tenant;
        s.tenants.erase(id);
        std::vector<attempt_ref> refs;
        for (auto& [ref, live] : s.live) {
            if (live.watch->tenant != id) continue;
            live.actor = nullptr;
            live.starting = false;
            refs.push_back(ref);
        }
        return grow_now(self, options, id, std::move(refs));
    }
}

} // namespace coppice
