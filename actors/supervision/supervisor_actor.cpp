#include "actors/supervision/supervisor_actor.hpp"

#include <caf/scoped_actor.hpp>
#include <utility>

#include "actors/supervision/supervisor_core_actor.hpp"

namespace coppice {
namespace {

const relay_ptr no_address{};

// ---- a fixed table of children
// -------------------------------------------------------------------------------------

class fixed_supervisor : public supervisor_core {
  public:
    fixed_supervisor(caf::actor_config& config, supervision_ptr environment, tree_handle card, std::string path,
                     supervisor_spec spec)
        : supervisor_core(config, std::move(environment), std::move(card), std::move(path),
                          {spec.strategy, spec.intensity, spec.backoff}),
          specs_(std::move(spec.children)) {}

    const char* name() const override { return "supervisor"; }

  protected:
    caf::behavior make_behavior() override {
        for (const child_spec& spec : specs_) {
            const bool above_others = spec.kind == child_kind::supervisor;
            policy_.add({spec.restart, above_others ? infinity : spec.shutdown}, time_now());
            children_.push_back({spec.id, nullptr, tree_entry{card(), spec.id, to_string(spec.kind)}});
        }
        drive();
        return {
            [this](const child_down& down) { handle_down(down); },
            [this](wake_up) { handle_wake_up(); },
            [this](const find_child& wanted) -> caf::result<caf::actor> {
                for (std::uint32_t i = 0; i < specs_.size(); ++i) {
                    if (specs_[i].id != wanted.id) continue;
                    if (specs_[i].address) return specs_[i].address.handle();
                    if (children_[i].handle) return children_[i].handle;
                    return to_caf_error({errc::unavailable, path_of(i) + " is not running"});
                }
                return to_caf_error({errc::not_found, "no child " + wanted.id});
            },
        };
    }

    start_result start_child(std::uint32_t index, supervised_context& context) override {
        return specs_[index].start(context);
    }
    const relay_ptr& address_of(std::uint32_t index) const override { return specs_[index].address; }
    void child_is_over(std::uint32_t) override {}

  private:
    const std::vector<child_spec> specs_;
};

// ---- many children of one template
// ---------------------------------------------------------------------------------

class dynamic_supervisor : public supervisor_core {
  public:
    dynamic_supervisor(caf::actor_config& config, supervision_ptr environment, tree_handle card, std::string path,
                       dynamic_spec spec)
        : supervisor_core(config, std::move(environment), std::move(card), std::move(path),
                          {strategy::simple_one_for_one, spec.intensity, spec.backoff}),
          spec_(std::move(spec)) {}

    const char* name() const override { return "dynamic_supervisor"; }

  protected:
    caf::behavior make_behavior() override {
        return {
            [this](const child_down& down) { handle_down(down); },
            [this](wake_up) { handle_wake_up(); },
            [this](start_children& wanted) {
                started_children answer;
                answer.results.reserve(wanted.batch.size());
                for (child_start& one : wanted.batch) answer.results.push_back(add(one));
                return answer;
            },
            [this](const stop_children& wanted) {
                for (const child_key key : wanted.keys)
                    if (const auto index = find(key)) stop(*index);
                drive();
            },
            [this](const restart_children& wanted) {
                for (const child_key key : wanted.keys)
                    if (const auto index = find(key)) policy_.restart(*index, time_now());
                drive();
            },
            [this](const find_child& wanted) -> caf::result<caf::actor> {
                for (const child& it : children_)
                    if (it.handle && it.id == wanted.id) return it.handle;
                return to_caf_error({errc::not_found, "no child " + wanted.id});
            },
        };
    }

    start_result start_child(std::uint32_t index, supervised_context& context) override {
        return spec_.start(context, slots_[index].argument);
    }
    const relay_ptr& address_of(std::uint32_t) const override { return no_address; }

    void child_is_over(std::uint32_t index) override {
        policy_.remove(index);
        ++slots_[index].generation;
        slots_[index].argument.reset();
        children_[index] = {};
    }

