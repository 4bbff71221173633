#include "cluster/control/etcd_client.hpp"

#include <algorithm>

#include "cluster/control/control_checks.hpp"
#include "cluster/control/etcd_messages.hpp"

namespace coppice {
namespace {

using kind = etcd_trouble::kind;

etcd_trouble trouble(kind what, errc code, const std::string& endpoint, const std::string& text) {
    return {what, {code, "etcd at " + endpoint + ": " + text}};
}

// What the codes of gRPC mean here. Those in doubt (unavailable, deadline, internal, ...) are `broken`: etcd says
// "request timed out" for a proposal that may yet be committed.
etcd_trouble trouble_of(const etcd_error& e, const std::string& endpoint) {
    enum grpc {
        invalid_argument = 3,
        not_found = 5,
        denied = 7,
        exhausted = 8,
        precondition = 9,
        range = 11,
        token = 16
    };
    const auto says = [&](std::string_view words) { return e.message.find(words) != std::string::npos; };
    const std::string text = e.message.empty() ? "an error without a message" : e.message;
    if (e.code == token || says("auth store is old") || says("invalid auth token") || says("user name is empty"))
        return trouble(kind::unauthenticated, errc::unauthenticated, endpoint, text);
    switch (e.code) {
    case invalid_argument:
        return trouble(kind::refused,
                       says("request is too large")    ? errc::payload_too_large
                       : says("authentication failed") ? errc::unauthenticated
                                                       : errc::invalid_argument,
                       endpoint, text);
    case not_found:
        return trouble(kind::refused, errc::not_found, endpoint, text);
    case denied:
        return trouble(kind::refused, errc::permission_denied, endpoint, text);
    case exhausted:
        return trouble(kind::refused, says("space exceeded") ? errc::storage_full : errc::overloaded, endpoint,
                       text);
    case precondition:
        return trouble(kind::refused, errc::unavailable, endpoint, text);
    case range:
        return trouble(says("compacted") ? kind::compacted : kind::broken, errc::cursor_expired, endpoint, text);
    default:
        return trouble(kind::broken, errc::unavailable, endpoint, text);
    }
}

bool valid_endpoint(const std::string& e) {
    const auto scheme = e.find("://");
    if (!e.starts_with("http://") && !e.starts_with("https://")) return false;
    const std::string_view host = std::string_view{e}.substr(scheme + 3);
    const auto allowed = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view{".-:[]"}.find(c) != std::string_view::npos;
    };
    return !host.empty() && e.size() <= limits::control_endpoint_size_max && std::ranges::all_of(host, allowed);
}

std::uint64_t seed_of(const etcd_options& o) { return o.seed != 0 ? o.seed : std::random_device{}(); }

} // namespace

expected<void> check_etcd_options(const etcd_options& o) {
    if (o.endpoints.empty() || o.endpoints.size() > limits::control_endpoints_max)
        return fail(errc::invalid_argument,
                    "etcd has from 1 to " + std::to_string(limits::control_endpoints_max) + " endpoints");
    for (const std::string& e : o.endpoints)
        if (!valid_endpoint(e))
            return fail(errc::invalid_argument,
                        "an etcd endpoint is http://HOST:PORT or https://HOST:PORT, not " + etcd_excerpt(e));
    if (!o.prefix.ends_with('/') || o.prefix.size() > limits::control_prefix_size_max ||
        !check_control_prefix(o.prefix))
        return fail(errc::invalid_argument, "the prefix of the keys in etcd ends in '/', in at most " +
                                                std::to_string(limits::control_prefix_size_max) + " bytes");
    if (o.user.empty() != o.password.empty()) return fail(errc::invalid_argument, "a user of etcd has a password");
    if (o.tls.certificate.empty() != o.tls.key.empty())
        return fail(errc::invalid_argument, "a certificate for etcd has a key");
    for (const auto t : {o.connect_timeout, o.try_timeout, o.call_timeout, o.probe_interval})
        if (t <= milliseconds{0}) return fail(errc::invalid_argument, "a timeout of etcd is longer than nothing");
    return {};
}

