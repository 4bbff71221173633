// The promises of supervision: how soon a crashed child answers again, how fast a storm of restarts is weathered,
// and how many children may come and go. `--small` runs a short version of each.
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "bench/supervision/measures.hpp"
#include "runtime/client/bench_driver.hpp"

namespace {

using namespace coppice;

const char* name_of(scheduling how) { return how == scheduling::sharing ? "sharing" : "stealing"; }

void print_latency(scheduling how, int rounds_answer, int rounds_running) {
    const auto seen = bench::crash_to_answer(how, rounds_answer);
    const auto crash = client::quantiles_of(seen.crash_us);
    const auto plain = client::quantiles_of(seen.plain_us);
    std::printf(
        "%-9s crash to answer: p50 %8.1f us  p99 %8.1f us   (a plain request: p50 %8.1f us  p99 %8.1f us)\n",
        name_of(how), crash.p50, crash.p99, plain.p50, plain.p99);
    const auto running = client::quantiles_of(bench::crash_to_running(how, rounds_running));
    std::printf("%-9s throw to successor running: p50 %6.1f us  p99 %6.1f us\n", name_of(how), running.p50,
                running.p99);
}

void print_storm(scheduling how, bool with_tree, int children) {
    std::printf("%-9s storm of %d restarts, %s tree: %8.0f restarts/s\n", name_of(how), children,
                with_tree ? "with   " : "without", bench::storm(how, with_tree, children));
}

void print_come_and_go(scheduling how, bool with_tree, int total, int batch) {
    std::printf("%-9s children that come and go, batches of %d, %s tree: %8.0f children/s\n", name_of(how), batch,
                with_tree ? "with   " : "without", bench::come_and_go(how, with_tree, total, batch));
}

} // namespace

int main(int argc, char** argv) {
    const auto given = [&](const char* word) {
        return std::any_of(argv + 1, argv + argc, [&](const char* x) { return std::strcmp(x, word) == 0; });
    };
    const int part = given("--small") ? 20 : 1;
    const bool all = !given("latency") && !given("storm") && !given("jobs") && !given("tree");
    for (const auto how : {scheduling::sharing, scheduling::stealing}) {
        if (how == scheduling::stealing && given("--sharing")) continue;
        if (all || given("latency")) {
            const bool sharing = how == scheduling::sharing;
            print_latency(how, (sharing ? 10'000 : 2'000) / part, (sharing ? 10'000 : 500) / part);
        }
        for (const bool with_tree : {false, true}) {
            if (all || given("storm")) print_storm(how, with_tree, 10'000 / part);
            if (all || given("jobs")) print_come_and_go(how, with_tree, 782 / part * 256, 256);
        }
    }
    if (all || given("tree"))
        std::printf("tree entry, in and out: %.0f ns\n", bench::tree_entry_ns(1'000'000 / part));
}
