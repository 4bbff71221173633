// Cron expressions, and the times that they mean.
#include "actors/schedules/cron_expression.hpp"
#include "tests/fuzz/fuzz_input.hpp"

using coppice::fuzz::must;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto cron = coppice::cron_expression::parse(coppice::fuzz::text_of(data, size));
    if (!cron) return 0;
    coppice::local_second at{std::chrono::seconds{1'800'000'000}};
    for (int i = 0; i < 20; ++i) {
        const auto next = cron->next(at);
        must(next.has_value(), "an expression that was taken has times");
        must(*next > at, "the next time is later");
        must(cron->matches(*next), "a time that it gives is one that it means");
        at = *next;
    }
    return 0;
}
