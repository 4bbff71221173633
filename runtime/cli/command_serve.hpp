// The flags of `coppice serve`, laid over what its configuration file says.
#pragma once

#include <optional>
#include <string>

#include "runtime/config/node_config.hpp"

namespace coppice::cli {

struct serve_flags {
    std::string config;                        // a file; empty: none
    std::optional<std::string> data;           // the rest: what the file says, or the default
    std::optional<std::string> listen;         // host:port
    std::optional<std::string> metrics_listen; // host:port
    bool paused = false;
    bool development = false;
    // To join a cluster first:
    std::string join;                       // a token, or @FILE; empty: no
    std::optional<std::string> at;          // host:port of a node that lets others in
    std::optional<std::string> peer_listen; // host:port
    std::string zone;
};

// document_invalid for a file with errors, invalid_argument for a flag; the detail names every one.
expected<node_config> serve_config(const serve_flags& flags);

// Joins as the flags say, unless the data directory has joined already; what to serve. Blocks.
expected<node_config> join_config(const serve_flags& flags);

} // namespace coppice::cli
