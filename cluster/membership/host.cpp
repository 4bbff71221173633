#include "cluster/membership/host.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>

#include "schema/names.hpp"

namespace coppice {

bool is_dns_name(std::string_view text) {
    if (text.empty() || text.size() > limits::host_size_max) return false;
    for (;;) {
        const auto dot = text.find('.');
        const std::string_view label = text.substr(0, dot);
        if (!is_name(label)) return false;
        if (dot == std::string_view::npos)
            return !std::ranges::all_of(label, [](char c) { return c >= '0' && c <= '9'; });
        text.remove_prefix(dot + 1);
    }
}

std::string ip_bytes(std::string_view text) {
    if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos) return {};
    const std::string literal{text};
    std::array<char, sizeof(in6_addr)> bytes{};
    std::array<char, INET6_ADDRSTRLEN> canonical{};
    for (const auto& [family, size] : {std::pair{AF_INET, sizeof(in_addr)}, std::pair{AF_INET6, sizeof(in6_addr)}})
        if (::inet_pton(family, literal.c_str(), bytes.data()) == 1 &&
            ::inet_ntop(family, bytes.data(), canonical.data(), canonical.size()) != nullptr)
            return literal == canonical.data() ? std::string{bytes.data(), size} : std::string{};
    return {};
}

bool is_host(std::string_view text) { return is_dns_name(text) || !ip_bytes(text).empty(); }

} // namespace coppice
