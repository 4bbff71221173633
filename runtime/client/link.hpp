// The connection to a node and the session on it: made when needed, made again when it broke.
//
// Intuition: a `session` is one connection that has logged in; it is never repaired, only replaced. `ready()` gives
// the current one or joins the one attempt to make one that is under way, so a thousand callers cause one connect.
// The backoff is the link's, not the caller's. `call` is the one place where it is decided what a lost connection
// means to a call (client.hpp).
//
// Of several nodes (options::server) one is used at a time. It is left for the next in the list when it cannot be
// reached, when its connection breaks, and when it has answered `unavailable` for client_unavailable_patience. A
// connect goes once round the list; only then comes the backoff. A token that is refused for good is not shown to
// the others.
//
// Invariants: at most one connect is under way; a session that broke is never handed out again; one login failure
// that time does not heal (unauthenticated, ...) goes to all who wait and is not tried again by itself.
//
// Thread: the loop's. A link outlives the promises that it gave.
#pragma once

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>
#include <kj/compat/tls.h>

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "runtime/client/backoff.hpp"
#include "runtime/client/options.hpp"
#include "runtime/client/values.hpp"
#include "schema/api.capnp.h"
#include "schema/errc.hpp"
#include "schema/limits.hpp"

namespace coppice::client {

inline kj::Duration to_kj(milliseconds d) { return d.count() * kj::MILLISECONDS; }

struct session : kj::Refcounted {
    session(kj::Own<kj::AsyncIoStream> connected, std::uint64_t life, std::size_t with)
        : stream(kj::mv(connected)), rpc(*stream, receive_options()), number(life), server(with) {}
    // What the node sends is bounded too: one message, read about twice over.
    static capnp::ReaderOptions receive_options();
    // Everything under way fails as disconnected.
    void break_off();

    struct network {
        network(kj::AsyncIoStream& stream, capnp::ReaderOptions read)
            : vat(stream, capnp::rpc::twoparty::Side::CLIENT, read), system(capnp::makeRpcClient(vat)) {}
        capnp::Capability::Client bootstrap();
        capnp::TwoPartyVatNetwork vat;
        capnp::RpcSystem<capnp::rpc::twoparty::VatId> system;
    };

    kj::Own<kj::AsyncIoStream> stream;
    network rpc;
    std::uint64_t number;                       // counts the link's sessions from 1
    std::size_t server;                         // which of the link's
    kj::Maybe<kj::TimePoint> unavailable_since; // no answer of another kind came since
    bool broken = false;
    grant_view grant;
    api::JobService::Client jobs = nullptr;
    api::WorkerService::Client workers = nullptr;
    api::PlatformService::Client platform = nullptr;
};

// Whether a call may be made twice without doing its work twice.
enum class repeat : std::uint8_t { never, safe };

template <class T>
using call_once = kj::Function<kj::Promise<expected<T>>(session&)>;

// A failure to log in that the same token will meet again.
bool is_final_refusal(errc code);

// `what`: "jobs", "the platform".
inline tl::unexpected<failure> not_granted(const session& s, const char* what) {
    return fail(errc::permission_denied, "the token's role \"" + s.grant.role + "\" does not include " + what);
}

constexpr milliseconds no_wait{0}; // for a call that waits for nothing at the node

class link final : private kj::TaskSet::ErrorHandler {
  public:
    link(kj::AsyncIoContext& io, options chosen);
    ~link() = default;

    // One attempt: the current session, or what the connect under way (after its backoff) gives.
    kj::Promise<expected<kj::Own<session>>> ready();

    // `once` makes the call on a session; it is kept and called again as long as `mode` and the deadline allow.
    // `own_wait`: how long the node may rightly take besides options::call_timeout.
    template <class T>
    kj::Promise<expected<T>> call(repeat mode, milliseconds own_wait, call_once<T> once);

    // The session is of no more use: it is not handed out again. `break_it`: nor is anything under way on it, and
    // the next connect begins with the next node.
    void forget(session& s, bool break_it);

    kj::AsyncIoContext& io() { return io_; }
    kj::Timer& timer() { return io_.provider->getTimer(); }
    // What an answer means for the node that gave it: one that goes on saying `unavailable` is left for the next,
    // as `forget` does without breaking it. Whether it was.
    bool judge(session& s, errc answered);

    const options& chosen() const { return options_; }
    // The node that is used, or would be tried next; of a session: the one it is with.
    const std::string& server() const { return servers_[at_]; }
    const std::string& server(const session& s) const { return servers_[s.server]; }
    std::uint64_t random() { return random_(); }

  private:
    template <class T>
    struct call_state;
    template <class T>
    kj::Promise<expected<T>> try_call(kj::Own<call_state<T>> state);
    template <class T>
    kj::Promise<expected<T>> send(kj::Own<call_state<T>> state, kj::Own<session> s);
    template <class T>
    kj::Promise<expected<T>> lost(kj::Own<call_state<T>> state, const session& s, std::string why);
    template <class T>
    kj::Promise<expected<T>> try_again_later(kj::Own<call_state<T>> state, std::uint32_t at_least_ms);

    kj::Promise<expected<void>> connect();
    kj::Promise<expected<void>> go_round(std::size_t tries_left);
    kj::Promise<expected<void>> connect_once();
    void leave();
    kj::Promise<kj::Own<kj::AsyncIoStream>> open_stream();
    std::string tls_advice(const kj::Exception& e) const;
    kj::Promise<expected<void>> log_in(kj::Own<kj::AsyncIoStream> stream);
    expected<void> granted(kj::Own<session> s, api::Gate::LoginResults::Reader answer);
    expected<void> connected(expected<void> outcome);
    void taskFailed(kj::Exception&&) override {}

