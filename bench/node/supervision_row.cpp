// Row 7: supervision alone, in this process, scheduled as a node schedules.
#include "bench/node/rows.hpp"
#include "bench/supervision/measures.hpp"
#include "runtime/client/bench_driver.hpp"

namespace coppice::bench {

expected<report> row_supervision(const settings& s) {
    figure p50{7, "supervisor restart, crash to child answering, p50", "us", {}, better::less, 200, 10};
    figure p99{7, "supervisor restart, crash to child answering, p99", "us", {}, better::less, 200, 200};
    figure within{7, "  from the throw to the successor's first breath, p50", "us"};
    figure plain{7, "  a request to a child that is well, p50", "us"};
    figure storms{7, "a storm of 10,000 restarts, with the tree", "per s", {}, better::more, 20e3, 100e3};
    for (int i = 0; i < s.repetitions; ++i) {
        const auto seen = crash_to_answer(scheduling::sharing, s.restarts);
        const auto crash = client::quantiles_of(seen.crash_us);
        p50.values.push_back(crash.p50);
        p99.values.push_back(crash.p99);
        plain.values.push_back(client::quantiles_of(seen.plain_us).p50);
        within.values.push_back(client::quantiles_of(crash_to_running(scheduling::sharing, s.restarts)).p50);
        storms.values.push_back(storm(scheduling::sharing, true, s.restarts));
    }
    return report{{p50, p99, within, plain, storms}, {}};
}

} // namespace coppice::bench
