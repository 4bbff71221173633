#include "runtime/cli/terminal_text.hpp"

#include <algorithm>
#include <array>

#include "runtime/observability/utf8.hpp"

namespace coppice::cli {
namespace {

struct range {
    char32_t first;
    char32_t last;
};

constexpr std::array acted_upon{range{0, 0x1f},        range{0x7f, 0x9f},     range{0x061c, 0x061c},
                                range{0x200e, 0x200f}, range{0x2028, 0x202e}, range{0x2066, 0x2069},
                                range{0xfeff, 0xfeff}, range{0xfff9, 0xfffb}, range{0xe0000, 0xe007f}};
constexpr std::array wide{range{0x1100, 0x115f},   range{0x2e80, 0x303e},   range{0x3041, 0xa4cf},
                          range{0xa960, 0xa97f},   range{0xac00, 0xd7a3},   range{0xf900, 0xfaff},
                          range{0xfe30, 0xfe6f},   range{0xff00, 0xff60},   range{0xffe0, 0xffe6},
                          range{0x1f300, 0x1f64f}, range{0x1f680, 0x1f6ff}, range{0x1f900, 0x1f9ff},
                          range{0x20000, 0x3fffd}};
constexpr std::array without_width{range{0x0300, 0x036f}, range{0x0483, 0x0489}, range{0x0591, 0x05bd},
                                   range{0x064b, 0x065f}, range{0x0900, 0x0902}, range{0x1ab0, 0x1aff},
                                   range{0x1dc0, 0x1dff}, range{0x200b, 0x200d}, range{0x20d0, 0x20ff},
                                   range{0xfe00, 0xfe0f}, range{0xfe20, 0xfe2f}};

template <std::size_t N>
bool within(char32_t c, const std::array<range, N>& ranges) {
    return std::ranges::any_of(ranges, [c](const range& r) { return r.first <= c && c <= r.last; });
}

void append_hex(std::string& to, char32_t value, int digits) {
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) to += "0123456789abcdef"[(value >> shift) & 0xf];
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
        to += c < 0x80 ? "\\x" : c < 0x10000 ? "\\u" : "\\U";
        append_hex(to, c, c < 0x80 ? 2 : c < 0x10000 ? 4 : 8);
    }
}

void append_json_escape(std::string& to, char32_t c) {
    const auto unit = [&to](char32_t value) {
        to += "\\u";
        append_hex(to, value, 4);
    };
    if (c < 0x10000) return unit(c);
    unit(0xd800 + ((c - 0x10000) >> 10));
    unit(0xdc00 + ((c - 0x10000) & 0x3ff));
}

// Each character through `escape`, which says whether it took it; the rest, made valid, as it is.
template <class Escape>
std::string transform(std::string_view text, Escape escape) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const utf8_character c = decode_utf8(text, at);
        const bool broken = c.value == utf8_replacement && c.size == 1;
        if (!escape(out, c.value)) out += broken ? utf8_replacement_text : text.substr(at, c.size);
        at += c.size;
    }
    return out;
}

std::size_t cells(char32_t c) { return within(c, without_width) ? 0 : within(c, wide) ? 2 : 1; }

} // namespace

std::string printable(std::string_view text) {
    return transform(text, [](std::string& to, char32_t c) {
        if (!within(c, acted_upon)) return false;
        append_escape(to, c);
        return true;
    });
}

std::string printable_lines(std::string_view text) {
    return transform(text, [](std::string& to, char32_t c) {
        if (c == '\n' || c == '\t' || !within(c, acted_upon)) return false;
        append_escape(to, c);
        return true;
    });
}

std::string printable_json(std::string_view json) {
    return transform(json, [](std::string& to, char32_t c) {
        if (!within(c, acted_upon)) return false;
        // In valid JSON these stand between values only; all others in strings only.
        if (c == '\n' || c == '\r' || c == '\t')
            to += ' ';
        else
            append_json_escape(to, c);
        return true;
    });
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    for (std::size_t at = 0; at < text.size();) {
        const utf8_character c = decode_utf8(text, at);
        width += cells(c.value);
        at += c.size;
    }
    return width;
}

std::string cut_to_width(std::string_view text, std::size_t width) {
    if (text.size() <= width || display_width(text) <= width) return std::string{text};
    if (width == 0) return {};
    std::size_t used = 0;
    std::size_t at = 0;
    while (at < text.size()) {
        const utf8_character c = decode_utf8(text, at);
        if (used + cells(c.value) > width - 1) break;
        used += cells(c.value);
        at += c.size;
    }
    std::string out{text.substr(0, at)};
    return out.append("\xe2\x80\xa6");
}

std::string grouped(unsigned long long number) {
    const std::string digits = std::to_string(number);
    std::string out;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) out += ',';
        out += digits[i];
    }
    return out;
}

} // namespace coppice::cli
