#include "runtime/node/heap_keeper.hpp"

#include <malloc.h>

#include <algorithm>

#include "schema/limits.hpp"

namespace coppice {

heap_keeper::heap_keeper() { ::mallopt(M_ARENA_MAX, limits::heap_arenas_max); }

void heap_keeper::look() {
    const std::size_t free = ::mallinfo2().fordblks;
    if (std::min(free, free_before_) >= limits::heap_free_max) ::malloc_trim(0);
    free_before_ = free;
}

} // namespace coppice
