// What a supervisor hands to a starting child, and the wrapper that makes an actor a supervised one.
//
// Intuition: a start function gets a context and calls `context.spawn(behavior_function, arguments...)`. The actor
// that comes of it is the one you wrote plus three things: an exception in a handler ends it with a reason that
// carries the text (nothing else catches), it counts its messages on its card in the tree, and its relay, if it
// has one, closes before its mailbox does.
#pragma once

#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/event_based_actor.hpp>
#include <caf/stateful_actor.hpp>
#include <caf/typed_event_based_actor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "actors/supervision/actor_tree.hpp"
#include "actors/supervision/child_spec.hpp"
#include "actors/supervision/relay_actor.hpp"
#include "schema/errc.hpp"

namespace coppice {

// What happened to a child or a supervisor: the sink writes it to the log.
enum class supervision_event : std::uint8_t {
    child_failed, // ended with a failure, or could not start
    restarted,    // a new incarnation runs
    gave_up,      // intensity exceeded: the supervisor stops its children and escalates
    killed,       // did not stop within its grace
    abandoned,    // does not even obey the kill (hangs in a handler); its thread is lost until it returns
    shut_down,    // the supervisor ended, children in reverse order
};
std::string_view to_string(supervision_event e);

struct supervision_report {
    supervision_event event;
    std::string path; // of the child or supervisor, as in the tree: "node/shards/shard-3"
    std::string text; // the reason; for shut_down: which children had to be killed
};

// Handed down from the root to every supervisor; one for the node.
struct supervision {
    std::shared_ptr<actor_tree> tree;                           // null: no tree
    std::function<void(const supervision_report&)> report_sink; // any thread; must not block; null: no reports
    std::function<instant()> wall_clock;                        // for the tree's times only; null: never
    std::uint64_t seed = 0;                                     // of the jitter
    bool detach = true; // false: spawn_detached gives ordinary actors, for tests on virtual time
};
using supervision_ptr = std::shared_ptr<const supervision>;

// The result of a start: a handle of any type, or why not.
class start_result {
  public:
    template <class Handle>
    requires requires(const Handle& h) { caf::actor_cast<caf::actor>(h); }
    start_result(const Handle& handle) : result_(caf::actor_cast<caf::actor>(handle)) {}
    start_result(failure why) : result_(tl::unexpected<failure>(std::move(why))) {}
    start_result(tl::unexpected<failure> why) : result_(std::move(why)) {}

    const expected<caf::actor>& get() const { return result_; }

  private:
    expected<caf::actor> result_;
};

class supervised_context;
using start_function = std::function<start_result(supervised_context&)>;

// One line of a supervisor's table.
struct child_spec {
    std::string id; // unique in its supervisor; the path's segment
    start_function start;
    restart_type restart = restart_type::permanent;
    shutdown_rule shutdown{};
    child_kind kind = child_kind::worker;
    relay_ptr address{}; // null: no stable address, no cost; see relay_actor.hpp
};

// How a supervisor says "shutdown" to a child: user_shutdown, with a mark when it will be started again, so that a
// supervisor among the children knows whether its relays still have a future.
caf::error shutdown_reason(bool to_be_restarted);
bool is_to_be_restarted(const caf::error& reason);

// Jumps the mailbox's queue; no handler of the child is asked.
void send_kill(const caf::actor& child);

// caf::error <-> failure. An exit reason is "normal" when it is none, exit_reason::normal or user_shutdown.
caf::error to_caf_error(const failure& f);
failure to_failure(const caf::error& e);
bool is_failure(const caf::error& exit_reason);
std::string describe_exit(const caf::error& exit_reason);
caf::error error_of_exception(const std::exception_ptr& e);

// `Impl` as its supervisor wants it; see the file's head.
template <class Impl>
class supervised final : public Impl {
  public:
    template <class... Args>
    supervised(caf::actor_config& config, std::shared_ptr<tree_node> node, relay_ptr address, Args&&... args)
        : Impl(config, std::forward<Args>(args)...), node_(std::move(node)), address_(std::move(address)) {
        this->set_exception_handler(
            [](caf::scheduled_actor*, std::exception_ptr& e) { return error_of_exception(e); });
    }

