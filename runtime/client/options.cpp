#include "runtime/client/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>

namespace coppice::client {
namespace {

bool is_host_and_port(const std::string& server) {
    const auto colon = server.rfind(':');
    return colon != std::string::npos && colon != 0 && colon + 1 != server.size() && server.size() - colon <= 6 &&
           server.find_first_not_of("0123456789", colon + 1) == std::string::npos;
}

} // namespace

options options_from_environment(const std::function<const char*(const char*)>& lookup) {
    const auto value = [&](const char* name) -> std::string {
        const char* found = lookup ? lookup(name) : std::getenv(name);
        return found ? found : "";
    };
    options o;
    if (auto server = value("COPPICE_SERVER"); !server.empty()) o.server = std::move(server);
    o.token = value("COPPICE_TOKEN");
    o.token_file = value("COPPICE_TOKEN_FILE");
    if (auto ca = value("COPPICE_TLS_CA"); !ca.empty()) {
        o.tls.enabled = true;
        if (ca != "system") o.tls.ca_file = std::move(ca);
    }
    o.tls.name = value("COPPICE_TLS_NAME");
    return o;
}

expected<std::string> current_token(const options& from) {
    if (from.token_file.empty()) return from.token;
    std::ifstream file(from.token_file);
    std::string line;
    // A file may be anything, such as a device without an end: no more is read than a token may have.
    for (char c = 0; line.size() <= limits::token_size_max && file.get(c) && c != '\n';) line += c;
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) return fail(errc::unauthenticated, "no token could be read from " + from.token_file);
    if (line.size() > limits::token_size_max)
        return fail(errc::unauthenticated, from.token_file +
                                               " does not hold a token: its first line has more than " +
                                               std::to_string(limits::token_size_max) + " bytes");
    return line;
}

std::vector<std::string> servers_of(const options& from) {
    std::vector<std::string> servers;
    for (std::size_t at = 0; at <= from.server.size();) {
        const auto end = std::min(from.server.find(',', at), from.server.size());
        std::string one = from.server.substr(at, end - at);
        one.erase(0, std::min(one.find_first_not_of(' '), one.size()));
        one.erase(one.find_last_not_of(' ') + 1);
        servers.push_back(std::move(one));
        at = end + 1;
    }
    return servers;
}

expected<void> validate(const options& checked) {
    const auto servers = servers_of(checked);
    if (servers.size() > limits::client_servers_max)
        return fail(errc::invalid_argument, std::to_string(servers.size()) + " servers are listed, more than " +
                                                std::to_string(limits::client_servers_max));
    for (const std::string& server : servers)
        if (!is_host_and_port(server))
            return fail(errc::invalid_argument, "the server \"" + server + "\" is not host:port");
    if (checked.backoff_min.count() < 0 || checked.backoff_max < checked.backoff_min ||
        checked.backoff_max > milliseconds{1000})
        return fail(errc::invalid_argument, "the backoff must be 0 <= min <= max <= 1 s");
    if (checked.connect_timeout.count() <= 0 || checked.call_timeout.count() <= 0 || checked.retry_for.count() < 0)
        return fail(errc::invalid_argument, "timeouts must be above 0");
    if (checked.token.size() > limits::token_size_max)
        return fail(errc::invalid_argument, "the token has " + std::to_string(checked.token.size()) +
                                                " bytes, more than " + std::to_string(limits::token_size_max));
    return {};
}

} // namespace coppice::client
