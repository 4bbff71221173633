#include "cluster/control/etcd_leases.hpp"

#include <algorithm>

#include "cluster/control/etcd_messages.hpp"

namespace coppice {
namespace {

constexpr int keeps_per_ttl = 3;

milliseconds until(http_loop::clock::time_point t) {
    return std::max(milliseconds{0}, std::chrono::floor<milliseconds>(t - http_loop::clock::now()));
}

} // namespace

void etcd_leases::grant(std::chrono::seconds ttl, lost_callback lost, control_answer<control_lease> done) {
    if (held_.size() + asked_for_ >= limits::control_leases_max)
        return done(fail(errc::overloaded, "too many leases of the control store"));
    ++asked_for_;
    const auto asked = http_loop::clock::now();
    client_.call({.path = "lease/grant",
                  .body = etcd_grant_request(ttl),
                  .done = [this, asked, lost = std::move(lost), done = std::move(done)](const etcd_result& r) {
                      --asked_for_;
                      if (!r) return done(tl::unexpected(r.error().why));
                      const auto answer = etcd_grant_answer(*r);
                      if (!answer) return done(tl::unexpected(answer.error()));
                      granted(answer->lease, {.ttl = answer->ttl, .lost = lost}, asked);
                      done(answer->lease);
                  }});
}

void etcd_leases::granted(control_lease lease, held h, time_point asked) {
    held_.insert_or_assign(lease, std::move(h));
    extend(lease, asked);
}

// From `asked` on, etcd keeps it for its time to live.
void etcd_leases::extend(control_lease lease, time_point asked) {
    held& h = held_.at(lease);
    loop_.cancel(h.keep);
    loop_.cancel(h.end);
    h.keep = loop_.after(until(asked + h.ttl / keeps_per_ttl), [this, lease] { keep_alive(lease); });
    h.end = loop_.after(until(asked + h.ttl), [this, lease] {
        give_up(lease, {errc::unavailable, "etcd did not answer for the lease's time to live"});
    });
}

void etcd_leases::keep_alive(control_lease lease) {
    const held& h = held_.at(lease);
    const milliseconds patience = std::min<milliseconds>(h.ttl / keeps_per_ttl, client_.options().call_timeout);
    const auto asked = http_loop::clock::now();
    client_.call({.path = "lease/keepalive",
                  .body = etcd_lease_request(lease),
                  .patience = patience,
                  .try_timeout = std::min(patience / 2, client_.options().try_timeout),
                  .done = [this, lease, asked](const etcd_result& r) { kept(lease, asked, r); }});
}

void etcd_leases::kept(control_lease lease, time_point asked, const etcd_result& result) {
    const auto found = held_.find(lease);
    if (found == held_.end()) return;
    const auto answer = result ? etcd_keep_alive_answer(*result) : expected<etcd_lease>{};
    const bool ours = result && answer && answer->lease == lease;
    if (ours && answer->ttl.count() == 0) return give_up(lease, {errc::not_found, "etcd has ended the lease"});
    if (ours) {
        found->second.ttl = answer->ttl;
        return extend(lease, asked);
    }
    found->second.keep = loop_.after(limits::control_backoff_base, [this, lease] { keep_alive(lease); });
}

void etcd_leases::give_up(control_lease lease, const failure& why) {
    const auto node = held_.extract(lease);
    loop_.cancel(node.mapped().keep);
    loop_.cancel(node.mapped().end);
    node.mapped().lost(why);
}

void etcd_leases::revoke(control_lease lease, control_answer<void> done) {
    if (const auto node = held_.extract(lease); !node.empty()) {
        loop_.cancel(node.mapped().keep);
        loop_.cancel(node.mapped().end);
    }
    client_.call({.path = "lease/revoke",
                  .body = etcd_lease_request(lease),
                  .done = [done = std::move(done)](const etcd_result& r) {
                      if (r || r.error().why.code == errc::not_found) return done({});
                      done(tl::unexpected(r.error().why));
                  }});
}

} // namespace coppice