    using Impl::consume;
    using Impl::enqueue;

    void enqueue(caf::mailbox_element_ptr message, caf::execution_unit* unit) override {
        if (node_ && !this->mailbox().closed()) node_->message_enqueued();
        Impl::enqueue(std::move(message), unit);
    }

    caf::invoke_message_result consume(caf::mailbox_element& message) override {
        const auto result = Impl::consume(message);
        if (node_ && result != caf::invoke_message_result::skipped) node_->message_handled();
        return result;
    }

    bool cleanup(caf::error&& reason, caf::execution_unit* unit) override {
        if (address_) address_->close(this->ctrl());
        return Impl::cleanup(std::move(reason), unit);
    }

  private:
    std::shared_ptr<tree_node> node_;
    relay_ptr address_;
};

// Lives during one start; start functions do not keep it.
class supervised_context {
  public:
    supervised_context(caf::scheduled_actor& parent, const supervision_ptr& environment,
                       const std::string& parent_path, const std::string& id, const tree_handle& node,
                       const relay_ptr& address)
        : parent_(parent), environment_(environment), parent_path_(parent_path), id_(id), node_(node),
          address_(address) {}

    caf::actor_system& system() const { return parent_.system(); }
    caf::actor supervisor() const { return caf::actor_cast<caf::actor>(parent_.ctrl()); }
    const supervision_ptr& environment() const { return environment_; }
    const std::string& id() const { return id_; }
    std::string path() const { return parent_path_ + '/' + id_; }
    // The child's card: copy it into the child's state to publish; empty without a tree.
    const tree_handle& node() const { return node_; }

    // As caf::actor_system::spawn, for functions; gives the (typed) handle.
    template <class F, class... Args>
    auto spawn(F behavior, Args&&... args) {
        return spawn_function<caf::no_spawn_options>(std::move(behavior), std::forward<Args>(args)...);
    }
    // With a thread of its own.
    template <class F, class... Args>
    auto spawn_detached(F behavior, Args&&... args) {
        return environment_->detach
                   ? spawn_function<caf::detached>(std::move(behavior), std::forward<Args>(args)...)
                   : spawn_function<caf::no_spawn_options>(std::move(behavior), std::forward<Args>(args)...);
    }
    // For classes.
    template <class Actor, class... Args>
    auto spawn_class(Args&&... args) {
        caf::actor_config config{parent_.context(), &parent_};
        return system().template spawn_impl<supervised<Actor>, caf::no_spawn_options>(
            config, node_.node(), address_, std::forward<Args>(args)...);
    }

  private:
    template <caf::spawn_options Options, class F, class... Args>
    auto spawn_function(F behavior, Args&&... args) {
        using impl = caf::infer_impl_from_fun_t<F>;
        caf::actor_config config{parent_.context(), &parent_};
        config.init_fun.assign(caf::detail::unique_function<caf::behavior(caf::local_actor*)>::make_wrapper(
            [behavior = std::move(behavior), bound = std::make_tuple(std::decay_t<Args>(
                                                 std::forward<Args>(args))...)](caf::local_actor* self) mutable {
                return std::apply(
                    [&](auto&... xs) { return first_behavior(behavior, static_cast<impl*>(self), xs...); }, bound);
            }));
        return system().template spawn_impl<supervised<impl>, Options>(config, node_.node(), address_);
    }

    // Not caf::detail::init_fun_factory: in 0.17 that dereferences a null pointer when there are no arguments.
    template <class Impl, class F, class... Args>
    static caf::behavior first_behavior(F& behavior, Impl* self, Args&... args) {
        const auto call = [&] {
            if constexpr (std::is_invocable_v<F&, Impl*, Args&&...>)
                return behavior(self, std::move(args)...);
            else
                return behavior(std::move(args)...);
        };
        if constexpr (std::is_void_v<decltype(call())>) {
            call();
            return {};
        } else {
            auto first = call();
            return std::move(first.unbox());
        }
    }

    caf::scheduled_actor& parent_;
    const supervision_ptr& environment_;
    const std::string& parent_path_;
    const std::string& id_;
    const tree_handle& node_;
    const relay_ptr& address_;
};

} // namespace coppice
