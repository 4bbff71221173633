#include "actors/governance/json_schema_uri.hpp"

#include <cctype>
#include <vector>

#include "actors/governance/hex_value.hpp"

namespace coppice::json_schema {
namespace {

struct uri_parts {
    std::string_view scheme;    // with ":", or empty
    std::string_view authority; // with "//", or empty
    std::string_view path;
    std::string_view query; // with "?", or empty
};

uri_parts split(std::string_view text) {
    uri_parts parts;
    const auto colon = text.find_first_of(":/?");
    const bool letter = !text.empty() && std::isalpha(static_cast<unsigned char>(text[0])) != 0;
    if (letter && colon != std::string_view::npos && text[colon] == ':') {
        parts.scheme = text.substr(0, colon + 1);
        text.remove_prefix(colon + 1);
    }
    if (text.starts_with("//")) {
        parts.authority = text.substr(0, text.find_first_of("/?", 2));
        text.remove_prefix(parts.authority.size());
    }
    parts.path = text.substr(0, text.find('?'));
    parts.query = text.substr(parts.path.size());
    return parts;
}

std::string without_dots(std::string_view path) {
    std::vector<std::string_view> kept;
    const bool rooted = path.starts_with('/');
    bool directory = false;
    if (rooted) path.remove_prefix(1);
    while (true) {
        const auto slash = path.find('/');
        const auto part = path.substr(0, slash);
        directory = part == "." || part == "..";
        if (part == ".." && !kept.empty()) kept.pop_back();
        if (!directory) kept.push_back(part);
        if (slash == std::string_view::npos) break;
        path.remove_prefix(slash + 1);
    }
    std::string text{rooted ? "/" : ""};
    for (std::size_t i = 0; i < kept.size(); ++i) {
        if (i > 0) text += '/';
        text += kept[i];
    }
    if (directory && !kept.empty()) text += '/';
    return text;
}

std::string merged(const uri_parts& base, std::string_view path) {
    if (!base.authority.empty() && base.path.empty()) return "/" + std::string{path};
    const auto slash = base.path.rfind('/');
    const auto folder = slash == std::string_view::npos ? std::string_view{} : base.path.substr(0, slash + 1);
    return std::string{folder} + std::string{path};
}

// Well-formed UTF-8 after RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text) {
    const auto at = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
    for (std::size_t i = 0; i < text.size();) {
        const unsigned first = at(i);
        if (first < 0x80U) {
            ++i;
            continue;
        }
        const std::size_t more = first >= 0xf0U ? 3 : first >= 0xe0U ? 2 : 1;
        if (first < 0xc2U || first > 0xf4U) return false;
        const unsigned second = at(i + 1);
        const unsigned low = first == 0xe0U ? 0xa0U : first == 0xf0U ? 0x90U : 0x80U;
        const unsigned high = first == 0xedU ? 0x9fU : first == 0xf4U ? 0x8fU : 0xbfU;
        if (second < low || second > high) return false;
        for (std::size_t k = 2; k <= more; ++k)
            if ((at(i + k) & 0xc0U) != 0x80U) return false;
        i += more + 1;
    }
    return true;
}

std::optional<std::string> percent_decoded(std::string_view text) {
    std::string decoded;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
            continue;
        }
        const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
        const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
        if (high < 0 || low < 0) return std::nullopt;
        decoded += static_cast<char>(high * 16 + low);
        i += 2;
    }
    if (!is_utf8(decoded)) return std::nullopt;
    return decoded;
}

} // namespace

std::optional<uri_reference> resolve(std::string_view base, std::string_view reference) {
    uri_reference result;
    if (const auto hash = reference.find('#'); hash != std::string_view::npos) {
        auto fragment = percent_decoded(reference.substr(hash + 1));
        if (!fragment) return std::nullopt;
        result.fragment = std::move(*fragment);
        reference = reference.substr(0, hash);
    }
    const uri_parts from = split(base);
    const uri_parts to = split(reference);
    const auto text = [](std::string_view part) { return std::string{part}; };
    if (!to.scheme.empty())
        result.uri = text(reference);
    else if (!to.authority.empty())
        result.uri = text(from.scheme) + text(to.authority) + without_dots(to.path) + text(to.query);
    else if (to.path.empty())
        result.uri = text(from.scheme) + text(from.authority) + text(from.path) +
                     text(to.query.empty() ? from.query : to.query);
    else
        result.uri = text(from.scheme) + text(from.authority) +
                     without_dots(to.path.starts_with('/') ? text(to.path) : merged(from, to.path)) +
                     text(to.query);
    return result;
}

} // namespace coppice::json_schema
