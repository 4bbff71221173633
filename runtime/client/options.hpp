// Where a client connects, as whom, and how patient it is.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "schema/errc.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice::client {

inline constexpr const char* default_server = "127.0.0.1:7400";

// With which of several nodes a client begins.
enum class server_order : std::uint8_t {
    random,    // so that many clients with one list spread over the nodes
    as_listed, // the first
};

struct tls_options {
    bool enabled = false;
    std::string ca_file; // PEM; empty: the system's trust store
    std::string name;    // the name that a node's certificate must bear; empty: the host that was connected to
};

struct options {
    // "host:port", "[v6]:port"; several addresses of a name are tried in turn. Several nodes of a cluster with
    // commas between them: any of them takes any call, and when one is lost the next in the list is used.
    std::string server = default_server;
    server_order order = server_order::random;
    std::string token;
    std::string token_file; // when set, read anew at every login, so that a renewed token is taken up by itself
    tls_options tls;
    milliseconds connect_timeout{5000}; // TCP, TLS and login together
    milliseconds backoff_min{20};       // between rounds through all nodes of the list
    milliseconds backoff_max{1000};     // at most a second: a node that came back is found soon
    milliseconds unavailable_patience{limits::client_unavailable_patience}; // with a node that says so, of several
    milliseconds retry_for{30'000};    // a call that is safe to repeat is repeated this long; 0: never
    milliseconds call_timeout{60'000}; // an answer that takes longer (besides a long poll's own wait) is given up
    std::string client_version = "coppice-cpp";
};

// The options that the environment asks for: COPPICE_SERVER, COPPICE_TOKEN, COPPICE_TOKEN_FILE, COPPICE_TLS_CA
// (a file, or "system"), COPPICE_TLS_NAME. `lookup` is getenv unless given.
options options_from_environment(const std::function<const char*(const char*)>& lookup = {});

// The token to present now: the file's first line when there is a file, otherwise `token`. `unauthenticated` when
// the file cannot be read or holds more than limits::token_size_max.
expected<std::string> current_token(const options& from);

// The nodes in `server`, in their order; spaces around them don't count.
std::vector<std::string> servers_of(const options& from);

// `invalid_argument` when an address has no port, there are more than limits::client_servers_max, or a bound is
// nonsense.
expected<void> validate(const options& checked);

} // namespace coppice::client
