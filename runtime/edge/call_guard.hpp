// What every call on a granted capability begins with: the token still holds, the role allows it. And how a failure
// is written into an answer.
#pragma once

#include <algorithm>
#include <kj/async.h>
#include <kj/time.h>

#include "runtime/auth/roles.hpp"
#include "runtime/edge/connection.hpp"
#include "runtime/edge/edge_context.hpp"
#include "schema/api.capnp.h"
#include "schema/limits.hpp"

namespace coppice {

// Who is connected, for as long as their token lasts, and over what.
struct session_identity {
    principal who;
    instant expires_at = never;
    connection_ptr connection;
};

inline void write_failure(const failure& f, api::Failure::Builder to) {
    to.setCode(static_cast<std::uint16_t>(f.code));
    to.setDetail(f.detail.c_str());
    to.setRetryAfterMs(f.retry_after_ms);
}

inline std::optional<failure> expired(const session_identity& identity, instant now) {
    if (now < identity.expires_at) return std::nullopt;
    return failure{errc::token_expired, "connect again with a new token", 0};
}

// `tenant`: the name whose things are touched; empty: the platform's.
inline std::optional<failure> denied(const session_identity& identity, permission wanted, std::string_view tenant,
                                     instant now) {
    if (auto over = expired(identity, now)) return over;
    if (allows(identity.who, wanted, tenant)) return std::nullopt;
    return failure{errc::permission_denied,
                   "role " + std::string{to_string(identity.who.role)} + " may not " +
                       std::string{to_string(wanted)} +
                       (tenant.empty() ? std::string{} : " of tenant \"" + std::string{tenant} + "\""),
                   0};
}

// Ends a call whose answer may be a failure with one.
template <class Context>
kj::Promise<void> refuse(Context context, const failure& f) {
    write_failure(f, context.getResults().initFailure());
    return kj::READY_NOW;
}

// The same, as something to be called with the failure later.
template <class Context>
auto refusing(Context context) {
    return [context](const failure& f) mutable { write_failure(f, context.getResults().initFailure()); };
}

// Whose token it is; empty: the platform's.
inline std::string_view tenant_of(const session_identity& identity) {
    return identity.who.tenant ? std::string_view{*identity.who.tenant} : std::string_view{};
}

// How many rows a page has at most, where a caller asks for so many; 0: says nothing.
inline std::size_t rows_of_page(std::uint32_t asked) {
    return asked == 0 ? limits::page_size_default : std::min<std::size_t>(asked, limits::page_size_max);
}

// How long a call that waits for something may be kept.
inline kj::Duration bounded_wait(std::uint32_t timeout_ms) {
    const auto most = std::chrono::duration_cast<milliseconds>(limits::long_poll_max).count();
    return std::min<std::int64_t>(timeout_ms, most) * kj::MILLISECONDS;
}

inline std::string_view view_of(capnp::Text::Reader text) { return {text.begin(), text.size()}; }

} // namespace coppice
