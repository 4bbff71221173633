#include "runtime/client/bench_driver.hpp"

#include <kj/async-io.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <unordered_map>

#include "runtime/client/bench_worker.hpp"
#include "runtime/client/client.hpp"
#include "runtime/client/link.hpp"
#include "schema/limits.hpp"

namespace coppice::client {
namespace {

using clock = std::chrono::steady_clock;

double us_since(clock::time_point begin) {
    return std::chrono::duration<double, std::micro>(clock::now() - begin).count();
}

constexpr std::uint64_t latency_jobs_max = 200'000;
constexpr std::size_t gets_in_flight = 32;
constexpr milliseconds follow_poll{1000};

// What a load needs: a loop, a client, and the tally of ends that the feed tells.
class bench_run {
  public:
    explicit bench_run(const bench_options& load)
        : load_(load), io_(kj::setupAsyncIo()), client_(io_, load.where) {}

    client& node() { return client_; }
    kj::AsyncIoContext& io() { return io_; }
    const bench_options& load() const { return load_; }
    job_spec spec() const { return {.tenant = load_.tenant, .type = load_.type, .payload = load_.payload}; }

    expected<void> begin() {
        auto newest = client_.feed_position().wait(io_.waitScope);
        if (!newest) return tl::unexpected(std::move(newest.error()));
        after_ = *newest;
        return {};
    }

    void submitted_one(const job_id& id) { mark(id, bit_submitted); }
    std::uint64_t accepted() const { return accepted_; }
    std::uint64_t ended() const { return ended_; }
    std::uint64_t not_succeeded() const { return not_succeeded_; }
    const std::unordered_map<job_id, std::uint8_t>& jobs() const { return seen_; }
    std::optional<failure> broken;

    // Until `all_in` and every accepted job has ended.
    kj::Promise<void> follow_to_the_end(const bool& all_in) {
        if (broken || (all_in && ended_ == accepted_)) return kj::READY_NOW;
        return client_.follow(after_, limits::page_size_max, follow_poll)
            .then([this, &all_in](expected<event_page> page) -> kj::Promise<void> {
                if (!page) {
                    broken = std::move(page.error());
                    return kj::READY_NOW;
                }
                after_ = page->last;
                for (const auto& e : page->events)
                    if (is_terminal(e.state) && e.type == load_.type) {
                        if (e.state != job_state::SUCCEEDED) ++not_succeeded_;
                        mark(e.job, bit_ended);
                    }
                return follow_to_the_end(all_in);
            });
    }

    // The promise's end, or `give_up`.
    expected<void> finish(kj::Promise<void> work) {
        const bool in_time =
            work.then([] { return true; })
                .exclusiveJoin(io_.provider->getTimer().afterDelay(to_kj(load_.give_up)).then([] { return false; }))
                .wait(io_.waitScope);
        if (broken) return tl::unexpected(*broken);
        if (!in_time)
            return fail(errc::unavailable, "not done after " + format_duration(load_.give_up) + ": " +
                                               std::to_string(ended_) + " of " + std::to_string(accepted_) +
                                               " ended");
        return {};
    }

  private:
    static constexpr std::uint8_t bit_submitted = 1;
    static constexpr std::uint8_t bit_ended = 2;

    // An end may be heard of before the submit is answered, and jobs of others may end meanwhile.
    void mark(const job_id& id, std::uint8_t bit) {
        auto& bits = seen_[id];
        if (bits & bit) return;
        bits |= bit;
        if (bit == bit_submitted) ++accepted_;
        if (bits == (bit_submitted | bit_ended)) ++ended_;
    }