    kj::AsyncIoContext& io_;
    options options_;
    const std::vector<std::string> servers_; // at least one
    backoff backoff_;
    std::mt19937_64 random_{std::random_device{}()};
    std::size_t at_ = 0;       // of servers_
    std::size_t connects_ = 0; // that led to a session
    kj::TimePoint next_connect_;
    kj::TimePoint session_since_;
    bool reached_ = false; // the address answered, whatever came then
    std::uint64_t sessions_ = 0;
    std::size_t under_way_ = 0;
    kj::Maybe<kj::Own<kj::TlsContext>> tls_;
    kj::Maybe<kj::Own<session>> current_;
    kj::Maybe<kj::ForkedPromise<expected<void>>> connecting_;
    bool connect_ended_ = false; // of connecting_, which is replaced when it is asked for next
    kj::TaskSet tasks_;
};

// The words of an exception for people, without addresses and source lines.
std::string words_of(const kj::Exception& e);
// Not a lost connection: a fault in the node, or a call that it does not know.
failure failure_of(const kj::Exception& e);

template <class T>
struct link::call_state : kj::Refcounted {
    call_state(repeat m, milliseconds w, call_once<T> f, link& l, kj::TimePoint end)
        : mode(m), own_wait(w), once(kj::mv(f)), counted(l.under_way_), deadline(end) {
        ++counted;
    }
    ~call_state() override { --counted; }
    repeat mode;
    milliseconds own_wait;
    call_once<T> once;
    std::size_t& counted;
    kj::TimePoint deadline;
    bool logged_in_anew = false;
};

template <class T>
kj::Promise<expected<T>> link::call(repeat mode, milliseconds own_wait, call_once<T> once) {
    if (under_way_ >= limits::rpc_calls_per_connection_max)
        return expected<T>(fail(errc::overloaded, "this client has " + std::to_string(under_way_) +
                                                      " calls under way, and a connection takes no more"));
    const auto deadline = timer().now() + to_kj(options_.retry_for);
    return try_call(kj::refcounted<call_state<T>>(mode, own_wait, kj::mv(once), *this, deadline));
}

template <class T>
kj::Promise<expected<T>> link::try_call(kj::Own<call_state<T>> state) {
    return ready().then(
        [this, state = kj::mv(state)](expected<kj::Own<session>> s) mutable -> kj::Promise<expected<T>> {
            if (s) return send(kj::mv(state), kj::mv(*s));
            if (is_final_refusal(s.error().code) || timer().now() >= state->deadline)
                return expected<T>(tl::unexpected(std::move(s.error())));
            return try_call(kj::mv(state));
        });
}

template <class T>
kj::Promise<expected<T>> link::send(kj::Own<call_state<T>> state, kj::Own<session> s) {
    struct answer {
        expected<T> value;
        bool in_time = true;
        kj::Maybe<kj::Exception> thrown;
    };
    auto& call = *state;
    auto& on = *s;
    const auto wait = to_kj(options_.call_timeout + call.own_wait);
    return kj::evalNow([&] { return call.once(on); })
        .then(
            [](expected<T> value) {
                return answer{std::move(value), true, nullptr};
            },
            [](kj::Exception&& e) {
                return answer{fail(errc::internal, {}), true, kj::mv(e)};
            })
        .exclusiveJoin(timer().afterDelay(wait).then([] {
            return answer{fail(errc::internal, {}), false, nullptr};
        }))
        .then([this, state = kj::mv(state), s = kj::mv(s)](answer a) mutable -> kj::Promise<expected<T>> {
            if (!a.in_time) {
                forget(*s, true);
                return lost(kj::mv(state), *s, "the node did not answer in time");
            }
            KJ_IF_MAYBE (e, a.thrown) {
                if (e->getType() != kj::Exception::Type::DISCONNECTED && !s->broken)
                    return expected<T>(tl::unexpected(failure_of(*e)));
                forget(*s, true);
                return lost(kj::mv(state), *s, words_of(*e));
            }
            const errc code = a.value ? errc::ok : a.value.error().code;
            judge(*s, code);
            // It did nothing, so the call may be made again whatever it does.
            if (code == errc::node_stopping && timer().now() < state->deadline)
                return servers_.size() > 1 ? try_call(kj::mv(state))
                                           : try_again_later(kj::mv(state), a.value.error().retry_after_ms);
            if (code == errc::unavailable && servers_.size() > 1 && state->mode == repeat::safe &&
                timer().now() < state->deadline)
                return try_again_later(kj::mv(state), a.value.error().retry_after_ms);
            if (a.value || a.value.error().code != errc::token_expired || state->logged_in_anew)
                return std::move(a.value);
            state->logged_in_anew = true;
            forget(*s, false);
            return try_call(kj::mv(state));
        });
}

template <class T>
kj::Promise<expected<T>> link::lost(kj::Own<call_state<T>> state, const session& s, std::string why) {
    if (state->mode == repeat::never)
        return expected<T>(fail(errc::unknown_outcome, "the connection to " + server(s) +
                                                           " was lost while the call was under way (" + why + ")"));
    if (timer().now() >= state->deadline)
        return expected<T>(fail(errc::unavailable, "the connection to " + server(s) + " was lost (" + why + ")"));
    return try_call(kj::mv(state));
}

template <class T>
kj::Promise<expected<T>> link::try_again_later(kj::Own<call_state<T>> state, std::uint32_t at_least_ms) {
    const auto wait = std::clamp(milliseconds{at_least_ms}, options_.backoff_min, options_.backoff_max);
    return timer().afterDelay(to_kj(wait)).then([this, state = kj::mv(state)]() mutable {
        return try_call(kj::mv(state));
    });
}

} // namespace coppice::client
