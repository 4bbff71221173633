#include "runtime/auth/jwt.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "runtime/auth/strict_json.hpp"
#include "schema/base64url.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

using nlohmann::json;

constexpr double latest_second = 253'402'300'799; // the last of the year 9999; RFC 3339 ends there

tl::unexpected<failure> refuse(std::string detail) { return fail(errc::unauthenticated, std::move(detail)); }

struct parts {
    std::string_view header, payload, signature;
    std::string_view signed_text; // header, dot, payload, as sent
};

std::optional<parts> split(std::string_view token) {
    const std::size_t first = token.find('.');
    if (first == std::string_view::npos) return std::nullopt;
    const std::size_t second = token.find('.', first + 1);
    if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos)
        return std::nullopt;
    const parts p{token.substr(0, first), token.substr(first + 1, second - first - 1), token.substr(second + 1),
                  token.substr(0, second)};
    if (p.header.empty() || p.payload.empty() || p.signature.empty()) return std::nullopt;
    return p;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

expected<const signing_key*> choose_key(const json& header, std::span<const signing_key> keys) {
    const std::string* alg_name = string_member(header, "alg");
    const auto alg = alg_name ? algorithm_from_name(*alg_name) : std::nullopt;
    if (!alg) return refuse("the token's alg is missing or not accepted");
    if (header.contains("crit")) return refuse("the token's header has crit, and no extension is understood");
    if (header.contains("typ")) {
        const std::string* typ = string_member(header, "typ");
        if (!typ || !equal_ignoring_case(*typ, "JWT")) return refuse("the token's typ is not JWT");
    }
    const signing_key* found = nullptr;
    if (header.contains("kid")) {
        const std::string* kid = string_member(header, "kid");
        if (!kid) return refuse("the token's kid is not a string");
        for (const signing_key& key : keys)
            if (key.kid() == *kid) found = &key;
        if (!found) return refuse("no key of the token's kid is known");
        if (found->alg() != *alg) return refuse("the token's alg is not that of the key");
        return found;
    }
    for (const signing_key& key : keys) {
        if (key.alg() != *alg) continue;
        if (found) return refuse("the token has no kid, and several keys of its alg are known");
        found = &key;
    }
    if (!found) return refuse("no key of the token's alg is known");
    return found;
}

// NumericDate (RFC 7519, 2): seconds, perhaps with a fraction. Nothing when absent.
expected<std::optional<instant>> time_claim(const json& claims, const char* name) {
    const auto found = claims.find(name);
    if (found == claims.end()) return std::optional<instant>{};
    if (!found->is_number()) return refuse("the token's " + std::string{name} + " is not a number");
    const double seconds = found->get<double>();
    if (!(seconds >= 0 && seconds <= latest_second))
        return refuse("the token's " + std::string{name} + " is out of range");
    return std::optional{from_us(static_cast<std::int64_t>(std::floor(seconds * 1e6)))};
}

expected<instant> check_times(const json& claims, instant now) {
    const auto exp = time_claim(claims, "exp"), nbf = time_claim(claims, "nbf"), iat = time_claim(claims, "iat");
    for (const auto* t : {&exp, &nbf, &iat})
        if (!*t) return tl::unexpected{t->error()};
    if (!*exp) return refuse("the token has no exp; tokens without an end are not accepted");
    if (*nbf && **nbf > now + limits::token_leeway) return refuse("the token is not valid yet (nbf)");
    if (*iat && **iat > now + limits::token_leeway) return refuse("the token was issued in the future (iat)");
    if (**exp <= now) return fail(errc::token_expired, "expired at " + to_rfc3339(**exp));
    return **exp;
}

expected<void> check_audience(const json& claims, const verifier_options& options) {
    const auto aud = claims.find("aud");
    bool meant = false;
    if (aud == claims.end()) return fail(errc::token_audience, "the token has no aud");
    if (aud->is_string()) {
        meant = aud->get_ref<const std::string&>() == options.audience;
    } else if (aud->is_array() && aud->size() <= limits::token_audiences_max) {
        for (const json& one : *aud) {
            if (!one.is_string()) return fail(errc::token_audience, "the token's aud is not a list of strings");
            meant = meant || one.get_ref<const std::string&>() == options.audience;
        }
    } else {
        return fail(errc::token_audience, "the token's aud is neither a string nor a short list of them");
    }
    if (!meant) return fail(errc::token_audience, "the token's aud does not contain " + options.audience);
    return {};
}

expected<void> check_issuer(const json& claims, const verifier_options& options) {
    const std::string* iss = string_member(claims, "iss");
    if (claims.contains("iss") && !iss) return refuse("the token's iss is not a string");
    if (options.issuer && (!iss || *iss != *options.issuer))
        return refuse("the token's iss is not the one expected");
    return {};
}

bool is_tenant_name(std::string_view name) {
    const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    return !name.empty() && name.size() <= limits::name_size_max && alnum(name.front()) && alnum(name.back()) &&
           std::ranges::all_of(name, [&](char c) { return alnum(c) || c == '-'; });
}

