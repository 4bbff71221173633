#include "cluster/membership/shard_record.hpp"

#include <algorithm>
#include <limits>

#include "actors/governance/bounded_json.hpp"
#include "cluster/membership/json_record_reader.hpp"
#include "cluster/membership/record_text.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

constexpr std::uint32_t shard_format = 1;
constexpr std::string_view shard_key_prefix = "/shards/";
constexpr std::uint32_t node_max = std::numeric_limits<std::uint32_t>::max();

bool rises(const std::vector<node_id>& nodes) {
    return std::ranges::adjacent_find(nodes, std::greater_equal<>{}) == nodes.end() &&
           (nodes.empty() || nodes.front().value != 0);
}

nlohmann::json numbers_of(const std::vector<node_id>& nodes) {
    auto list = nlohmann::json::array();
    for (const node_id node : nodes) list.push_back(node.value);
    return list;
}

} // namespace

std::string shard_key(shard_id shard) { return std::string{shard_key_prefix} + std::to_string(shard.value); }

std::optional<shard_id> parse_shard_key(std::string_view key) {
    if (!key.starts_with(shard_key_prefix)) return std::nullopt;
    const auto number = parse_number(key.substr(shard_key_prefix.size()), limits::shards_max - 1);
    if (!number) return std::nullopt;
    return shard_id{static_cast<std::uint16_t>(*number)};
}

expected<void> validate(const shard_config& config) {
    const auto wrong = [](const char* what) { return fail(errc::invalid_argument, what); };
    if (config.replicas.empty() || config.replicas.size() > limits::replicas_max)
        return wrong("replicas must be one at least, and at most limits::replicas_max");
    if (!rises(config.replicas)) return wrong("replicas must rise, without repetition, from 1");
    if (!rises(config.in_sync)) return wrong("in_sync must rise, without repetition, from 1");
    if (!std::ranges::includes(config.replicas, config.in_sync)) return wrong("in_sync is not a part of replicas");
    if (!std::ranges::binary_search(config.in_sync, config.primary)) return wrong("primary is not in sync");
    return {};
}

std::string encode(const shard_config& config) {
    return canonical_json({{"format", shard_format},
                           {"epoch", config.epoch},
                           {"primary", config.primary.value},
                           {"in_sync", numbers_of(config.in_sync)},
                           {"replicas", numbers_of(config.replicas)}});
}

expected<shard_config> decode_shard_config(std::string_view json, std::uint64_t version) {
    shard_config config;
    config.version = version;
    const auto into = [](std::vector<node_id>& nodes) {
        return [&nodes](std::uint64_t n) { nodes.push_back({static_cast<std::uint32_t>(n)}); };
    };
    json_record_reader reader = json_record_reader::parse(json, limits::shard_record_size_max, shard_format);
    reader.number("epoch", config.epoch, 0, std::numeric_limits<std::uint64_t>::max());
    reader.number("primary", config.primary.value, 1, node_max);
    reader.numbers("in_sync", limits::replicas_max, 1, node_max, into(config.in_sync));
    reader.numbers("replicas", limits::replicas_max, 1, node_max, into(config.replicas));
    if (const auto ok = reader.finish(); !ok) return tl::unexpected{ok.error()};
    if (const auto ok = validate(config); !ok) return tl::unexpected{ok.error()};
    return config;
}

} // namespace coppice
