// What the tests of persistence share: a directory of their own, and the two stores.
#pragma once

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "persistence/lmdb_store.hpp"

namespace coppice::testing {

// In memory where there is such a place: most tests are not about the disk, and wait for it at every commit.
inline std::filesystem::path fast_place() {
    const std::filesystem::path shared_memory = "/dev/shm";
    return std::filesystem::is_directory(shared_memory) ? shared_memory : std::filesystem::temp_directory_path();
}

// A new directory, removed with what is in it.
class scratch_directory {
  public:
    explicit scratch_directory(const std::filesystem::path& place = fast_place()) {
        std::string pattern = (place / "coppice-XXXXXX").string();
        BOOST_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
        path_ = std::filesystem::canonical(pattern);
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

inline constexpr std::array all_tables{
    table::meta,        table::declared, table::tenants,  table::types,     table::counters, table::jobs,
    table::payloads,    table::results,  table::queue,    table::running,   table::timers,   table::dependents,
    table::idempotency, table::logs,     table::evidence, table::events,    table::control,  table::control_mirror,
    table::checkpoints, table::unique,   table::graphs,   table::schedules, table::batches};

inline constexpr std::size_t small_map = std::size_t{64} * 1024 * 1024;

inline lmdb_options options_for(const std::filesystem::path& directory, std::size_t map_bytes = small_map) {
    return {directory / "store.mdb", map_bytes, all_tables, 1, {}};
}

inline std::unique_ptr<store> open_or_fail(const lmdb_options& options) {
    expected<std::unique_ptr<store>> opened = open_lmdb_store(options);
    if (!opened) BOOST_FAIL(to_string(opened.error()));
    return std::move(*opened);
}

inline bytes to_bytes(std::string_view text) {
    const bytes_view view = as_bytes_view(text);
    return {view.begin(), view.end()};
}

inline bytes to_bytes(bytes_view view) { return {view.begin(), view.end()}; }

} // namespace coppice::testing
