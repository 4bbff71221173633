// A shard's configuration as it stands in the control store: canonical JSON under `/shards/<number>`.
//
//     {"epoch":7,"format":1,"in_sync":[1,3],"primary":1,"replicas":[1,2,3]}
//
// `version` is not in the value: the store gives it with every write, and hands it over with every read. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cluster/replication/shard_config.hpp"
#include "schema/errc.hpp"

namespace coppice {

std::string shard_key(shard_id shard); // "/shards/7"
// The number in such a key, in its one spelling; 0 to limits::shards_max - 1.
std::optional<shard_id> parse_shard_key(std::string_view key);

// Whether the configuration keeps the invariants of shard_config.hpp: errc::invalid_argument says which it breaks.
// A shard has 1 to limits::replicas_max replicas. Epoch 0: nobody has led it yet.
expected<void> validate(const shard_config& config);

// What validate refuses must not be given.
std::string encode(const shard_config& config);
// `version`: the key's, as the store gave it. errc::invalid_argument.
expected<shard_config> decode_shard_config(std::string_view json, std::uint64_t version);

} // namespace coppice
