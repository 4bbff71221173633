// A node of the tests of what is declared: its own connection to etcd, copy, board and control actor, and a shard
// with a journal that all nodes of a test share, behind a door that can be closed as a router's is.
#pragma once

#include <atomic>
#include <caf/scoped_actor.hpp>
#include <caf/send.hpp>

#include "actors/journal/journal_actor.hpp"
#include "actors/supervision/relay_actor.hpp"
#include "actors/supervision/system_config_actor.hpp"
#include "cluster/declared/cluster_control_actor.hpp"
#include "persistence/memory_store.hpp"
#include "runtime/config/specs.hpp"
#include "tests/cluster/control/control_backends.hpp"
#include "tests/cluster/declared/lossy_store.hpp"

namespace coppice::testing {

inline spec_readers test_readers() {
    return {[](std::string_view text) { return tenant_spec_from_json(text); },
            [](std::string_view text) { return job_type_spec_from_json(text, spec_origin::stored); },
            [](std::string_view text) { return schedule_spec_from_json(text); }};
}

inline document tenant_document(const std::string& name, std::uint32_t weight = 1) {
    tenant_spec spec;
    spec.name = name;
    spec.weight = weight;
    spec.types = {"*"};
    return {std::string{tenant_kind}, name, to_json(spec)};
}
inline document type_document(const std::string& name, const std::string& schema = "") {
    job_type_spec spec;
    spec.name = name;
    spec.schema = schema;
    return {std::string{job_type_kind}, name, to_json(spec)};
}

// The one shard.
class test_shard_journal {
  public:
    explicit test_shard_journal(caf::actor_system& system);
    ~test_shard_journal();

    journal_port port() const { return {door_, std::make_shared<inflight_gate>()}; }
    void close(errc why) { closed_->store(static_cast<int>(why)); }
    void open() { closed_->store(0); }
    std::size_t refused() const { return refused_->load(); }
    std::size_t commands() const { return commands_->load(); } // that were let in
    // "name:number@version" of each tenant or type that the shard has committed.
    std::set<std::string> tenants() const;
    std::set<std::string> types() const;

  private:
    std::unique_ptr<store> data_ = make_memory_store();
    std::shared_ptr<std::atomic<int>> closed_ = std::make_shared<std::atomic<int>>(0);
    std::shared_ptr<std::atomic<std::size_t>> refused_ = std::make_shared<std::atomic<std::size_t>>(0);
    std::shared_ptr<std::atomic<std::size_t>> commands_ = std::make_shared<std::atomic<std::size_t>>(0);
    journal_handle journal_, door_;
};

class declaring_node {
  public:
    using answer = expected<std::vector<document_change>>;

    // `rows`: of its copy, which outlive it; null: in memory.
    declaring_node(caf::actor_system& system, const etcd_options& etcd, const test_shard_journal& shard,
                   std::shared_ptr<control_rows> rows = nullptr);
    ~declaring_node();

    // Does not wait.
    std::future<answer> begin(std::vector<document> documents, bool dry_run = false, std::string by = "ann");
    answer apply(std::vector<document> documents, bool dry_run = false);
    std::size_t compiled() const { return readers_called_->load(); }
    std::vector<std::string> refused() const {
        const std::lock_guard guard{noted_->mutex};
        return noted_->keys;
    }

    std::unique_ptr<lossy_store> store;
    std::shared_ptr<declared_copy> copy;
    std::shared_ptr<catalog_board> board = std::make_shared<catalog_board>();
    std::shared_ptr<catalog_refresh> refresh = std::make_shared<catalog_refresh>(*store);

  private:
    struct noted {
        std::mutex mutex;
        std::vector<std::string> keys;
    };
    const std::shared_ptr<noted> noted_ = std::make_shared<noted>();
    const std::shared_ptr<std::atomic<std::size_t>> readers_called_ = std::make_shared<std::atomic<std::size_t>>(0);
    cluster_control_handle actor_;
};

// "created created updated", or the error's code.
std::string words(const declaring_node::answer& answer);

} // namespace coppice::testing
