// DATA/control.mdb: what a node alone has declared. And how that gets into a cluster.
#pragma once

#include <filesystem>
#include <memory>

#include "cluster/control/migrate_control.hpp"
#include "persistence/tables.hpp"
#include "runtime/config/cluster_settings.hpp"

namespace coppice {

// `directory` is locked by this process. Errors: those of open_lmdb_store.
expected<std::unique_ptr<store>> open_control_file(const std::filesystem::path& directory);

// Copies what the node of the directory `data` has declared into the control store of the cluster that `settings`
// describe. No node may serve `data`, and none of the cluster may have been started. Blocks. Errors: not_found when
// there is nothing; data_directory_locked; already_exists, conflict and others as migrate_declared; those of etcd.
expected<control_migration> migrate_node(const std::filesystem::path& data, const cluster_settings& settings);

} // namespace coppice