// What of a principal is wrong, or an empty text.
std::string fault_of(const principal& who) {
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (who.subject.empty() || who.subject.size() > limits::token_subject_size_max ||
        std::ranges::any_of(who.subject, is_control))
        return "sub must be 1 to " + std::to_string(limits::token_subject_size_max) + " bytes of text";
    if (who.tenant && !is_tenant_name(*who.tenant)) return "tenant must be a tenant's name";
    if (!who.tenant && needs_tenant(who.role))
        return "the role " + std::string{to_string(who.role)} + " needs a tenant";
    return {};
}

expected<principal> read_principal(const json& claims) {
    principal who;
    const std::string* role_name = string_member(claims, "role");
    const auto r = role_name ? role_from_name(*role_name) : std::nullopt;
    if (!r) return refuse("the token's role is missing or not known");
    who.role = *r;
    if (claims.contains("tenant")) {
        const std::string* tenant = string_member(claims, "tenant");
        if (!tenant) return refuse("the token's tenant is not a string");
        who.tenant = *tenant;
    }
    if (const std::string* sub = string_member(claims, "sub")) who.subject = *sub;
    if (std::string fault = fault_of(who); !fault.empty()) return refuse("in the token, " + fault);
    return who;
}

std::int64_t whole_seconds(instant t) { return to_us(std::chrono::floor<std::chrono::seconds>(t)) / 1'000'000; }

} // namespace

expected<verified_jws> verify_jws(std::string_view token, std::span<const signing_key> keys) {
    if (token.size() > limits::token_size_max) return refuse("the token is larger than is accepted");
    const auto p = split(token);
    if (!p) return refuse("a token has three parts with dots between them");
    const auto header_text = base64url_decode(p->header);
    auto payload = base64url_decode(p->payload);
    const auto signature = base64url_decode(p->signature);
    if (!header_text || !payload || !signature) return refuse("a part of the token is not strict base64url");
    const auto header = parse_strict_object(*header_text);
    if (!header) return refuse("the token's header is not a strict JSON object");
    const auto key = choose_key(*header, keys);
    if (!key) return tl::unexpected{key.error()};
    if (!(*key)->verify(p->signed_text, *signature)) return refuse("the token's signature is wrong");
    return verified_jws{std::move(*payload), *key};
}

expected<std::string> sign_jws(const signing_key& key, std::string_view payload) {
    const json header{{"alg", to_string(key.alg())}, {"kid", key.kid()}, {"typ", "JWT"}};
    std::string token = base64url_encode(header.dump()) + '.' + base64url_encode(payload);
    const auto signature = key.sign(token);
    if (!signature) return tl::unexpected{signature.error()};
    token += '.' + base64url_encode(*signature);
    if (token.size() > limits::token_size_max)
        return fail(errc::invalid_argument, "the claims make a token larger than is accepted");
    return token;
}

expected<std::string> issue_token(const signing_key& key, const token_claims& claims) {
    if (std::string fault = fault_of(claims.who); !fault.empty()) return fail(errc::invalid_argument, fault);
    if (claims.audience.empty()) return fail(errc::invalid_argument, "a token needs an audience");
    if (whole_seconds(claims.expires_at) <= whole_seconds(std::max(claims.issued_at, never)) ||
        static_cast<double>(whole_seconds(claims.expires_at)) > latest_second)
        return fail(errc::invalid_argument, "a token must end after it begins, and before the year 10000");
    json body{{"role", to_string(claims.who.role)},
              {"sub", claims.who.subject},
              {"aud", claims.audience},
              {"exp", whole_seconds(claims.expires_at)}};
    if (claims.who.tenant) body["tenant"] = *claims.who.tenant;
    if (claims.issuer) body["iss"] = *claims.issuer;
    if (claims.issued_at != never) body["iat"] = whole_seconds(claims.issued_at);
    if (claims.not_before) body["nbf"] = whole_seconds(*claims.not_before);
    std::string text;
    try {
        text = body.dump();
    } catch (const json::type_error&) {
        return fail(errc::invalid_argument, "a claim is not valid UTF-8");
    }
    return sign_jws(key, text);
}

expected<token_verifier> token_verifier::make(std::vector<signing_key> keys, verifier_options options) {
    if (keys.empty() || keys.size() > limits::keys_max)
        return fail(errc::invalid_argument,
                    "there must be 1 to " + std::to_string(limits::keys_max) + " keys to check tokens with");
    if (options.audience.empty()) return fail(errc::invalid_argument, "an empty audience");
    std::set<std::string_view> kids;
    for (const signing_key& key : keys)
        if (!kids.insert(key.kid()).second)
            return fail(errc::invalid_argument, "two keys have the kid " + key.kid());
    return token_verifier{std::move(keys), std::move(options)};
}

expected<verified_token> token_verifier::verify(std::string_view token, instant now) const {
    const auto jws = verify_jws(token, keys_);
    if (!jws) return tl::unexpected{jws.error()};
    const auto claims = parse_strict_object(jws->payload);
    if (!claims) return refuse("the token's claims are not a strict JSON object");
    const auto expires_at = check_times(*claims, now);
    if (!expires_at) return tl::unexpected{expires_at.error()};
    if (const auto ok = check_audience(*claims, options_); !ok) return tl::unexpected{ok.error()};
    if (const auto ok = check_issuer(*claims, options_); !ok) return tl::unexpected{ok.error()};
    auto who = read_principal(*claims);
    if (!who) return tl::unexpected{who.error()};
    return verified_token{std::move(*who), *expires_at, jws->key->kid()};
}

} // namespace coppice