    const bench_options& load_;
    kj::AsyncIoContext io_;
    client client_;
    feed_place after_;
    std::unordered_map<job_id, std::uint8_t> seen_;
    std::uint64_t accepted_ = 0;
    std::uint64_t ended_ = 0;
    std::uint64_t not_succeeded_ = 0;
};

expected<void> check_load(const bench_options& load) {
    if (load.jobs == 0 || load.batch == 0 || load.batch > limits::submit_batch_max || load.in_flight == 0 ||
        load.in_flight > limits::rpc_calls_per_connection_max / 2 || load.slots == 0 ||
        load.slots > limits::worker_slots_max)
        return fail(errc::invalid_argument,
                    "jobs, batch (to 1000), in_flight (to 512), slots (to 65536) must be above 0");
    if (!(load.rate > 0) || !(load.seconds > 0) || load.rate * load.seconds > static_cast<double>(latency_jobs_max))
        return fail(errc::invalid_argument,
                    "rate times seconds must be above 0 and at most " + std::to_string(latency_jobs_max));
    return {};
}

// ---- jobs and submit: chains that submit until none is left
struct submit_tally {
    std::uint64_t left = 0;
    std::uint64_t refused = 0;
    std::vector<double> call_us;
    std::optional<failure> last_refusal;
};

kj::Promise<void> submit_chain(bench_run& run, submit_tally& tally, std::uint32_t batch) {
    const auto count = std::min<std::uint64_t>(batch, tally.left);
    if (count == 0) return kj::READY_NOW;
    tally.left -= count;
    return run.node()
        .submit(std::vector<job_spec>(count, run.spec()))
        .then([&run, &tally, batch, begin = clock::now()](std::vector<expected<submitted>> answers) {
            tally.call_us.push_back(us_since(begin));
            for (auto& answer : answers) {
                if (answer) {
                    run.submitted_one(answer->id);
                } else {
                    ++tally.refused;
                    tally.last_refusal = std::move(answer.error());
                }
            }
            return submit_chain(run, tally, batch);
        });
}

kj::Promise<void> submit_chains(bench_run& run, submit_tally& tally, std::uint32_t batch, std::uint32_t chains) {
    auto all = kj::heapArrayBuilder<kj::Promise<void>>(chains);
    for (std::uint32_t i = 0; i < chains; ++i) all.add(submit_chain(run, tally, batch));
    return kj::joinPromises(all.finish());
}

// ---- latency
struct latency_tally {
    std::uint64_t wanted = 0;
    std::uint64_t sent = 0;
    std::uint64_t refused = 0;
    std::unordered_map<job_id, clock::time_point> sent_at;
    std::vector<double> submit_us;
    std::vector<double> start_us;
    std::vector<job_id> to_ask;
};

kj::Promise<void> submit_one_of_many(bench_run& run, latency_tally& tally) {
    const auto begin = clock::now();
    return run.node().submit(run.spec()).then([&run, &tally, begin](expected<submitted> answer) {
        tally.submit_us.push_back(us_since(begin));
        if (!answer) {
            ++tally.refused;
            return;
        }
        tally.sent_at.emplace(answer->id, begin);
        run.submitted_one(answer->id);
    });
}

// One submit each time its moment comes, whatever became of those before: a slow node is not given time to rest.
kj::Promise<void> submit_steadily(bench_run& run, latency_tally& tally, kj::TaskSet& calls, kj::TimePoint begin) {
    auto& timer = run.io().provider->getTimer();
    const auto due = [&](std::uint64_t n) {
        return begin + static_cast<std::int64_t>(1e9 * static_cast<double>(n) / run.load().rate) * kj::NANOSECONDS;
    };
    while (tally.sent < tally.wanted && due(tally.sent) <= timer.now()) {
        calls.add(submit_one_of_many(run, tally));
        ++tally.sent;
    }
    if (tally.sent == tally.wanted) return calls.onEmpty();
    return timer.atTime(due(tally.sent)).then([&run, &tally, &calls, begin] {
        return submit_steadily(run, tally, calls, begin);
    });
}

kj::Promise<void> ask_for_starts(bench_run& run, latency_tally& tally) {
    if (tally.to_ask.empty()) return kj::READY_NOW;
    const job_id id = tally.to_ask.back();
    tally.to_ask.pop_back();
    return run.node().get(id).then([&run, &tally](expected<job_view> job) {
        if (job && job->started != never)
            tally.start_us.push_back(static_cast<double>((job->started - job->submitted).count()));
        return ask_for_starts(run, tally);
    });
}

struct ignore_failures final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&&) override {}
};

} // namespace

quantiles quantiles_of(std::vector<double> samples) {
    quantiles q;
    q.count = samples.size();
    if (samples.empty()) return q;
    std::sort(samples.begin(), samples.end());
    const auto rank = [&](double part) {
        const auto at = static_cast<std::size_t>(std::ceil(part * static_cast<double>(samples.size())));
        return samples[std::clamp<std::size_t>(at, 1, samples.size()) - 1];
    };
    q.p50 = rank(0.50);
    q.p90 = rank(0.90);
    q.p99 = rank(0.99);
    q.p999 = rank(0.999);
    q.max = samples.back();
    for (const double s : samples) q.mean += s / static_cast<double>(samples.size());
    return q;
}

