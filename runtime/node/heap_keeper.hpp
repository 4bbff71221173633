// Gives memory that is no longer used back to the system.
//
// Intuition: a burst of jobs leaves holes all over the heap, and malloc keeps every page that it ever had. A node
// that has done its work should be as small as what it still holds. Memory that was free at two looks in a row is
// not part of a burst that goes on, so it is given back then, and a busy node is left alone.
//
// `look` is called every `limits::heap_look_interval`, from one thread. It walks malloc's lists of free pieces and
// keeps each arena locked while it gives its pages back: some milliseconds after a large burst.
#pragma once

#include <cstddef>

namespace coppice {

class heap_keeper {
  public:
    // Few arenas: what one thread frees, another uses. Before any thread is made.
    heap_keeper();
    void look();

  private:
    std::size_t free_before_ = 0;
};

} // namespace coppice
