#include "runtime/config/quantities.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cstddef>
#include <limits>
#include <utility>

#include "runtime/config/document_errors.hpp"

namespace coppice {

namespace {

constexpr std::array<std::pair<std::string_view, int>, 4> units{
    {{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}}};

std::optional<std::array<std::uint8_t, 4>> ipv4(const std::string& host) {
    std::array<std::uint8_t, 4> address{};
    if (inet_pton(AF_INET, host.c_str(), address.data()) != 1) return std::nullopt;
    return address;
}

std::optional<std::array<std::uint8_t, 16>> ipv6(const std::string& host) {
    std::array<std::uint8_t, 16> address{};
    if (inet_pton(AF_INET6, host.c_str(), address.data()) != 1) return std::nullopt;
    return address;
}

bool is_label(std::string_view label) {
    const auto allowed = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
    };
    return !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
           std::all_of(label.begin(), label.end(), allowed);
}

// RFC 1123. A last label of digits alone is a mistyped address, not a name.
bool is_host_name(std::string_view host) {
    constexpr std::size_t name_size_max = 253;
    if (host.empty() || host.size() > name_size_max) return false;
    for (;;) {
        const std::size_t dot = host.find('.');
        const std::string_view label = host.substr(0, dot);
        if (!is_label(label)) return false;
        if (dot == std::string_view::npos)
            return !std::all_of(label.begin(), label.end(), [](char c) { return c >= '0' && c <= '9'; });
        host.remove_prefix(dot + 1);
    }
}

expected<std::uint16_t> parse_port(std::string_view text) {
    std::uint32_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    const bool whole = error == std::errc{} && end == text.data() + text.size();
    if (!whole || port > 65535 || (text.size() > 1 && text.front() == '0'))
        return fail(errc::invalid_argument, "the port must be from 0 to 65535, not " + shown(text));
    return static_cast<std::uint16_t>(port);
}

// Takes "host" and "port" apart; brackets, where there are any, are left on the host.
expected<std::pair<std::string_view, std::string_view>> split(std::string_view text) {
    const std::size_t colon = text.rfind(':');
    const std::size_t bracket = text.rfind(']');
    if (colon == std::string_view::npos || (bracket != std::string_view::npos && colon < bracket))
        return fail(errc::invalid_argument, "the port is missing: write host:port, not " + shown(text));
    return std::pair{text.substr(0, colon), text.substr(colon + 1)};
}

expected<std::string> parse_host(std::string_view text) {
    const auto wrong = [](std::string why) { return fail(errc::invalid_argument, std::move(why)); };
    if (text.find('\0') != std::string_view::npos) return wrong("the host contains NUL");
    if (text.empty() || text == "*")
        return wrong("the host is missing: write 0.0.0.0:port, or [::]:port, for every address");
    if (text.front() == '[') {
        std::string inner{text.substr(1, text.size() - std::min<std::size_t>(text.size(), 2))};
        if (text.back() != ']' || !ipv6(inner)) return wrong(shown(text) + " is not an IPv6 address in brackets");
        return inner;
    }
    std::string host{text};
    if (ipv4(host) || is_host_name(text)) return host;
    if (ipv6(host)) return wrong("an IPv6 address stands in brackets: [" + host + "]:port");
    return wrong(shown(text) + " is neither an address nor a host name");
}

} // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) {
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc{}) return std::nullopt;
    const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
    const std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    if (rest.empty()) return count <= most ? std::optional{count} : std::nullopt;
    for (const auto& [name, shift] : units) {
        if (rest != name) continue;
        return count <= (most >> shift) ? std::optional{count << shift} : std::nullopt;
    }
    return std::nullopt;
}

std::string format_size(std::uint64_t bytes) {
    for (const auto& [name, shift] : units)
        if (bytes > 0 && bytes % (std::uint64_t{1} << shift) == 0)
            return std::to_string(bytes >> shift) + std::string{name};
    return std::to_string(bytes);
}

expected<endpoint> parse_endpoint(std::string_view text) {
    const auto parts = split(text);
    if (!parts) return tl::unexpected{parts.error()};
    auto host = parse_host(parts->first);
    if (!host) return tl::unexpected{host.error()};
    const auto port = parse_port(parts->second);
    if (!port) return tl::unexpected{port.error()};
    return endpoint{std::move(*host), *port};
}

std::string to_string(const endpoint& where) {
    const bool v6 = where.host.find(':') != std::string::npos;
    return (v6 ? '[' + where.host + ']' : where.host) + ':' + std::to_string(where.port);
}

bool is_loopback(const endpoint& where) {
    if (const auto address = ipv4(where.host)) return (*address)[0] == 127;
    if (const auto address = ipv6(where.host)) {
        std::array<std::uint8_t, 16> loopback{};
        loopback[15] = 1;
        const std::array<std::uint8_t, 13> mapped_127{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
        return *address == loopback || std::equal(mapped_127.begin(), mapped_127.end(), address->begin());
    }
    std::string name = where.host;
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return name == "localhost";
}

} // namespace coppice
