// What is declared, ready to be used: an immutable snapshot of all tenants and job types, with compiled schemas.
// The control actor makes a new one at each change; edges and executors hold the one they started their work with.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "actors/governance/json_schema.hpp"
#include "actors/jobs/job_type_spec.hpp"
#include "actors/schedules/schedule_spec.hpp"
#include "actors/tenants/tenant_spec.hpp"
#include "schema/ids.hpp"

namespace coppice {

struct declared_tenant {
    tenant_id id{};
    std::uint64_t version = 0;
    tenant_spec spec;
};

struct declared_type {
    type_id id{};
    std::uint64_t version = 0;
    job_type_spec spec;
    std::optional<compiled_schema> schema; // absent: any payload
};

struct declared_schedule {
    schedule_id id{};
    std::uint64_t version = 0;
    schedule_spec spec;
};

struct catalog {
    std::map<std::string, std::shared_ptr<const declared_schedule>, std::less<>> schedules;
    std::unordered_map<schedule_id, std::shared_ptr<const declared_schedule>> schedules_by_id;
    std::map<std::string, std::shared_ptr<const declared_tenant>, std::less<>> tenants;
    std::map<std::string, std::shared_ptr<const declared_type>, std::less<>> types;
    std::unordered_map<tenant_id, std::shared_ptr<const declared_tenant>> tenants_by_id;
    std::unordered_map<type_id, std::shared_ptr<const declared_type>> types_by_id;

    // Null when not declared.
    const declared_tenant* tenant(std::string_view name) const;
    const declared_type* type(std::string_view name) const;
    const declared_schedule* schedule(std::string_view name) const;
    const declared_tenant* tenant(tenant_id id) const;
    const declared_type* type(type_id id) const;
    const declared_schedule* schedule(schedule_id id) const;

    void put(std::shared_ptr<const declared_tenant> t);
    void put(std::shared_ptr<const declared_type> y);
    void put(std::shared_ptr<const declared_schedule> s);
};
using catalog_ptr = std::shared_ptr<const catalog>;

// How a stored spec is read: text is the runtime's affair (runtime/config), so it hands these in.
struct spec_readers {
    std::function<expected<tenant_spec>(std::string_view)> tenant;
    std::function<expected<job_type_spec>(std::string_view)> job_type;
    std::function<expected<schedule_spec>(std::string_view)> schedule;
};

// Where the present catalog is to be had; any thread. A lock, because std::atomic<std::shared_ptr> of GCC 12 lets
// its own go without a release after a load (libstdc++ PR 101761).
class catalog_board {
  public:
    catalog_ptr get() const {
        const std::lock_guard guard{lock_};
        return current_;
    }
    void set(catalog_ptr next) {
        const std::lock_guard guard{lock_};
        current_.swap(next); // the former one ends after the lock
    }

  private:
    mutable std::mutex lock_;
    catalog_ptr current_ = std::make_shared<const catalog>();
};

} // namespace coppice
