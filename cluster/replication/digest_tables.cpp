#include "cluster/replication/digest_tables.hpp"

#include <cstring>
#include <utility>

namespace coppice {
namespace {

std::uint64_t mixed(std::uint64_t digest, std::uint64_t word) {
    digest = (digest ^ word) * 0x9e3779b97f4a7c15ULL;
    return digest ^ (digest >> 32);
}

} // namespace

tables& digest_tables::settled() {
    if (!reserved_.empty()) add(std::exchange(reserved_, {}));
    return to_;
}

void digest_tables::add(bytes_view data) {
    std::size_t at = 0;
    for (; at + 8 <= data.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, data.data() + at,
                    8); // every node of a cluster is little-endian, as x86-64 and arm64 are
        digest_ = mixed(digest_, word);
    }
    std::uint64_t rest = 0;
    if (at < data.size()) std::memcpy(&rest, data.data() + at, data.size() - at);
    digest_ = mixed(digest_, rest ^ (std::uint64_t{data.size()} << 56));
}

void digest_tables::add(std::uint8_t what, table t, bytes_view key) {
    digest_ = mixed(digest_, std::uint64_t{what} << 8 | static_cast<std::uint64_t>(t));
    add(key);
}

void digest_tables::put(table t, bytes_view key, bytes_view value) {
    settled();
    add(1, t, key);
    add(value);
    to_.put(t, key, value);
}

std::span<std::byte> digest_tables::reserve(table t, bytes_view key, std::size_t size) {
    settled();
    add(1, t, key);
    const auto room = to_.reserve(t, key, size);
    reserved_ = room;
    return room;
}

bool digest_tables::erase(table t, bytes_view key) {
    settled();
    const bool was_there = to_.erase(t, key);
    if (was_there) add(2, t, key);
    return was_there;
}

} // namespace coppice
