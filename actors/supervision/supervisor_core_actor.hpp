// What both kinds of supervisor share: carrying out restart_policy's actions. Private to this folder.
//
// Invariants: children_ has the policy's indices; a child's `handle` is set exactly while its incarnation runs and
// was not given up; every end of a child arrives as child_down with the incarnation that ended, whoever sent it.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "actors/supervision/restart_policy.hpp"
#include "actors/supervision/supervisor_actor.hpp"

namespace coppice {

struct child_down {
    std::uint32_t child = 0;
    std::uint32_t incarnation = 0;
    caf::error reason;
};
struct wake_up {};

class supervisor_core : public caf::event_based_actor {
  public:
    supervisor_core(caf::actor_config& config, supervision_ptr environment, tree_handle card, std::string path,
                    supervisor_rules rules);
    void on_exit() override;

  protected:
    struct child {
        std::string id;
        caf::actor handle;
        tree_entry card;
    };

    // How the child of that index is started, and its relay, if any.
    virtual start_result start_child(std::uint32_t index, supervised_context& context) = 0;
    virtual const relay_ptr& address_of(std::uint32_t index) const = 0;
    // The child will not run again: forget it, if this kind of supervisor forgets.
    virtual void child_is_over(std::uint32_t index) = 0;

    // Carries out whatever is due, then arms the timer for what comes next. To be called after every input.
    void drive();
    instant time_now() const;
    std::uint64_t random();
    std::string path_of(std::uint32_t index) const { return path_ + '/' + children_[index].id; }
    const tree_handle& card() const { return card_; }
    void handle_down(const child_down& down);
    void handle_wake_up();

    const supervision_ptr environment_;
    restart_policy policy_;
    std::deque<child> children_;
    std::vector<std::pair<std::uint32_t, failure>> start_failures_; // during the last drive()

  private:
    void carry_out(const supervisor_action& action);
    void start(std::uint32_t index, std::uint32_t incarnation);
    void went_down(std::uint32_t index, exit_verdict verdict, const std::string& reason, bool failed);
    void kill(std::uint32_t index);
    void abandon(std::uint32_t index);
    void finish();
    void let_go(std::uint32_t index);
    void arm();
    void report(supervision_event event, std::uint32_t index, const std::string& text) const;
    void report(supervision_event event, const std::string& text) const;
    instant wall_now() const;

    const tree_handle card_;
    const std::string path_;
    std::uint64_t random_state_;
    std::optional<instant> armed_;
    bool relays_end_ = true; // at the stop: nobody will start these children again
    std::string why_gave_up_;
    std::vector<std::string> killed_; // their ids, at the most a few, for the report of the stop
    std::size_t killed_count_ = 0;
};

} // namespace coppice

namespace caf {
template <>
struct allowed_unsafe_message_type<coppice::child_down> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::wake_up> : std::true_type {};
} // namespace caf
