// The supervisor: starts children as a table of child specs says, restarts what fails, gives up when that does not
// help, and stops everything in reverse order. All decisions are in restart_policy; here they are carried out.
//
//     const supervisor_spec shards{
//         .strategy = strategy::rest_for_one, .intensity = {5, 60s},
//         .children = {
//             {.id = "journal", .start = detached_actor_of(journal_actor, options), .address = journal},
//             {.id = "scheduler", .start = actor_of(scheduler_actor, journal.as<journal_handle>())},
//             {.id = "jobs", .start = dynamic_of(job_template), .kind = child_kind::supervisor},
//         }};
//
// A supervisor is told to stop by an ordinary exit message (any reason but `kill`). It exits with `user_shutdown`
// after an ordered stop and with a failure when it gave up; its own supervisor treats the latter as any child's.
// A start function runs in the supervisor's handler and must not block; what it throws is a failed start.
#pragma once

#include <any>
#include <caf/allowed_unsafe_message_type.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "actors/supervision/supervised_actor.hpp"

namespace coppice {

struct supervisor_spec {
    coppice::strategy strategy = coppice::strategy::one_for_one;
    restart_intensity intensity{};
    backoff_spec backoff{};
    std::vector<child_spec> children; // in the order of start; stopped in reverse
};

// Many children of one template ("simple_one_for_one"), started and stopped in batches.
struct dynamic_spec {
    std::function<start_result(supervised_context&, const std::any& argument)> start;
    restart_type restart = restart_type::temporary;
    shutdown_rule shutdown{};
    restart_intensity intensity{};
    backoff_spec backoff{};
    std::string_view kind = "worker"; // the word in the tree; must outlive the supervisor (a literal)
    bool in_tree = true;
    std::size_t children_max = limits::dynamic_children_max; // beyond it a start is refused with `overloaded`
};

// ---- starting one
// --------------------------------------------------------------------------------------------------

// The root: its path is the tree's root.
caf::actor spawn_supervisor(caf::actor_system& system, supervision_ptr environment, supervisor_spec spec);
caf::actor spawn_dynamic_supervisor(caf::actor_system& system, supervision_ptr environment, dynamic_spec spec);

// Asks for an ordered stop and waits for its end; blocks, so never called in an actor. errc::unavailable when it
// took longer than `wait`.
expected<void> stop_and_wait(caf::actor_system& system, const caf::actor& supervisor, milliseconds wait);

// Start functions for a table. Arguments are copied for each incarnation.
start_function supervisor_of(supervisor_spec spec);
start_function dynamic_of(dynamic_spec spec);

template <class F>
using behavior_arguments = typename caf::detail::get_callable_trait<F>::type::arg_types;
// A behaviour function of the form (self, tree_handle, arguments...) is given its card by actor_of.
template <class F>
inline constexpr bool takes_card =
    std::is_same_v<std::decay_t<caf::detail::tl_at_t<behavior_arguments<F>, 1>>, tree_handle>;

template <class F, class... Args>
start_function actor_of(F behavior, Args... arguments) {
    return
        [behavior, bound = std::make_tuple(std::move(arguments)...)](supervised_context& context) -> start_result {
            return std::apply(
                [&](const auto&... xs) -> start_result {
                    if constexpr (takes_card<F>)
                        return context.spawn(behavior, context.node(), xs...);
                    else
                        return context.spawn(behavior, xs...);
                },
                bound);
        };
}
template <class F, class... Args>
start_function detached_actor_of(F behavior, Args... arguments) {
    return
        [behavior, bound = std::make_tuple(std::move(arguments)...)](supervised_context& context) -> start_result {
            return std::apply(
                [&](const auto&... xs) -> start_result {
                    if constexpr (takes_card<F>)
                        return context.spawn_detached(behavior, context.node(), xs...);
                    else
                        return context.spawn_detached(behavior, xs...);
                },
                bound);
        };
}

// A dynamic template over an argument of one type.
template <class Argument, class Start>
auto dynamic_start(Start start) {
    return [start](supervised_context& context, const std::any& argument) -> start_result {
        const auto* value = std::any_cast<Argument>(&argument);
        if (!value) return fail(errc::internal, "the template is for arguments of another type");
        return start(context, *value);
    };
}

// ---- messages (local only)
// -----------------------------------------------------------------------------------------

// To a dynamic supervisor. Names a child for as long as it lives; never reused.
struct child_key {
    std::uint64_t value = 0; // 0: none
    auto operator<=>(const child_key&) const = default;
};

struct child_start {
    std::string id;    // the path's segment; need not be unique, but should
    std::any argument; // of the type that the template's `start` expects; kept for restarts
};
struct started_child {
    child_key key;
    caf::actor handle; // null when it failed
    failure why;       // errc::ok when it started
};

// Reply: started_children, in the order of the batch. As a plain send there is no reply.
struct start_children {
    std::vector<child_start> batch;
};
struct started_children {
    std::vector<started_child> results;
};
// No reply; unknown keys are ignored. Each is told to exit, gets its grace, then the kill, and is not restarted.
struct stop_children {
    std::vector<child_key> keys;
};
// As stop, but started again at once, whatever its restart type; not counted in the intensity.
struct restart_children {
    std::vector<child_key> keys;
};

// To a supervisor of either kind: the handle of the child `id` (its relay if it has one), or errc::not_found. For a
// dynamic supervisor a linear search: for tools and tests.
struct find_child {
    std::string id;
};

} // namespace coppice

namespace caf {
template <>
struct allowed_unsafe_message_type<coppice::start_children> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::started_children> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::stop_children> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::restart_children> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::find_child> : std::true_type {};
} // namespace caf
