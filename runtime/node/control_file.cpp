#include "runtime/node/control_file.hpp"

#include <array>

#include "cluster/control/etcd_control_store.hpp"
#include "cluster/declared/migrate_declared.hpp"
#include "persistence/data_directory.hpp"
#include "persistence/lmdb_store.hpp"

namespace coppice {
namespace {

constexpr const char* file_name = "control.mdb";
constexpr std::size_t map_bytes = std::size_t{1} << 30;
constexpr std::uint32_t format_version = 1;
constexpr std::array used{table::meta, table::declared, table::control}; // the last is for a migration

} // namespace

expected<std::unique_ptr<store>> open_control_file(const std::filesystem::path& directory) {
    return open_lmdb_store({directory / file_name, map_bytes, used, format_version});
}

expected<control_migration> migrate_node(const std::filesystem::path& data, const cluster_settings& settings) {
    std::error_code error;
    if (!std::filesystem::exists(data / file_name, error)) // opening would make it
        return fail(errc::not_found, data.string() + " is not the data directory of a node");
    const auto directory = data_directory::open(data);
    if (!directory) return tl::unexpected(directory.error());
    const auto from = open_control_file(directory->path());
    if (!from) return tl::unexpected(from.error());
    auto etcd = options_of(settings.etcd);
    if (!etcd) return tl::unexpected(etcd.error());
    const auto into = make_etcd_control_store(std::move(*etcd));
    if (!into) return tl::unexpected(into.error());
    return migrate_declared(**from, **into);
}

} // namespace coppice