expected<jobs_figures> bench_jobs(const bench_options& load) {
    if (auto ok = check_load(load); !ok) return tl::unexpected(std::move(ok.error()));
    std::optional<bench_worker> worker;
    if (load.with_worker) worker.emplace(load, false);
    if (worker)
        if (auto ready = worker->wait_attached(); !ready) return tl::unexpected(std::move(ready.error()));
    bench_run run(load);
    if (auto ok = run.begin(); !ok) return tl::unexpected(std::move(ok.error()));

    jobs_figures f;
    submit_tally tally{.left = load.jobs};
    bool all_in = false;
    const auto begin = clock::now();
    auto submitting =
        submit_chains(run, tally, load.batch, load.in_flight)
            .then([&] {
                f.submit_seconds = us_since(begin) / 1e6;
                all_in = true;
            })
            .eagerlyEvaluate(
                nullptr); // a join runs continuations only when all are ready, and the other waits for this one
    auto following = run.follow_to_the_end(all_in).then([&] { f.complete_seconds = us_since(begin) / 1e6; });
    auto both = kj::heapArrayBuilder<kj::Promise<void>>(2);
    both.add(kj::mv(submitting));
    both.add(kj::mv(following));
    if (auto ok = run.finish(kj::joinPromises(both.finish())); !ok) return tl::unexpected(std::move(ok.error()));
    if (run.accepted() == 0 && tally.last_refusal) return tl::unexpected(*tally.last_refusal);

    f.jobs = run.accepted();
    f.refused = tally.refused;
    f.not_succeeded = run.not_succeeded();
    f.submitted_per_second = static_cast<double>(f.jobs) / f.submit_seconds;
    f.completed_per_second = static_cast<double>(f.jobs) / f.complete_seconds;
    f.submit_batch_us = quantiles_of(std::move(tally.call_us));
    if (worker) f.report_calls = worker->stop().report_calls;
    return f;
}

expected<submit_figures> bench_submit(const bench_options& load) {
    if (auto ok = check_load(load); !ok) return tl::unexpected(std::move(ok.error()));
    bench_run run(load);
    if (auto ok = run.begin(); !ok) return tl::unexpected(std::move(ok.error()));
    submit_figures f;
    f.in_flight = load.in_flight;

    submit_tally alone{.left = std::clamp<std::uint64_t>(load.jobs / 10, 1, 1000)};
    if (auto ok = run.finish(submit_chains(run, alone, 1, 1)); !ok) return tl::unexpected(std::move(ok.error()));
    if (run.accepted() == 0 && alone.last_refusal) return tl::unexpected(*alone.last_refusal);
    const std::uint64_t before = run.accepted();

    submit_tally loaded{.left = load.jobs};
    const auto begin = clock::now();
    if (auto ok = run.finish(submit_chains(run, loaded, 1, load.in_flight)); !ok)
        return tl::unexpected(std::move(ok.error()));
    f.seconds = us_since(begin) / 1e6;
    f.submits = run.accepted() - before;
    f.refused = alone.refused + loaded.refused;
    f.per_second = static_cast<double>(f.submits) / f.seconds;
    f.loaded_us = quantiles_of(std::move(loaded.call_us));
    f.alone_us = quantiles_of(std::move(alone.call_us));
    return f;
}

expected<latency_figures> bench_latency(const bench_options& load) {
    if (auto ok = check_load(load); !ok) return tl::unexpected(std::move(ok.error()));
    std::optional<bench_worker> worker;
    if (load.with_worker) worker.emplace(load, true);
    if (worker)
        if (auto ready = worker->wait_attached(); !ready) return tl::unexpected(std::move(ready.error()));
    bench_run run(load);
    if (auto ok = run.begin(); !ok) return tl::unexpected(std::move(ok.error()));

    latency_tally tally{.wanted = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(load.rate * load.seconds))};
    ignore_failures ignored;
    kj::TaskSet calls(ignored);
    bool all_in = false;
    const auto begin = clock::now();
    double sending_seconds = 0;
    auto submitting = submit_steadily(run, tally, calls, run.io().provider->getTimer().now())
                          .then([&] {
                              sending_seconds = us_since(begin) / 1e6;
                              all_in = true;
                          })
                          .eagerlyEvaluate(nullptr); // as in bench_jobs
    auto both = kj::heapArrayBuilder<kj::Promise<void>>(2);
    both.add(kj::mv(submitting));
    both.add(run.follow_to_the_end(all_in));
    if (auto ok = run.finish(kj::joinPromises(both.finish())); !ok) return tl::unexpected(std::move(ok.error()));

    for (const auto& [id, at] : tally.sent_at) tally.to_ask.push_back(id);
    auto askers = kj::heapArrayBuilder<kj::Promise<void>>(gets_in_flight);
    for (std::size_t i = 0; i < gets_in_flight; ++i) askers.add(ask_for_starts(run, tally));
    if (auto ok = run.finish(kj::joinPromises(askers.finish())); !ok) return tl::unexpected(std::move(ok.error()));

    latency_figures f;
    f.jobs = tally.sent_at.size();
    f.refused = tally.refused;
    f.rate_wanted = load.rate;
    f.rate_reached = static_cast<double>(tally.sent) / sending_seconds;
    f.start_us = quantiles_of(std::move(tally.start_us));
    f.submit_us = quantiles_of(std::move(tally.submit_us));
    if (worker) {
        std::vector<double> assign_us;
        for (const auto& [id, at] : worker->stop().received) {
            const auto found = tally.sent_at.find(id);
            if (found == tally.sent_at.end()) continue;
            assign_us.push_back(std::chrono::duration<double, std::micro>(at - found->second).count());
        }
        f.assign_us = quantiles_of(std::move(assign_us));
    }
    return f;
}

} // namespace coppice::client
