// The node's result store, as its configuration says, and who looks after it.
#pragma once

#include "runtime/config/node_config.hpp"
#include "runtime/results/result_sweep.hpp"

namespace coppice {

class cluster_side;

struct node_results {
    std::shared_ptr<result_desk> desk; // null: none is configured
    std::unique_ptr<result_sweep> sweep;

    void stop(); // after everything that uses the desk
};

// Blocks on the disk. `data`: the node's tables, and `directory` where they are; `cluster`: null on a node alone.
// Both outlive what is made.
expected<node_results> open_results(const node_config& config, store& data, const std::filesystem::path& directory,
                                    cluster_side* cluster, const logger& log);

} // namespace coppice
