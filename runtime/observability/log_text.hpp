// How a log line is written: pure text in, one line out. Whatever the text holds (newlines, escape sequences of a
// terminal, broken UTF-8, a token), what comes out is one line of valid UTF-8 that says no secret.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "schema/time.hpp"

namespace coppice {

enum class log_level : std::uint8_t { trace, debug, info, warn, error, off };

std::string_view to_string(log_level level); // "info"

// A name and a typed value. It borrows both: a field lives no longer than the call that it is an argument of.
struct log_field {
    using value_type = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;

    log_field(std::string_view n, std::string_view v) : name(n), value(v) {}
    log_field(std::string_view n, const char* v) : name(n), value(std::string_view{v}) {}
    log_field(std::string_view n, const std::string& v) : name(n), value(std::string_view{v}) {}
    log_field(std::string_view n, std::same_as<bool> auto v) : name(n), value(v) {}
    log_field(std::string_view n, std::floating_point auto v) : name(n), value(static_cast<double>(v)) {}
    log_field(std::string_view n, std::signed_integral auto v) : name(n), value(static_cast<std::int64_t>(v)) {}
    template <std::unsigned_integral T>
    requires(!std::same_as<T, bool>) log_field(std::string_view n, T v)
        : name(n), value(static_cast<std::uint64_t>(v)) {}

    std::string_view name;
    value_type value;
};

struct rendered_line {
    instant time = never;
    log_level level = log_level::info;
    std::string_view component; // may be empty
    std::string_view message;
    std::span<const log_field> fields;
};

// {"time":"...","level":"info","component":"edge","message":"...","pid":7}, without a newline. A field whose name
// is taken already gets underscores until it is not: no name stands twice in a line.
std::string json_text(const rendered_line& line);

// 2026-11-20T19:55:01.123456Z INFO  edge: node started pid=7 data=/var/lib/coppice
std::string terminal_text(const rendered_line& line);

// `text` in JSON's quotes: ASCII controls, DEL, C1 controls and the characters that turn the direction of text are
// escaped, each byte that is not part of valid UTF-8 becomes U+FFFD.
void append_json_string(std::string& to, std::string_view text);

// `text` with everything that looks like a token (base64url parts with dots between, the first beginning with
// "eyJ", which is `{"`) replaced by "[scrubbed]". Linear in the size of the text.
std::string scrub_tokens(std::string_view text);

// Does a field of this name hold a secret: token, secret, password, authorization, key, or "..._token" and the
// like?
bool names_a_secret(std::string_view name);

} // namespace coppice
