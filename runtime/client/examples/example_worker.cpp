// A worker for the type "echo": an attempt's result is its payload. Ends, drained, at SIGTERM or Ctrl-C.
#include <cstdio>

#include "runtime/client/worker.hpp"

int main() {
    namespace cc = coppice::client;
    const auto done =
        cc::run_worker(cc::options_from_environment(), {.name = "example", .types = {"echo"}, .slots = 8},
                       [](const coppice::assignment& work, cc::blocking_context& attempt) {
                           attempt.log("echoing " + std::to_string(work.payload.size()) + " bytes");
                           attempt.progress(0.5, "half way");
                           if (attempt.cancelled()) return cc::stop_as_told();
                           return cc::succeed(work.payload);
                       });
    if (!done) return std::fprintf(stderr, "%s\n", to_string(done.error()).c_str()), 1;
}
