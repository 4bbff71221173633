#include "actors/schedules/run_plan.hpp"

#include <algorithm>

namespace coppice {
namespace {

// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): even for neighbouring inputs.
std::uint64_t scattered(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

constexpr std::uint64_t counted_max = 1000; // of times that are gone: a clock that was years wrong costs no more

} // namespace

run_plan plan_runs(const schedule_spec& spec, std::uint32_t schedule, const schedule_times& times, instant next,
                   instant now) {
    run_plan plan;
    if (next == never) {
        plan.next = times.next(now).value_or(never);
        return plan;
    }
    std::optional<instant> at = next;
    // Too old for any policy.
    while (at && *at < now - spec.catch_up && plan.missed < counted_max) {
        ++plan.missed;
        at = times.next(*at);
    }
    if (at && *at < now - spec.catch_up) at = times.next(now - spec.catch_up);
    std::optional<instant> last_missed;
    for (; at && run_due(spec, schedule, *at) <= now && plan.runs.size() < limits::schedule_runs_max;
         at = times.next(*at)) {
        const bool late = run_due(spec, schedule, *at) < now - limits::schedule_late_max;
        if (!late || spec.missed == missed_policy::all) {
            plan.runs.push_back(*at);
        } else {
            ++plan.missed;
            last_missed = *at;
        }
    }
    if (last_missed && spec.missed == missed_policy::one) {
        plan.runs.insert(plan.runs.begin(), *last_missed);
        --plan.missed;
    }
    plan.next = at.value_or(never);
    return plan;
}

instant run_due(const schedule_spec& spec, std::uint32_t schedule, instant time) {
    if (spec.jitter.count() == 0) return time;
    const auto most = static_cast<std::uint64_t>(std::chrono::duration_cast<microseconds>(spec.jitter).count());
    const std::uint64_t random = scattered(scattered(schedule) ^ static_cast<std::uint64_t>(to_us(time)));
    return time + microseconds{static_cast<std::int64_t>(random % (most + 1))};
}

} // namespace coppice
