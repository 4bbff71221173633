#include "cluster/control/base64.hpp"

#include <cstdint>

namespace coppice {
namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == '+') return 62;
    return c == '/' ? 63 : -1;
}

std::uint32_t byte_at(std::string_view text, std::size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
}

} // namespace

std::string to_base64(std::string_view plain) {
    std::string out;
    out.reserve((plain.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < plain.size(); i += 3) {
        const std::uint32_t bits = byte_at(plain, i) << 16 | byte_at(plain, i + 1) << 8 | byte_at(plain, i + 2);
        out += alphabet[bits >> 18 & 63];
        out += alphabet[bits >> 12 & 63];
        out += i + 1 < plain.size() ? alphabet[bits >> 6 & 63] : '=';
        out += i + 2 < plain.size() ? alphabet[bits & 63] : '=';
    }
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    std::string out;
    out.reserve(text.size() / 4 * 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool pad = i >= text.size() - padding;
        const int value = pad ? 0 : value_of(text[i]);
        if (value < 0) return std::nullopt;
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        if (i % 4 != 3) continue;
        for (const int shift : {16, 8, 0}) out += static_cast<char>(bits >> shift & 0xff);
        bits = 0;
    }
    // What the padding stands for must be zero, or two texts would mean the same bytes.
    for (std::size_t i = 0; i < padding; ++i) {
        if (out.back() != '\0') return std::nullopt;
        out.pop_back();
    }
    return out;
}

} // namespace coppice
