#include "schema/ids.hpp"

namespace coppice {
namespace {

constexpr std::uint64_t counter_mask = (std::uint64_t{1} << 38) - 1;
// A fresh millisecond starts its counter in the lower half, so that it has room to grow.
constexpr std::uint64_t counter_start_mask = counter_mask >> 1;

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

} // namespace

job_id job_id::make(std::uint64_t time_ms, shard_id shard, tenant_id tenant, std::uint64_t counter) {
    const std::uint64_t high = time_ms << 16 | std::uint64_t{7} << 12 | (shard.value & 0xfffU);
    const std::uint64_t low = std::uint64_t{2} << 62 | static_cast<std::uint64_t>(tenant.value & 0xffffffU) << 38 |
                              (counter & counter_mask);
    return from_halves(high, low);
}

std::optional<job_id> job_id::parse(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    job_id id;
    std::size_t nibble = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i] != '-') return std::nullopt;
            continue;
        }
        const int digit = hex_digit(text[i]);
        if (digit < 0) return std::nullopt;
        auto& byte = id.bytes[nibble / 2];
        byte = static_cast<std::uint8_t>(byte << 4 | digit);
        ++nibble;
    }
    if (id.bytes[6] >> 4 != 7 || id.bytes[8] >> 6 != 2) return std::nullopt;
    return id;
}

std::string to_string(const job_id& id) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(36);
    for (std::size_t i = 0; i < id.bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += digits[id.bytes[i] >> 4];
        text += digits[id.bytes[i] & 15];
    }
    return text;
}

job_id job_id_minter::next(std::uint64_t now_ms, shard_id shard, tenant_id tenant, std::uint64_t random) {
    if (now_ms > last_ms_) {
        last_ms_ = now_ms;
        counter_ = random & counter_start_mask;
    } else if (++counter_ > counter_mask) {
        ++last_ms_;
        counter_ = random & counter_start_mask;
    }
    return job_id::make(last_ms_, shard, tenant, counter_);
}

} // namespace coppice
