#include "runtime/observability/log_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "runtime/observability/utf8.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

constexpr std::string_view scrubbed = "[scrubbed]";
constexpr std::string_view cut_mark = "...[cut]";
// Controls act on a terminal; the others make a line read differently from what it says.
bool must_escape(char32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x200e && c <= 0x200f) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

void append_escape(std::string& to, char32_t c) {
    switch (c) {
    case '\n':
        to += "\\n";
        return;
    case '\r':
        to += "\\r";
        return;
    case '\t':
        to += "\\t";
        return;
    default:
        break;
    }
    constexpr std::string_view digits = "0123456789abcdef";
    to += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) to += digits[c >> shift & 15];
}

void append_escaped(std::string& to, std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const utf8_character c = decode_utf8(text, at);
        if (must_escape(c.value)) {
            append_escape(to, c.value);
        } else if (c.value == '"' || c.value == '\\') {
            to += '\\';
            to += static_cast<char>(c.value);
        } else if (c.value == utf8_replacement) {
            to += utf8_replacement_text;
        } else {
            to += text.substr(at, c.size);
        }
        at += c.size;
    }
}

bool is_base64url(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

std::size_t run_end(std::string_view text, std::size_t at) {
    while (at < text.size() && is_base64url(text[at])) ++at;
    return at;
}

// Text of anybody's, made safe to write: scrubbed first, so that a cut never leaves half a token.
std::string safe(std::string_view text) {
    std::string clean = scrub_tokens(text);
    if (clean.size() > limits::log_text_size_max) {
        clean.resize(utf8_prefix(clean, limits::log_text_size_max).size());
        clean += cut_mark;
    }
    return clean;
}

std::string number_text(double value) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
    std::array<char, 32> text{};
    return {text.data(), std::to_chars(text.data(), text.data() + text.size(), value).ptr};
}

struct rendered {
    std::string text;
    bool quoted; // a string, in JSON
};

rendered render(const log_field& field) {
    if (names_a_secret(field.name)) return {std::string{scrubbed}, true};
    struct visitor {
        rendered operator()(std::string_view v) const { return {safe(v), true}; }
        rendered operator()(std::int64_t v) const { return {std::to_string(v), false}; }
        rendered operator()(std::uint64_t v) const { return {std::to_string(v), false}; }
        rendered operator()(double v) const { return {number_text(v), !std::isfinite(v)}; }
        rendered operator()(bool v) const { return {v ? "true" : "false", false}; }
    };
    return std::visit(visitor{}, field.value);
}

bool is_plain(std::string_view text) {
    return !text.empty() && std::ranges::none_of(text, [](char c) {
        return c == ' ' || c == '"' || c == '=' || c == '\\' || static_cast<unsigned char>(c) < 0x20;
    });
}

} // namespace

std::string_view to_string(log_level level) {
    constexpr std::array<std::string_view, 6> names{"trace", "debug", "info", "warn", "error", "off"};
    return names[static_cast<std::size_t>(level)];
}

void append_json_string(std::string& to, std::string_view text) {
    to += '"';
    append_escaped(to, text);
    to += '"';
}

std::string scrub_tokens(std::string_view text) {
    std::string clean;
    std::size_t copied = 0, at = 0;
    while ((at = text.find("eyJ", at)) != std::string_view::npos) {
        const std::size_t header_end = run_end(text, at);
        const bool dotted = header_end < text.size() && text[header_end] == '.';
        const std::size_t claims_end = dotted ? run_end(text, header_end + 1) : header_end;
        if (!dotted || claims_end == header_end + 1) {
            at = claims_end;
            continue;
        }
        std::size_t end = claims_end;
        while (end < text.size() && (is_base64url(text[end]) || text[end] == '.')) ++end;
        clean += text.substr(copied, at - copied);
        clean += scrubbed;
        copied = at = end;
    }
    clean += text.substr(copied);
    return clean;
}

bool names_a_secret(std::string_view name) {
    std::string lower{name};
    for (char& c : lower)
        if (c == '-')
            c = '_';
        else if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c + 32);
    // Not "_key": concurrency_key and idempotency_key are what an operator looks for.
    constexpr std::array<std::string_view, 5> exact{"key", "api_key", "access_key", "private_key", "signing_key"};
    constexpr std::array<std::string_view, 4> last{"token", "secret", "password", "authorization"};
    const auto ends_so = [&](std::string_view word) {
        return lower.ends_with(word) &&
               (lower.size() == word.size() || lower[lower.size() - word.size() - 1] == '_');
    };
    return std::ranges::find(exact, lower) != exact.end() || std::ranges::any_of(last, ends_so);
}

std::string json_text(const rendered_line& line) {
    std::vector<std::string> taken{"time", "level", "component", "message"};
    std::string text = R"({"time":")" + to_rfc3339(line.time) + R"(","level":")";
    text += to_string(line.level);
    text += '"';
    const auto add = [&](std::string_view name, const rendered& value) {
        text += ',';
        append_json_string(text, name);
        text += ':';
        if (value.quoted)
            append_json_string(text, value.text);
        else
            text += value.text;
    };
    if (!line.component.empty()) add("component", {safe(line.component), true});
    add("message", {safe(line.message), true});
    for (const log_field& field : line.fields) {
        std::string name = safe(field.name);
        while (std::ranges::find(taken, name) != taken.end()) name += '_';
        add(name, render(field));
        taken.push_back(std::move(name));
    }
    text += '}';
    return text;
}

std::string terminal_text(const rendered_line& line) {
    std::string level{to_string(line.level)};
    for (char& c : level) c = static_cast<char>(c - 32);
    level.resize(5, ' ');
    std::string text = to_rfc3339(line.time) + ' ' + level + ' ';
    if (!line.component.empty()) {
        append_escaped(text, safe(line.component));
        text += ": ";
    }
    append_escaped(text, safe(line.message));
    for (const log_field& field : line.fields) {
        text += ' ';
        append_escaped(text, safe(field.name));
        text += '=';
        const rendered value = render(field);
        if (is_plain(value.text))
            append_escaped(text, value.text);
        else
            append_json_string(text, value.text);
    }
    return text;
}

} // namespace coppice
