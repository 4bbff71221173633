// A number that no other process, and no other life of this one, draws.
#pragma once

#include <cstdint>
#include <random>

namespace coppice {

// From the system; not for secrets.
inline std::uint64_t random_number() {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
}

} // namespace coppice