etcd_result judge_etcd_answer(const http_result& result, const std::string& endpoint) {
    constexpr long ok = 200;
    if (!result.answered)
        return tl::unexpected(trouble(result.too_large ? kind::too_large
                                      : result.sent    ? kind::broken
                                                       : kind::not_sent,
                                      result.too_large ? errc::payload_too_large : errc::unavailable, endpoint,
                                      result.problem));
    if (result.status != ok) return tl::unexpected(trouble_of(etcd_error_answer(result.body), endpoint));
    auto answer = etcd_json(result.body);
    if (!answer)
        return tl::unexpected(trouble(kind::broken, errc::message_invalid, endpoint,
                                      "it does not answer as etcd does: " + answer.error().detail));
    return std::move(*answer);
}

etcd_client::etcd_client(http_loop& loop, etcd_options options)
    : loop_(loop), options_(std::move(options)), endpoints_(options_.endpoints.size(), seed_of(options_)) {}

std::string etcd_client::url(std::size_t endpoint, const std::string& path) const {
    return options_.endpoints[endpoint] + "/v3/" + path;
}

expected<void> etcd_client::check_history(const nlohmann::json& answer, std::size_t endpoint) {
    const auto history = etcd_history(answer);
    if (!history) return tl::unexpected(history.error());
    if (history_ == 0) history_ = *history;
    if (history_ == *history) return {};
    return fail(errc::unavailable, "etcd at " + name(endpoint) +
                                       " is of another cluster than was spoken to first; if etcd was set up anew, "
                                       "start this node again");
}

void etcd_client::call(etcd_call call) {
    if (stopped_) return call.done(tl::unexpected(etcd_trouble{kind::not_sent, control_stopped()}));
    const id own = ++last_id_;
    const milliseconds patience = patience_of(call);
    pending& p = pending_[own];
    p.call = std::move(call);
    p.begun = http_loop::clock::now();
    p.deadline = p.begun + patience;
    p.timer = loop_.after(patience, [this, own] { out_of_time(own); });
    step(own);
}

// Sends it, or arranges for what it waits for.
void etcd_client::step(id own) {
    const auto found = pending_.find(own);
    if (found == pending_.end()) return;
    pending& p = found->second;
    p.retry = 0;
    if (in_flight_ >= limits::control_calls_in_flight_max) return waiting_.push_back(own);
    if (p.call.endpoint) return send(own, *p.call.endpoint);
    const auto choice = endpoints_.pick(http_loop::clock::now());
    if (choice.wait > milliseconds{0}) {
        p.retry = loop_.after(choice.wait, [this, own] { step(own); });
        return;
    }
    send(own, choice.index);
}

void etcd_client::send(id own, std::size_t endpoint) {
    pending& p = pending_.at(own);
    if (p.call.with_token && !options_.user.empty() && token_.empty())
        return with_token([this, own](const auto& token) {
            if (token) return step(own);
            answer(own, tl::unexpected(token.error()));
        });
    const auto left = std::chrono::ceil<milliseconds>(p.deadline - http_loop::clock::now());
    ++in_flight_;
    p.endpoint = endpoint;
    p.request = loop_.start(
        {.url = url(endpoint, p.call.path),
         .body = p.call.body,
         .authorization = p.call.with_token ? token_ : "",
         .timeout = std::clamp(left, milliseconds{1}, p.call.try_timeout.value_or(options_.try_timeout)),
         .connect_timeout = options_.connect_timeout,
         .done = [this, own, endpoint](const http_result& r) { received(own, endpoint, r); }});
}

