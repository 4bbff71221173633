// What the scenarios have in common: a client that remembers, and looks at all replicas.
#pragma once

#include <boost/test/unit_test.hpp>

#include "tests/actors/jobs/machine_ops.hpp"
#include "tests/actors/jobs/machine_world.hpp"
#include "tests/simulation/faulty_world.hpp"

namespace coppice::testing {

// A client of one shard: it submits, and remembers what was acknowledged.
struct sim_client {
    sim_cluster& c;
    shard_id shard;
    job_id_minter ids;
    std::vector<job_id> acknowledged;
    std::map<errc, int> refused;

    bool propose(const std::vector<op>& ops, bool grows = true) {
        auto* primary = c.primary_of(shard);
        if (primary == nullptr) return false;
        return c.propose(primary->id, std::make_shared<proposal>(
                                          entry_of(ops), ops.size(), grows,
                                          [this](std::span<command_result> results) {
                                              for (const auto& r : results)
                                                  if (r.code != errc::ok)
                                                      ++refused[r.code];
                                                  else if (!r.job.is_nil())
                                                      acknowledged.push_back(r.job);
                                          },
                                          shard));
    }
    void declare() {
        job_type_spec build;
        build.name = "build";
        propose({tenant_op{.spec = {.name = "acme", .types = {"*"}}}, type_op{.spec = build}}, false);
    }
    void submit() { propose({submit_op{.job = ids.next(to_ms(c.now()), shard, tenant_id{1}, 7)}}); }
    void submit_some() {
        for (int i = 0; i < 50; ++i) {
            submit();
            c.run(1000);
        }
    }
    std::size_t missing() {
        auto* primary = c.primary_of(shard);
        std::size_t count = 0;
        for (const job_id& id : acknowledged)
            if (!read_job(*primary->data->begin_read(), id)) ++count;
        return count;
    }
};

inline void require_equal_tables(sim_cluster& c, shard_id shard) {
    std::optional<node_id> first;
    for (auto& [id, n] : c.nodes()) {
        if (!n.journal) continue;
        if (!first) {
            first = id;
            continue;
        }
        BOOST_TEST(c.slot(id, shard).place.digest == c.slot(*first, shard).place.digest);
        BOOST_TEST(difference(*n.data->begin_read(), *c.at(*first).data->begin_read()) == "");
    }
}

inline bool all_in_sync(sim_cluster& c, shard_id shard, std::size_t nodes) {
    auto* p = c.primary_of(shard);
    return p != nullptr && p->journal->slots().at(shard).replica->config().in_sync.size() == nodes;
}

} // namespace coppice::testing
