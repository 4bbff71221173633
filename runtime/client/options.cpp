#include "runtime/client/options.hpp"

#include <cstdlib>
#include <fstream>

#include "schema/limits.hpp"

namespace coppice::client {

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

expected<void> validate(const options& checked) {
    const auto colon = checked.server.rfind(':');
    if (colon == std::string::npos || colon == 0 || colon + 1 == checked.server.size() ||
        checked.server.find_first_not_of("0123456789", colon + 1) != std::string::npos ||
        checked.server.size() - colon > 6)
        return fail(errc::invalid_argument, "the server \"" + checked.server + "\" is not host:port");
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
