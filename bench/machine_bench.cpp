// The promise: one shard takes, starts and ends jobs at a rate that does not depend on how many wait.
//
// Batches of `--batch` jobs go through submit, plan and a report of success, each phase a transaction of its own,
// over an empty store, over a backlog of another tenant, and over a backlog of the same tenant. On memory, where
// only the machine costs, and on LMDB, where each phase is one durable commit.
//
//     machine_bench [--jobs N] [--backlog N] [--batch N] [--store memory|lmdb] [--directory PATH]
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <unistd.h>

#include "actors/journal/entry_builder.hpp"
#include "actors/journal/group_commit.hpp"
#include "persistence/lmdb_store.hpp"
#include "persistence/memory_store.hpp"

namespace coppice {
namespace {

constexpr shard_id shard{1};
constexpr tenant_id runner{1}, sleeper{2};
constexpr type_id build{1};
constexpr worker_id worker{2};
constexpr std::array shard_tables{table::tenants,  table::types,      table::counters,    table::jobs,
                                  table::payloads, table::results,    table::queue,       table::running,
                                  table::timers,   table::dependents, table::idempotency, table::logs,
                                  table::evidence, table::events,     table::checkpoints, table::unique,
                                  table::graphs,   table::schedules,  table::batches};

struct options {
    std::size_t jobs = 40'000;
    std::size_t backlog = 1'000'000;
    std::size_t batch = 384;
    std::string store = "all";
    std::filesystem::path directory = ".";
};

struct phases {
    double submit = 0, start = 0, report = 0; // seconds, without the commits
};

class runs {
  public:
    runs(store& data, std::size_t batch) : data_(data), batch_(batch) {
        apply(2, [](auto commands) {
            for (const tenant_id t : {runner, sleeper}) {
                auto d = commands[t.value - 1].initDeclareTenant();
                d.setTenant(t.value);
                auto row = d.initRow();
                row.setName(t == runner ? "runner" : "sleeper");
                row.setVersion(1);
                row.setWeight(1);
                row.setQueuedMax(100'000'000);
                row.initTypes(1).set(0, "*");
            }
        });
        apply(1, [](auto commands) {
            auto d = commands[0].initDeclareType();
            d.setType(build.value);
            auto row = d.initRow();
            row.setName("build");
            row.setVersion(1);
            row.setAttemptsMax(3);
            row.setAttemptTimeoutMs(60'000);
            row.setResultBytesMax(1024);
        });
    }

    void queue(tenant_id tenant, std::size_t jobs) {
        for (std::size_t made = 0; made < jobs;) {
            const std::size_t n = std::min<std::size_t>(limits::batch_commands_max, jobs - made);
            submit(tenant, n);
            made += n;
        }
    }

    // Each phase on its own, in transactions of its own.
    phases apart(std::size_t jobs) {
        phases spent;
        for (std::size_t done = 0; done < jobs; done += batch_) {
            machine_.drain_worker(worker); // nothing starts where starts aren't measured
            spent.submit += submit(runner, batch_);
            attach();
            spent.start += apply(0, [](auto) {});
            machine_.drain_worker(worker);
            spent.report += report(take_started());
        }
        return spent;
    }

    // As a journal under load has it: a batch brings the reports of one batch of jobs and the submissions of
    // another, and starts as many; one commit. Gives all seconds, and those of the commits.
    std::pair<double, double> steady(std::size_t jobs) {
        attach();
        submit(runner, batch_);
        std::vector<attempt_ref> running = take_started();
        commit_ = 0;
        double applying = 0;
        for (std::size_t done = 0; done < jobs; done += batch_) {
            applying += apply(2 * batch_, [&](auto commands) {
                for (unsigned i = 0; i < batch_; ++i) {
                    write_report(running[i], commands[2 * i]);
                    write_submission(runner, commands[2 * i + 1]);
                }
            });
            running = take_started();
        }
        return {applying + commit_, commit_};
    }

  private:
    void attach() {
        machine_.detach_worker(worker);
        machine_.attach_worker(worker, {"build"}, static_cast<std::uint32_t>(batch_));
    }
    std::vector<attempt_ref> take_started() const {
        std::vector<attempt_ref> started;
        for (const start_effect& s : out_.starts) started.push_back(s.work.ref);
        if (started.size() != batch_) throw std::runtime_error("not every slot was used");
        return started;
    }
    static void write_report(const attempt_ref& ref, cmd::Command::Builder to) {
        auto r = to.initReport();
        write_ending(ref, cmd::Report::Outcome::SUCCEEDED, errc::ok, "", r);
        r.initResult(16);
    }
    void write_submission(tenant_id tenant, cmd::Command::Builder to) {
        auto s = to.initSubmit();
        write_id(ids_.next(to_ms(now_), shard, tenant, 1), s.initJob());
        s.setType(build.value);
        s.setTypeVersion(1);
        s.initPayload(64);
        s.setSubmitter("bench");
    }
    double report(const std::vector<attempt_ref>& ended) {
        return apply(ended.size(), [&](auto commands) {
            for (unsigned i = 0; i < ended.size(); ++i) write_report(ended[i], commands[i]);
        });
    }
    double submit(tenant_id tenant, std::size_t jobs) {
        return apply(jobs, [&](auto commands) {
            for (unsigned i = 0; i < jobs; ++i) write_submission(tenant, commands[i]);
        });
    }

    // One transaction: apply and plan. Gives the seconds of these two; the commit's go to commit_.
    template <class Fill>
    double apply(std::size_t count, Fill&& fill) {
        const proposal_ptr p = make_proposal(shard_id{}, count, true, nullptr, fill);
        now_ += milliseconds{1};
        out_.clear();
        const auto begun = std::chrono::steady_clock::now();
        const auto transaction = data_.begin_write();
        machine_.begin(*transaction, now_, out_);
        capnp::FlatArrayMessageReader message(p->entry(), {.traversalLimitInWords = std::uint64_t{1} << 40});
        machine_.apply(message.getRoot<cmd::Entry>());
        machine_.plan(limits::batch_commands_max);
        machine_.finish();
        const auto applied = std::chrono::steady_clock::now();
        if (!transaction->commit()) throw std::runtime_error("the commit failed");
        commit_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - applied).count();
        for (const command_result& r : out_.results)
            if (r.code != errc::ok) throw std::runtime_error(r.detail);
        return std::chrono::duration<double>(applied - begun).count();
    }

