#include "cluster/declared/declared_record.hpp"

#include <algorithm>
#include <limits>

#include "actors/governance/bounded_json.hpp"
#include "cluster/membership/json_record_reader.hpp"
#include "cluster/membership/record_text.hpp"
#include "schema/limits.hpp"
#include "schema/names.hpp"

namespace coppice {
namespace {

constexpr std::uint32_t declared_format = 1;

} // namespace

bool is_kind(std::string_view text) {
    return !text.empty() && text.size() <= limits::name_size_max && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    });
}

std::string declared_key(std::string_view kind, std::string_view name) {
    return std::string{declared_prefix}.append(kind).append("/").append(name);
}

std::string number_counter_key(std::string_view kind) { return std::string{"/counters/"}.append(kind); }

std::string encode(const declared_row& row) {
    return canonical_json({{"format", declared_format},
                           {"number", row.number},
                           {"version", row.version},
                           {"spec", row.spec},
                           {"changed_at", to_rfc3339(row.changed_at)},
                           {"changed_by", row.changed_by}});
}

expected<declared_row> decode_declared(std::string_view key, std::string_view value) {
    declared_row row;
    if (!key.starts_with(declared_prefix)) return fail(errc::invalid_argument, "the key is none of a document");
    key.remove_prefix(declared_prefix.size());
    const auto slash = std::min(key.find('/'), key.size());
    row.kind = key.substr(0, slash);
    row.name = key.substr(std::min(slash + 1, key.size()));
    if (!is_kind(row.kind) || !is_name(row.name))
        return fail(errc::invalid_argument, "the key does not name a kind and a document");
    std::string changed_at;
    json_record_reader reader = json_record_reader::parse(value, limits::control_value_size_max, declared_format);
    reader.number("number", row.number, 1, limits::tenants_max);
    reader.number("version", row.version, 1, std::numeric_limits<std::int64_t>::max());
    reader.text(
        "spec", row.spec, [](auto text) { return !text.empty() && text.size() <= limits::document_size_max; },
        "must be a text");
    reader.text("changed_at", changed_at, is_canonical_time, "must be a time in UTC with microseconds");
    reader.text(
        "changed_by", row.changed_by, [](auto text) { return text.size() <= limits::token_subject_size_max; },
        "must be a short text");
    if (const auto ok = reader.finish(); !ok) return tl::unexpected{ok.error()};
    row.changed_at = *parse_rfc3339(changed_at);
    return row;
}

expected<std::uint32_t> parse_counter(std::string_view stored) {
    if (stored.empty()) return 0;
    const auto number = parse_number(stored, std::numeric_limits<std::uint32_t>::max());
    if (!number) return fail(errc::invalid_argument, "a counter of the control store is not a number");
    return static_cast<std::uint32_t>(*number);
}

} // namespace coppice
