// The nodes of a cluster, for commands that ask all of them.
#pragma once

#include <string>
#include <vector>

#include "runtime/cli/commands.hpp"

namespace coppice::cli {

// Whom to ask: what to call it, and where. A node alone has no name, and is where the flags say.
struct asked_node {
    std::string name;
    std::string server;
};

inline client::options options_for(const connection_flags& connection, const asked_node& whom) {
    auto options = connect_options(connection, patience::none);
    if (!whom.server.empty()) options.server = whom.server;
    return options;
}

inline expected<std::vector<asked_node>> every_node(const connection_flags& connection) {
    client::blocking_client node(connect_options(connection, patience::none));
    const auto nodes = node.nodes();
    if (!nodes && nodes.error().code == errc::invalid_argument) return std::vector<asked_node>{{}};
    if (!nodes) return tl::unexpected(nodes.error());
    std::vector<asked_node> asked;
    for (const client::node_view& each : *nodes)
        if (each.state != "removed") asked.push_back({each.name, each.rpc});
    return asked;
}

} // namespace coppice::cli
