// The members of the cluster as a node knows them, and the one way to change a member's record: compare-and-swap on
// the revision that was read.
//
// Invariants: what is given out was decoded and is safe to use; a record that cannot be read is reported and left
// out. Threads: any; callbacks come on the control store's thread unless said otherwise, and must not block.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "cluster/control/control_mirror.hpp"
#include "cluster/membership/member.hpp"

namespace coppice {

struct kept_member {
    member what;
    std::uint64_t revision = 0; // of its key: what put_member asks for
    bool operator==(const kept_member&) const = default;
};

// Without the revisions.
inline std::vector<member> plain_members(const std::vector<kept_member>& kept) {
    std::vector<member> members;
    for (const kept_member& each : kept) members.push_back(each.what);
    return members;
}

struct member_keeper_options {
    control_store* store = nullptr;                                          // outlives the keeper
    std::shared_ptr<control_rows> rows;                                      // the mirror's; null: in memory only
    std::function<void(const std::string& key, const failure& why)> refused; // a record that cannot be used
};

class member_keeper {
  public:
    using told_function = std::function<void(const std::vector<kept_member>&)>;

    // Begins to follow; waits for nobody. Errors: those of the store's `watch`.
    static expected<std::unique_ptr<member_keeper>> start(member_keeper_options options);
    // Waits for a call of `told` that is under way, so it may not come from one.
    ~member_keeper();
    member_keeper(const member_keeper&) = delete;
    member_keeper& operator=(const member_keeper&) = delete;

    // All members that can be read, those removed included; by number.
    std::vector<kept_member> members() const;
    // Whether all members who are not removed have it (own_version.hpp).
    bool all_have(std::string_view feature) const;
    // Who is told all members now, on this thread, before it returns, and again after each change. In place of who
    // was told before. May not be called from `told`.
    void on_members(told_function told);
    control_mirror_status status() const { return mirror_->status(); }

    // Writes the record over the one of that revision (0: there must be none). The new revision; conflict: another
    // one is there; unknown_outcome: read and compare; the rest as control_store::commit.
    void put_member(const member& m, std::uint64_t revision, std::function<void(expected<std::uint64_t>)> done);

  private:
    explicit member_keeper(member_keeper_options options) : options_(std::move(options)) {}

    void changed(const std::vector<control_change>& changes);

    const member_keeper_options options_;
    std::mutex telling_; // held during every call of `told_`
    told_function told_;
    std::unique_ptr<control_mirror> mirror_; // ends first: it calls us
};

} // namespace coppice