void etcd_client::received(id own, std::size_t endpoint, const http_result& result) {
    pending& p = pending_.at(own);
    p.request = 0;
    slot_freed();
    etcd_result judged = judge_etcd_answer(result, name(endpoint));
    // What was asked for once and is not understood may have happened.
    if (judged && p.call.with_token && !p.call.path.ends_with("keepalive"))
        if (auto same = check_history(*judged, endpoint); !same)
            judged = tl::unexpected(etcd_trouble{kind::broken, same.error()});
    if (judged) {
        endpoints_.worked(endpoint);
        return answer(own, std::move(judged));
    }
    etcd_trouble& t = judged.error();
    if (t.what == kind::too_large && !p.call.repeatable) t.what = kind::broken;
    const bool at_fault = t.what == kind::not_sent || t.what == kind::broken;
    at_fault ? endpoints_.failed(endpoint, http_loop::clock::now()) : endpoints_.worked(endpoint);
    const bool again = t.what == kind::not_sent || (t.what == kind::broken && p.call.repeatable);
    if (again && !p.call.endpoint) {
        p.last = std::move(t);
        return step(own);
    }
    if (t.what == kind::unauthenticated && !options_.user.empty() && p.call.with_token && !p.logged_in_anew) {
        p.logged_in_anew = true;
        drop_token();
        return step(own);
    }
    answer(own, std::move(judged));
}

// The next one goes in a step of its own: whoever frees a slot is not done with `pending_`.
void etcd_client::slot_freed() {
    --in_flight_;
    while (!waiting_.empty()) {
        const id next = waiting_.front();
        waiting_.pop_front();
        if (!pending_.contains(next)) continue;
        loop_.after(milliseconds{0}, [this, next] { step(next); });
        return;
    }
}

void etcd_client::out_of_time(id own) {
    pending& p = pending_.at(own);
    p.timer = 0;
    const bool in_flight = p.request != 0;
    if (in_flight) endpoints_.failed(p.endpoint, http_loop::clock::now());
    etcd_trouble why = p.last.value_or(etcd_trouble{
        kind::not_sent,
        {errc::unavailable, "no etcd endpoint answered within " + format_duration(patience_of(p.call))}});
    if (in_flight) why.what = kind::broken;
    answer(own, tl::unexpected(std::move(why)));
}

void etcd_client::answer(id own, etcd_result result) {
    auto node = pending_.extract(own);
    if (node.empty()) return;
    pending& p = node.mapped();
    if (p.request != 0) {
        loop_.abort(p.request);
        slot_freed();
    }
    loop_.cancel(p.timer);
    loop_.cancel(p.retry);
    const bool well = result || (result.error().what != kind::not_sent && result.error().what != kind::broken);
    if (options_.meter) options_.meter->answered(http_loop::clock::now() - p.begun, well);
    p.call.done(std::move(result));
}

// ---- the token

void etcd_client::with_token(std::function<void(tl::expected<std::string, etcd_trouble>)> go_on) {
    if (options_.user.empty() || !token_.empty()) return go_on(token_);
    for_token_.push_back(std::move(go_on));
    if (for_token_.size() > 1) return;
    call({.path = "auth/authenticate",
          .body = etcd_login_request(options_.user, options_.password),
          .with_token = false,
          .done = [this](etcd_result r) { logged_in(std::move(r)); }});
}

void etcd_client::logged_in(etcd_result result) {
    tl::expected<std::string, etcd_trouble> token;
    if (!result) {
        token = tl::unexpected(etcd_trouble{kind::not_sent, result.error().why});
    } else if (auto read = etcd_login_answer(*result); read) {
        token = token_ = std::move(*read);
    } else {
        token = tl::unexpected(etcd_trouble{kind::not_sent, read.error()});
    }
    for (auto& go_on : std::exchange(for_token_, {})) go_on(token);
}

void etcd_client::stop() {
    stopped_ = true;
    while (!pending_.empty()) {
        const auto& [own, p] = *pending_.begin();
        answer(own,
               tl::unexpected(etcd_trouble{p.request != 0 ? kind::broken : kind::not_sent, control_stopped()}));
    }
}

} // namespace coppice