    store& data_;
    std::size_t batch_;
    shard_machine machine_{shard};
    batch_output out_;
    instant now_ = wall_clock_now();
    job_id_minter ids_;
    double commit_ = 0;
};

struct scratch {
    explicit scratch(const std::filesystem::path& under)
        : path(std::filesystem::absolute(under) / ("machine_bench-" + std::to_string(::getpid()))) {
        std::filesystem::create_directory(path);
    }
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    std::filesystem::path path;
};

void measure(const options& o, const std::string& kind, const char* backlog, std::optional<tenant_id> waiting) {
    const scratch directory{o.directory};
    std::unique_ptr<store> data;
    if (kind == "memory") {
        data = make_memory_store();
    } else {
        auto opened = open_lmdb_store({.file = directory.path / "shard.mdb", .tables = shard_tables});
        if (!opened) throw std::runtime_error(to_string(opened.error()));
        data = std::move(*opened);
    }
    runs r{*data, o.batch};
    if (waiting) r.queue(*waiting, o.backlog);
    const phases p = r.apart(o.jobs);
    const auto [all, commits] = r.steady(o.jobs);
    const auto batches = (o.jobs + o.batch - 1) / o.batch;
    const auto jobs = static_cast<double>(batches * o.batch);
    const auto ns = [&](double seconds) { return seconds / jobs * 1e9; };
    std::printf("%-8s %-10s %10.0f %10.0f %10.0f %10.0f %12.0f %12.0f\n", kind.c_str(), backlog, jobs / all,
                ns(p.submit), ns(p.start), ns(p.report), ns(all - commits), ns(commits));
    std::fflush(stdout);
}

void run(const options& o) {
    std::printf("%zu jobs in batches of %zu, backlog %zu; nanoseconds a job\n", o.jobs, o.batch, o.backlog);
    std::printf("%-8s %-10s %10s %10s %10s %10s %12s %12s\n", "store", "backlog", "jobs/s", "submit", "start",
                "report", "all, mixed", "its commits");
    for (const std::string kind : {"memory", "lmdb"}) {
        if (o.store != "all" && o.store != kind) continue;
        measure(o, kind, "none", std::nullopt);
        measure(o, kind, "another's", sleeper);
        measure(o, kind, "its own", runner);
    }
}

std::size_t number(const std::string& text, std::size_t most) {
    std::size_t n = 0;
    const auto read = std::from_chars(text.data(), text.data() + text.size(), n);
    if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || n == 0 || n > most)
        throw std::runtime_error("\"" + text + "\" is not a number from 1 to " + std::to_string(most));
    return n;
}

options parse(int argc, char** argv) {
    options o;
    for (int i = 1; i < argc; i += 2) {
        const std::string name = argv[i];
        if (i + 1 == argc) throw std::runtime_error(name + " wants a value");
        const std::string value = argv[i + 1];
        if (name == "--jobs")
            o.jobs = number(value, 100'000'000);
        else if (name == "--backlog")
            o.backlog = number(value, 100'000'000);
        else if (name == "--batch")
            o.batch = number(value, limits::batch_commands_max);
        else if (name == "--store")
            o.store = value;
        else if (name == "--directory")
            o.directory = value;
        else
            throw std::runtime_error("no option " + name);
    }
    return o;
}

} // namespace
} // namespace coppice

int main(int argc, char** argv) {
    try {
        coppice::run(coppice::parse(argc, argv));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "machine_bench: %s\n", e.what());
        return 1;
    }
}
