// Who can run what: the workers that are attached, their types and labels, the tenant that one is bound to, and how
// many of their slots are free. A job takes one slot or several of one worker. Lives in memory only: workers attach
// anew after a restart. A slot is taken when a start is decided and given back when the attempt ends, so held slots
// are those of the running jobs, also for workers that are not attached: one that went away still holds what it
// runs until that is adopted or lost, and finds it held when it attaches after a restart of the journal. Pure; not
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "schema/ids.hpp"

namespace coppice {

class slot_pool {
  public:
    struct worker {
        std::set<std::string> type_names;
        std::set<std::string> labels;
        std::vector<type_id> types; // those of the names that are declared
        tenant_id tenant{};         // runs attempts of this tenant alone; 0: of all
        std::uint32_t slots = 0;
        std::uint32_t total = 0; // of all shards, where they share them; never less than `slots`
        std::uint32_t used = 0;
        std::uint32_t large_starts = 0; // of jobs that took several slots
        bool draining = false;
        std::uint64_t grant = 0; // the word that gave it its slots, when shards share them
        bool silent = false;  // an attempt's heartbeat stopped: no more work until it attaches or is offered anew
        bool changed = false; // is among those of take_changed
        std::uint32_t free() const { return draining || silent || used >= slots ? 0 : slots - used; }
        bool serves(tenant_id t) const { return tenant == tenant_id{} || tenant == t; }
    };

    // What a declared type asks of a worker; the texts are read during the call that is handed this.
    struct demand {
        type_id type{};
        std::span<const std::string> require; // labels that it must have
        std::span<const std::string> prefer;  // the more of these it has, the sooner it is asked
    };

    // `total`: 0 is `slots`.
    void attach(worker_id id, std::set<std::string> type_names, std::uint32_t slots, tenant_id tenant = {},
                std::set<std::string> labels = {}, std::uint32_t total = 0);
    // More slots, or fewer: what runs beyond them goes on.
    void resize(worker_id id, std::uint32_t slots, std::uint64_t grant);
    void detach(worker_id id);
    void drain(worker_id id);
    void silence(worker_id id);
    // Resolves names to declared types, for all workers; `find(name, is_local)` gives a demand, or nullopt for a
    // name that is not declared, or not for that kind of worker.
    template <class Find>
    void resolve(Find&& find) {
        by_type_.clear();
        for (auto& [id, w] : workers_) {
            note_changed(id, w);
            w.types.clear();
            for (const auto& name : w.type_names)
                if (const std::optional<demand> wanted = find(name, is_local(id)); wanted && has_all(w, *wanted)) {
                    w.types.push_back(wanted->type);
                    add_member(id, w, *wanted);
                }
        }
    }

    // The types of the node's own executor.
    void offer_locally(const std::set<std::string>& names) {
        for (auto& [id, w] : workers_)
            if (is_local(id)) w.type_names = names;
    }

    bool has_free() const { return free_ > 0; }
    std::uint64_t free_slots() const { return free_; }
    // What looks for slots: so many at once of one worker.
    struct wish {
        type_id type{};
        tenant_id tenant{};
        std::uint32_t slots = 1;
        worker_id only{}; // of this worker; 0: of any
    };
    // A worker with that many free, and not kept: `first`, if it is one; of the others those with most preferred
    // labels, in turn. They are taken.
    std::optional<worker_id> take(const wish& w, worker_id first = {});
    // Slots of this very worker, for an attempt that it already runs.
    void take_from(worker_id id, std::uint32_t slots = 1);
    void release(worker_id id, std::uint32_t slots = 1);
    bool could_run(const wish& w) const;
    // Whether this very worker has the slots now, may have them later, or takes no such work any more.
    enum class room : std::uint8_t { now, later, never };
    room room_at(worker_id id, const wish& w) const;
    // Of which workers that are attached room_at may say something else than before, since the last call: slots
    // came free, it drains, was kept no longer.
    std::vector<worker_id> take_changed();
    // Keeps the worker that lacks fewest for it: nothing else takes of it, so that its slots come free one by one
    // for this wish, which jobs of one slot would otherwise keep from it for ever. Not when none has that many, nor
    // when one is kept already.
    bool keep_one_for(const wish& w);
    void keep_none();
    worker_id kept() const { return kept_; }
    const worker* find(worker_id id) const;
    const std::unordered_map<worker_id, worker>& workers() const { return workers_; }
    // Slots held, also those of a worker that is not attached.
    std::uint32_t held(worker_id id) const;
    std::uint64_t held() const;
    void clear_used();

  private:
    struct member {
        worker_id id;
        std::size_t liked = 0; // preferred labels that it has
    };
    struct members_of_type {
        std::vector<member> members;
        std::size_t next = 0;
        std::size_t most_liked = 0;
    };
    static bool has_all(const worker& w, const demand& wanted);
    bool is_open_to(worker_id id, const worker& w, const wish& by) const {
        return w.free() >= by.slots && id != kept_ && w.serves(by.tenant);
    }
    void add_member(worker_id id, const worker& w, const demand& wanted);
    template <class Change>
    void change(worker_id id, Change&& how);
    void note_changed(worker_id id, worker& w);

    std::unordered_map<worker_id, worker> workers_;
    std::unordered_map<worker_id, std::uint32_t> absent_; // slots that workers hold which are not attached; never 0
    std::unordered_map<type_id, members_of_type> by_type_;
    std::uint64_t free_ = 0;
    worker_id kept_{}; // for a job that needs more slots than it has free
    std::vector<worker_id> changed_;
};

} // namespace coppice
