#include "runtime/client/link.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <fstream>
#include <sstream>

#include "runtime/client/wire.hpp"

namespace coppice::client {
namespace {

constexpr int unheard_max_ms = 20'000; // unacknowledged by the peer's kernel: the connection is dead

expected<kj::Own<kj::TlsContext>> make_tls(const tls_options& wanted) {
    try {
        kj::TlsContext::Options o;
        o.minVersion = kj::TlsVersion::TLS_1_2;
        if (wanted.ca_file.empty()) return kj::heap<kj::TlsContext>(kj::mv(o));
        std::ifstream file(wanted.ca_file);
        std::ostringstream text;
        if (!file || !(text << file.rdbuf()))
            return fail(errc::invalid_argument, "the CA file " + wanted.ca_file + " cannot be read");
        kj::TlsCertificate authority(kj::StringPtr{text.str().c_str()});
        o.useSystemTrustStore = false;
        o.trustedCertificates = kj::arrayPtr(&authority, 1);
        return kj::heap<kj::TlsContext>(kj::mv(o));
    } catch (const kj::Exception& e) {
        return fail(errc::invalid_argument, "the CA file " + wanted.ca_file + " cannot be used: " + words_of(e));
    }
}

std::string host_of(const std::string& server) {
    std::string host = server.substr(0, server.rfind(':'));
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    return host;
}

void watch_peer(kj::AsyncIoStream& stream) {
    const int on = 1;
    stream.setsockopt(SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    stream.setsockopt(IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard_max_ms, sizeof unheard_max_ms);
}

} // namespace

capnp::ReaderOptions session::receive_options() {
    capnp::ReaderOptions o;
    o.traversalLimitInWords = 2 * limits::rpc_message_size_max / sizeof(capnp::word);
    return o;
}

capnp::Capability::Client session::network::bootstrap() {
    capnp::MallocMessageBuilder message(8);
    auto id = message.getRoot<capnp::rpc::twoparty::VatId>();
    id.setSide(capnp::rpc::twoparty::Side::SERVER);
    return system.bootstrap(id);
}

void session::break_off() {
    if (broken) return;
    broken = true;
    try {
        stream->abortRead();
    } catch (const kj::Exception&) {
        // shutdown(2) of a socket that the peer has reset: it is broken off already.
    }
}

bool is_final_refusal(errc code) {
    return code == errc::unauthenticated || code == errc::token_expired || code == errc::token_audience ||
           code == errc::permission_denied || code == errc::invalid_argument;
}

std::string words_of(const kj::Exception& e) {
    std::string words{e.getDescription().cStr()};
    if (const auto end = words.find("; "); end != std::string::npos && words.starts_with("remote exception: "))
        words.erase(0, std::string_view{"remote exception: "}.size());
    return words;
}

failure failure_of(const kj::Exception& e) {
    switch (e.getType()) {
    case kj::Exception::Type::OVERLOADED:
        return {errc::overloaded, words_of(e)};
    case kj::Exception::Type::UNIMPLEMENTED:
        return {errc::internal,
                "the node does not know this call; it may be older than this program: " + words_of(e)};
    default:
        return {errc::internal, words_of(e)};
    }
}

link::link(kj::AsyncIoContext& io, options chosen)
    : io_(io), options_(std::move(chosen)), servers_(servers_of(options_)),
      backoff_(options_.backoff_min, options_.backoff_max), next_connect_(timer().now()),
      session_since_(timer().now()), tasks_(*this) {
    if (options_.order == server_order::random) at_ = random_() % servers_.size();
}

kj::Promise<expected<kj::Own<session>>> link::ready() {
    using result = expected<kj::Own<session>>;
    KJ_IF_MAYBE (s, current_) {
        return result(kj::addRef(**s));
    }
    if (connect_ended_) connecting_ = nullptr;
    if (connecting_ == nullptr) {
        connect_ended_ = false;
        connecting_ =
            connect().then([this](expected<void> outcome) { return connected(std::move(outcome)); }).fork();
    }
    return KJ_ASSERT_NONNULL(connecting_).addBranch().then([this](expected<void> outcome) -> result {
        if (!outcome) return tl::unexpected(std::move(outcome.error()));
        KJ_IF_MAYBE (s, current_) {
            return kj::addRef(**s);
        }
        return fail(errc::unavailable, "the connection to " + server() + " was lost at once");
    });
}

expected<void> link::connected(expected<void> outcome) {
    connect_ended_ = true;
    // Nodes that let us in and fall over at our first call must not be called in a tight loop either.
    const auto now = timer().now();
    if (outcome && now - session_since_ > to_kj(backoff_.ceiling())) backoff_.reset();
    if (outcome) session_since_ = now;
    const bool is_round = !outcome || ++connects_ % servers_.size() == 0;
    next_connect_ = is_round ? now + to_kj(backoff_.next(random_())) : now;
    return outcome;
}

kj::Promise<expected<void>> link::connect() {
    if (auto ok = validate(options_); !ok) return expected<void>(tl::unexpected(std::move(ok.error())));
    if (options_.tls.enabled && tls_ == nullptr) {
        auto made = make_tls(options_.tls);
        if (!made) return expected<void>(tl::unexpected(std::move(made.error())));
        tls_ = kj::mv(*made);
    }
    return timer().atTime(next_connect_).then([this] { return go_round(servers_.size()); });
}

// Each node once, until one lets us in.
kj::Promise<expected<void>> link::go_round(std::size_t tries_left) {
    return connect_once().then([this, tries_left](expected<void> outcome) -> kj::Promise<expected<void>> {
        if (outcome || is_final_refusal(outcome.error().code)) return outcome;
        leave();
        if (tries_left > 1) return go_round(tries_left - 1);
        if (servers_.size() > 1)
            outcome.error().detail =
                "none of " + std::to_string(servers_.size()) + " nodes: " + outcome.error().detail;
        return outcome;
    });
}

kj::Promise<expected<void>> link::connect_once() {
    reached_ = false;
    auto opened = kj::evalNow([this] { return open_stream(); }).then([this](kj::Own<kj::AsyncIoStream> stream) {
        return log_in(kj::mv(stream));
    });
    auto in_time = opened.exclusiveJoin(timer().afterDelay(to_kj(options_.connect_timeout)).then([this] {
        return expected<void>(fail(errc::unavailable, server() + " did not let us in in time"));
    }));
    return in_time.catch_([this](kj::Exception&& e) {
        return expected<void>(
            fail(errc::unavailable, "cannot connect to " + server() + ": " + words_of(e) + tls_advice(e)));
    });
}

void link::leave() { at_ = (at_ + 1) % servers_.size(); }

// One end with TLS and one without see only that the other talks nonsense or hangs up.
std::string link::tls_advice(const kj::Exception& e) const {
    if (!reached_) return {};
    if (!options_.tls.enabled)
        return e.getType() == kj::Exception::Type::DISCONNECTED
                   ? "; if the node has a certificate, name its authority: COPPICE_TLS_CA"
                   : "";
    const bool plain =
        std::string_view{e.getDescription().cStr()}.find("wrong version number") != std::string::npos;
    return plain ? "; the node does not speak TLS: unset COPPICE_TLS_CA" : "";
}

kj::Promise<kj::Own<kj::AsyncIoStream>> link::open_stream() {
    return io_.provider->getNetwork()
        .parseAddress(kj::StringPtr{server().c_str()})
        .then([](kj::Own<kj::NetworkAddress> address) {
            auto connecting = address->connect();
            return connecting.attach(kj::mv(address));
        })
        .then([this](kj::Own<kj::AsyncIoStream> stream) -> kj::Promise<kj::Own<kj::AsyncIoStream>> {
            watch_peer(*stream);
            reached_ = true;
            KJ_IF_MAYBE (tls, tls_) {
                const std::string name = options_.tls.name.empty() ? host_of(server()) : options_.tls.name;
                return (*tls)->wrapClient(kj::mv(stream), kj::StringPtr{name.c_str()});
            }
            return kj::mv(stream);
        });
}

kj::Promise<expected<void>> link::log_in(kj::Own<kj::AsyncIoStream> stream) {
    auto token = current_token(options_);
    if (!token) return expected<void>(tl::unexpected(std::move(token.error())));
    auto s = kj::refcounted<session>(kj::mv(stream), sessions_ + 1, at_);
    auto request = s->rpc.bootstrap().castAs<api::Gate>().loginRequest();
    request.setToken(kj::StringPtr{token->c_str()});
    request.setClientVersion(kj::StringPtr{options_.client_version.c_str()});
    return request.send().then([this, s = kj::mv(s)](capnp::Response<api::Gate::LoginResults> answer) mutable {
        return granted(kj::mv(s), answer);
    });
}

expected<void> link::granted(kj::Own<session> s, api::Gate::LoginResults::Reader answer) {
    if (auto refused = read(answer.getFailure()); !refused) return refused;
    const auto grant = answer.getGrant();
    s->grant = read(grant);
    if (s->grant.may_jobs) s->jobs = grant.getJobs();
    if (s->grant.may_work) s->workers = grant.getWorkers();
    if (s->grant.may_operate) s->platform = grant.getPlatform();
    ++sessions_;
    auto* watched = s.get();
    // The watcher holds the session, so that its address cannot become another's.
    tasks_.add(s->rpc.vat.onDisconnect().then([this, watched] { forget(*watched, true); }).attach(kj::addRef(*s)));
    current_ = kj::mv(s);
    return {};
}

void link::forget(session& s, bool break_it) {
    if (break_it) s.break_off();
    KJ_IF_MAYBE (current, current_) {
        if (current->get() == &s) {
            if (break_it) leave();
            // Not here and now: what runs at the moment may be a callback of its own.
            tasks_.add(kj::evalLater([] {}).attach(kj::mv(*current)));
            current_ = nullptr;
        }
    }
}

bool link::judge(session& s, errc answered) {
    if (answered == errc::node_stopping) {
        KJ_IF_MAYBE (current, current_) {
            if (current->get() == &s) leave();
        }
        forget(s, false); // what is under way is answered yet
        return true;
    }
    if (answered != errc::unavailable) {
        s.unavailable_since = nullptr;
        return false;
    }
    const auto now = timer().now();
    KJ_IF_MAYBE (since, s.unavailable_since) {
        if (servers_.size() == 1 || now - *since < to_kj(options_.unavailable_patience)) return false;
        KJ_IF_MAYBE (current, current_) {
            if (current->get() == &s) leave();
        }
        forget(s, false); // what is under way may yet be answered
        return true;
    }
    s.unavailable_since = now;
    return false;
}

} // namespace coppice::client
