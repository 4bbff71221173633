// Strong ids. A job's id is a UUIDv7 (RFC 9562) that says where the job lives: any node can route, and any edge can
// check the tenant, by the id alone, without a read.
//
//   48 bits  milliseconds since the epoch          ids sort by time of submission
//    4 bits  version 7
//   12 bits  rand_a: shard                         (design: any node routes by id)
//    2 bits  variant
//   24 bits  rand_b, high: tenant number           limits.hpp, tenants_max
//   38 bits  rand_b, low: a counter that starts anew, at random, each millisecond (RFC 9562, 6.2, method 1)
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "schema/big_endian.hpp"

namespace coppice {

template <class Tag, class Rep>
struct strong_id {
    using rep = Rep;
    Rep value{};
    constexpr auto operator<=>(const strong_id&) const = default;
};

using shard_id = strong_id<struct shard_tag, std::uint16_t>; // 0 .. 4095
// A member of the cluster: 1 .., given when it joins, never reused. 0 stands for "none". A worker's id carries its
// low 16 bits.
using node_id = strong_id<struct node_tag, std::uint32_t>;
using tenant_id =
    strong_id<struct tenant_tag, std::uint32_t>;           // 1 .. 2^24 - 1, given at the first apply, never reused
using type_id = strong_id<struct type_tag, std::uint32_t>; // 1 .., as tenant_id
using schedule_id = strong_id<struct schedule_tag, std::uint32_t>; // as tenant_id
// A session of a worker: 32 bits the life of the node, 1 bit whether it is the node's own executor, which ends with
// the node and does not come back, 31 bits a counter. Never reused; 0 stands for "none".
using worker_id = strong_id<struct worker_tag, std::uint64_t>;
constexpr worker_id make_worker_id(std::uint32_t life, std::uint32_t count, bool is_local) {
    return {std::uint64_t{life} << 32 | (is_local ? 1U << 31 : 0U) | count};
}
// Where a tenant lives, for good: of `shards`, 1 to limits::cluster_shards_max.
constexpr shard_id shard_of(tenant_id tenant, std::size_t shards) {
    return {static_cast<std::uint16_t>(tenant.value % shards)};
}
// All shards of a cluster that has so many, by number.
inline std::vector<shard_id> all_shards(std::size_t count) {
    std::vector<shard_id> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back({static_cast<std::uint16_t>(i)});
    return all;
}
constexpr bool is_local(worker_id id) { return (id.value >> 31 & 1) != 0; }

struct job_id {
    std::array<std::uint8_t, 16> bytes{};

    static job_id make(std::uint64_t time_ms, shard_id shard, tenant_id tenant, std::uint64_t counter);
    // Accepts the canonical 36 characters only, lower or upper case, version 7.
    static std::optional<job_id> parse(std::string_view text);
    // The two halves as big-endian numbers: how an id travels in Cap'n Proto.
    static job_id from_halves(std::uint64_t high, std::uint64_t low) {
        job_id id;
        store_big_endian(id.bytes.data(), high);
        store_big_endian(id.bytes.data() + 8, low);
        return id;
    }

    std::uint64_t high() const { return load_big_endian<std::uint64_t>(bytes.data()); }
    std::uint64_t low() const { return load_big_endian<std::uint64_t>(bytes.data() + 8); }
    std::uint64_t time_ms() const { return high() >> 16; }
    shard_id shard() const { return {static_cast<std::uint16_t>(high() & 0xfff)}; }
    tenant_id tenant() const { return {static_cast<std::uint32_t>((low() >> 38) & 0xffffff)}; }
    bool is_nil() const { return high() == 0 && low() == 0; }

    // As the bytes compare, a half at a time.
    bool operator==(const job_id& other) const { return high() == other.high() && low() == other.low(); }
    std::strong_ordering operator<=>(const job_id& other) const {
        const auto by_high = high() <=> other.high();
        return by_high != 0 ? by_high : low() <=> other.low();
    }
};

std::string to_string(const job_id& id);

// An execution of a job. The number is its fencing token: it only grows, and whoever reports names it.
struct attempt_ref {
    job_id job;
    std::uint32_t attempt = 0; // 1 is the first
    auto operator<=>(const attempt_ref&) const = default;
};

// Mints ids in order: within a millisecond the counter grows by one, and a clock that steps back is held at the
// last time seen, so ids from one minter never repeat and always sort by order of minting. Not thread-safe.
class job_id_minter {
  public:
    job_id next(std::uint64_t now_ms, shard_id shard, tenant_id tenant, std::uint64_t random);

  private:
    std::uint64_t last_ms_ = 0;
    std::uint64_t counter_ = 0;
};

} // namespace coppice

template <class Tag, class Rep>
struct std::hash<coppice::strong_id<Tag, Rep>> {
    std::size_t operator()(coppice::strong_id<Tag, Rep> id) const noexcept { return std::hash<Rep>{}(id.value); }
};

template <>
struct std::hash<coppice::job_id> {
    std::size_t operator()(const coppice::job_id& id) const noexcept {
        return static_cast<std::size_t>(id.high() * 0x9e3779b97f4a7c15ULL ^ id.low() * 0xbf58476d1ce4e5b9ULL);
    }
};

template <>
struct std::hash<coppice::attempt_ref> {
    std::size_t operator()(const coppice::attempt_ref& ref) const noexcept {
        return std::hash<coppice::job_id>{}(ref.job) + ref.attempt;
    }
};
