// Whose turn it is: weighted fair sharing of slots among tenants, counting running work as well as starts.
//
// Start-time fair queueing (Goyal, Vin, Cheng, SIGCOMM 1996) on slot-time: each tenant has a virtual time, and the
// one with the least is next. A start costs 1/weight for each slot that it takes, and every second that
// one of its jobs holds a slot costs 1/weight more. So short jobs share by number of starts, long jobs by the slots
// they hold, and a tenant whose jobs run for an hour cannot sit on all slots because its starts are few. A tenant
// that was idle begins at the virtual time of the others: it gets its share from now on, and no credit for the
// past.
//
// Where workers differ, a tenant may have to be passed over though a slot is free: all that can run its types is
// taken. It keeps its place, but at most `credit_max` of it, and among equals whoever started longest ago is next.
// So those who wait for the same scarce worker alternate, however far the tenants of the other workers have moved
// on.
//
// Pure: time is an argument; no tenant is known but by its number. Not thread-safe.
#pragma once

#include <compare>
#include <cstdint>
#include <set>
#include <unordered_map>
#include <vector>

#include "schema/ids.hpp"
#include "schema/time.hpp"

namespace coppice {

class fair_share {
  public:
    // The tenant has work that may start (or no longer has). A tenant never seen has weight 1.
    void set_active(tenant_id t, bool active);
    void set_weight(tenant_id t, std::uint32_t weight);
    // One of its jobs took so many slots; gave them back.
    void started(tenant_id t, std::uint32_t slots = 1);
    void ended(tenant_id t, std::uint32_t slots = 1);
    // Charges the slot-time used since the last call; call before picking. Costs as many steps as tenants with
    // running jobs.
    void charge(instant now);
    // A slot was free and the tenant could not use it: bounds what it is owed for that.
    void passed_over(tenant_id t);
    static constexpr double credit_max = 10; // starts, or seconds of a slot, times 1/weight

    // Active tenants, the one whose turn it is first.
    struct turn {
        double virtual_time = 0;
        std::uint64_t last_start = 0; // counts starts of all tenants
        tenant_id tenant{};
        auto operator<=>(const turn&) const = default;
    };
    const std::set<turn>& turns() const { return turns_; }
    std::uint64_t running(tenant_id t) const; // slots
    double virtual_time(tenant_id t) const;

  private:
    struct entry {
        double virtual_time = 0;
        std::uint64_t last_start = 0;
        std::uint32_t weight = 1;
        std::uint64_t running = 0; // slots
        bool active = false;
    };
    static turn turn_of(tenant_id t, const entry& e) { return {e.virtual_time, e.last_start, t}; }
    void move_to(tenant_id t, entry& e, double virtual_time);

    std::unordered_map<tenant_id, entry> entries_;
    std::set<turn> turns_;
    std::set<tenant_id> holders_; // tenants with running jobs
    double floor_ = 0;            // the virtual time of the system: none becomes active below it
    std::uint64_t starts_ = 0;
    instant charged_ = never;
};

} // namespace coppice
