// A group commit on a memory store, one tenant and one type, and a clock that the test turns.
#pragma once

#include <boost/test/unit_test.hpp>
#include <memory>
#include <vector>

#include "actors/journal/group_commit.hpp"
#include "persistence/memory_store.hpp"
#include "tests/actors/jobs/machine_world.hpp"

namespace coppice::testing {

// What one proposal heard.
struct heard {
    int answers = 0;
    std::vector<command_result> results;
};

struct commit_bench {
    explicit commit_bench(memory_options options = {}) : data(make_memory_store(std::move(options))) {
        job_options.data = data.get();
        job_options.shard = test_shard;
        job_options.clock = [this] { return now; };
        commits = std::make_unique<group_commit>(job_options);
        job_type_spec build;
        build.name = "build";
        propose({tenant_op{.spec = {.name = "acme", .types = {"*"}}}, type_op{.spec = build}}, false);
        run();
    }
    // Waits for the next run.
    std::shared_ptr<heard> propose(const std::vector<op>& ops, bool grows = true) {
        return propose_bytes(entry_of(ops), ops.size(), grows);
    }
    std::shared_ptr<heard> propose_bytes(kj::Array<capnp::word> entry, std::size_t commands, bool grows = true) {
        auto h = std::make_shared<heard>();
        waiting.push_back(
            std::make_shared<proposal>(std::move(entry), commands, grows, [h](std::span<command_result> results) {
                ++h->answers;
                h->results.assign(results.begin(), results.end());
            }));
        return h;
    }
    std::shared_ptr<const batch_output> run() { return commits->run(std::exchange(waiting, {})); }
    submit_op submission() { return {.job = ids.next(to_ms(now), test_shard, tenant_id{1}, 7)}; }
    void require_sound() { testing::require_sound(*data->begin_read(), commits->machine()); }
    bool has(const job_id& id) { return read_job(*data->begin_read(), id).has_value(); }

    std::unique_ptr<store> data;
    instant now = test_start;
    journal_options job_options;
    std::unique_ptr<group_commit> commits;
    std::vector<proposal_ptr> waiting;
    job_id_minter ids;
};

} // namespace coppice::testing
