// A node's journal and its metrics for a test: a store, group commit over it, a clock that the test turns.
#pragma once

#include <boost/test/unit_test.hpp>
#include <capnp/message.h>
#include <capnp/serialize.h>

#include "actors/journal/group_commit.hpp"
#include "persistence/memory_store.hpp"
#include "runtime/observability/node_metrics.hpp"

namespace coppice::testing {

inline constexpr shard_id metrics_shard{7};
inline constexpr worker_id test_worker{1 << 1};

class commit_world {
  public:
    explicit commit_world(memory_options options = {}, metrics_sources more = {})
        : data_(make_memory_store(std::move(options))), sources_(std::move(more)) {
        restart();
    }

    // Anew from the store, as a restart of the node; its workers have to attach again.
    void restart() {
        journal_.reset();
        sources_.data = data_.get();
        sources_.shard = metrics_shard;
        sources_.clock = [this] { return now_; };
        metrics_ = std::make_unique<node_metrics>(sources_);
        journal_ = std::make_unique<group_commit>(journal_options{
            .data = data_.get(),
            .shard = metrics_shard,
            .clock = [this] { return now_; },
            .on_commit = [m = metrics_.get()](const commit_report& r) { m->committed(r); },
            .on_workers = [m = metrics_.get()](const slot_pool& p) { m->workers_changed(p); },
        });
    }

    // `build` fills each command. Gives the results; those of a commit that failed are refusals.
    template <class Build>
    std::vector<command_result> run(std::size_t commands, bool grows, Build&& build) {
        capnp::MallocMessageBuilder message;
        auto list = message.initRoot<cmd::Entry>().initCommands(static_cast<unsigned>(commands));
        for (std::size_t i = 0; i < commands; ++i) build(i, list[static_cast<unsigned>(i)]);
        std::vector<command_result> results;
        const auto p =
            std::make_shared<proposal>(capnp::messageToFlatArray(message), commands, grows,
                                       [&](std::span<command_result> r) { results.assign(r.begin(), r.end()); });
        last_ = journal_->run({p});
        BOOST_REQUIRE_EQUAL(results.size(), commands);
        return results;
    }
    template <class Build>
    command_result one(bool grows, Build&& build) {
        return run(1, grows, [&](std::size_t, cmd::Command::Builder c) { build(c); }).front();
    }

    // Tenants t1.. and types y1.. of these numbers.
    void declare(std::uint32_t tenants, std::uint32_t types, std::uint32_t queued_max = 1'000'000) {
        run(tenants + types, true, [&](std::size_t i, cmd::Command::Builder c) {
            if (i < tenants) {
                const auto number = static_cast<std::uint32_t>(i + 1);
                auto d = c.initDeclareTenant();
                d.setTenant(number);
                auto row = d.initRow();
                row.setName("t" + std::to_string(number));
                row.setVersion(1);
                row.setWeight(1);
                row.setQueuedMax(queued_max);
                row.initTypes(1).set(0, "*");
                return;
            }
            const auto number = static_cast<std::uint32_t>(i - tenants + 1);
            auto d = c.initDeclareType();
            d.setType(number);
            auto row = d.initRow();
            row.setName("y" + std::to_string(number));
            row.setVersion(1);
            row.setAttemptsMax(3);
            row.setAttemptTimeoutMs(60'000);
            row.setResultBytesMax(1024);
        });
    }

    job_id new_id(std::uint32_t tenant) {
        return ids_.next(to_ms(now_), metrics_shard, tenant_id{tenant}, ++random_);
    }
    void fill_submit(cmd::Command::Builder c, const job_id& id, std::uint32_t type, instant not_before = never) {
        auto s = c.initSubmit();
        s.getJob().setHigh(id.high());
        s.getJob().setLow(id.low());
        s.setType(type);
        s.setTypeVersion(1);
        s.setNotBeforeUs(to_us(not_before));
    }
    command_result submit(std::uint32_t tenant, std::uint32_t type, instant not_before = never) {
        const job_id id = new_id(tenant);
        return one(true, [&](cmd::Command::Builder c) { fill_submit(c, id, type, not_before); });
    }
    command_result report(const attempt_ref& ref, cmd::Report::Outcome outcome, errc code = errc::ok) {
        return one(false, [&](cmd::Command::Builder c) {
            auto r = c.initReport();
            r.getJob().setHigh(ref.job.high());
            r.getJob().setLow(ref.job.low());
            r.setAttempt(ref.attempt);
            r.setOutcome(outcome);
            r.setCode(static_cast<std::uint16_t>(code));
            r.setProgress(-1);
            r.setWorker(test_worker.value);
        });
    }
    command_result cancel(const job_id& id) {
        return one(false, [&](cmd::Command::Builder c) {
            auto r = c.initCancel();
            r.getJob().setHigh(id.high());
            r.getJob().setLow(id.low());
        });
    }
    command_result tick() {
        return one(false, [](cmd::Command::Builder c) { c.initTick().setMost(1000); });
    }

    void attach(std::uint32_t slots, std::uint32_t types = 8) {
        std::set<std::string> names;
        for (std::uint32_t i = 1; i <= types; ++i) names.insert("y" + std::to_string(i));
        journal_->machine().attach_worker(test_worker, std::move(names), slots);
        metrics_->workers_changed(journal_->machine().pool());
    }

    // What the newest commit asked for; null when nothing was committed.
    const std::shared_ptr<const batch_output>& last() const { return last_; }
    store& data() { return *data_; }
    node_metrics& metrics() { return *metrics_; }
    group_commit& journal() { return *journal_; }
    void pass(microseconds d) { now_ += d; }
    instant now() const { return now_; }

  private:
    std::unique_ptr<store> data_;
    metrics_sources sources_;
    instant now_{std::chrono::seconds{1'800'000'000}};
    std::unique_ptr<node_metrics> metrics_;
    std::unique_ptr<group_commit> journal_;
    std::shared_ptr<const batch_output> last_;
    job_id_minter ids_;
    std::uint64_t random_ = 0;
};

} // namespace coppice::testing