  private:
    struct slot {
        std::any argument;
        std::uint32_t generation = 1;
    };

    started_child add(child_start& wanted) {
        if (policy_.stopping()) return {{}, nullptr, {errc::unavailable, "the supervisor is stopping"}};
        if (policy_.size() >= spec_.children_max)
            return {{}, nullptr, {errc::overloaded, std::to_string(spec_.children_max) + " children run already"}};
        const std::uint32_t index = policy_.add({spec_.restart, spec_.shutdown}, time_now());
        if (index == children_.size()) {
            children_.emplace_back();
            slots_.emplace_back();
        }
        slots_[index].argument = std::move(wanted.argument);
        tree_entry card_of_child;
        if (spec_.in_tree) card_of_child = tree_entry{card(), wanted.id, spec_.kind};
        children_[index] = {std::move(wanted.id), nullptr, std::move(card_of_child)};
        const child_key key{(std::uint64_t{slots_[index].generation} << 32) | index};
        drive();
        if (children_[index].handle) return {key, children_[index].handle, {errc::ok, {}}};
        for (const auto& [which, why] : start_failures_)
            if (which == index) return {{}, nullptr, why};
        return {{}, nullptr, {errc::unavailable, "the supervisor is stopping"}};
    }

    std::optional<std::uint32_t> find(child_key key) const {
        const auto index = static_cast<std::uint32_t>(key.value);
        if (index >= slots_.size() || slots_[index].generation != key.value >> 32) return std::nullopt;
        return index;
    }

    void stop(std::uint32_t index) {
        policy_.stop(index);
        if (!policy_.is_up(index)) child_is_over(index);
    }

    const dynamic_spec spec_;
    std::deque<slot> slots_;
};

} // namespace

namespace {

template <class Supervisor, class Spec>
caf::actor spawn_root(caf::actor_system& system, supervision_ptr environment, Spec spec) {
    const tree_handle card = environment->tree ? environment->tree->root() : tree_handle{};
    const std::string path = card ? card.node()->path() : "node";
    if (card) card.node()->incarnation_started(environment->wall_clock ? environment->wall_clock() : never);
    caf::actor_config config;
    return system.spawn_impl<supervised<Supervisor>, caf::no_spawn_options>(
        config, card.node(), relay_ptr{}, std::move(environment), card, path, std::move(spec));
}

} // namespace

caf::actor spawn_supervisor(caf::actor_system& system, supervision_ptr environment, supervisor_spec spec) {
    return spawn_root<fixed_supervisor>(system, std::move(environment), std::move(spec));
}

caf::actor spawn_dynamic_supervisor(caf::actor_system& system, supervision_ptr environment, dynamic_spec spec) {
    return spawn_root<dynamic_supervisor>(system, std::move(environment), std::move(spec));
}

expected<void> stop_and_wait(caf::actor_system& system, const caf::actor& supervisor, milliseconds wait) {
    caf::scoped_actor self{system};
    self->monitor(supervisor);
    self->send_exit(supervisor, shutdown_reason(false));
    expected<void> result;
    self->receive([](const caf::down_msg&) {},
                  caf::after(wait) >>
                      [&] {
                          result = fail(errc::unavailable,
                                        "the supervisor did not stop within " + format_duration(wait));
                      });
    return result;
}

start_function supervisor_of(supervisor_spec spec) {
    return [spec = std::move(spec)](supervised_context& context) -> start_result {
        // It starts its children in its own time, and their addresses may have ended with an earlier tree. Whoever
        // hears that this one is there may write to them at once: from here on, that waits for them.
        for (const child_spec& child : spec.children)
            if (child.address) child.address->open({});
        return context.spawn_class<fixed_supervisor>(context.environment(), context.node(), context.path(), spec);
    };
}

start_function dynamic_of(dynamic_spec spec) {
    return [spec = std::move(spec)](supervised_context& context) -> start_result {
        return context.spawn_class<dynamic_supervisor>(context.environment(), context.node(), context.path(), spec);
    };
}

} // namespace coppice
