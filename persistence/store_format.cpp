#include "persistence/store_format.hpp"

#include <algorithm>

#include "persistence/keys.hpp"

namespace coppice {
namespace {

constexpr std::string_view format_key = "format_version";

expected<std::uint32_t> format_of(tables& t) {
    const std::optional<bytes_view> value = t.get(table::meta, as_bytes_view(format_key));
    if (!value || value->size() != sizeof(std::uint32_t))
        return fail(errc::store_damaged, "the store does not say its format version");
    return key_reader{*value}.u32();
}

} // namespace

expected<void> settle_format(tables& t, bool is_new, std::uint32_t version, std::span<const migration> migrations) {
    std::uint32_t found = version;
    if (!is_new) {
        const expected<std::uint32_t> stored = format_of(t);
        if (!stored) return tl::unexpected(stored.error());
        found = *stored;
        if (found == version) return {};
    }
    if (found > version)
        return fail(errc::store_format_newer, "the store has format " + std::to_string(found) +
                                                  ", this program reads up to " + std::to_string(version) +
                                                  "; start the version that wrote it, or a later one");
    for (; found < version; ++found) {
        const auto step = std::ranges::find(migrations, found, &migration::from);
        if (step == migrations.end())
            return fail(errc::store_damaged, "the store has format " + std::to_string(found) +
                                                 ", and there is no way from it to format " +
                                                 std::to_string(version));
        if (expected<void> done = step->run(t); !done) return done;
    }
    t.put(table::meta, as_bytes_view(format_key), row_key{}.u32(version));
    if (t.status() != errc::ok) return fail(t.status(), "the format version could not be written");
    return {};
}

} // namespace coppice
