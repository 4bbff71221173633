#include "bench/node/rows.hpp"

namespace coppice::bench {

settings small(settings s) {
    s.jobs = 2'000;
    s.submits = 1'000;
    s.single_rounds = 3;
    s.steady_rate = 100;
    s.steady_seconds = 0.5;
    s.backlog = 5'000;
    s.small_backlog = 500;
    s.restarts = 100;
    return s;
}

} // namespace coppice::bench
