#include "actors/supervision/supervisor_core_actor.hpp"

#include <caf/exit_reason.hpp>
#include <utility>

namespace coppice {
namespace {

constexpr std::size_t killed_named_max = 16; // in one report; the rest is a number

// Any positive start does: the policy's times are compared among themselves only, and 0 is `never` there.
constexpr auto time_origin = std::chrono::hours{1};

// splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t mix(std::uint64_t& state) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

} // namespace

supervisor_core::supervisor_core(caf::actor_config& config, supervision_ptr environment, tree_handle card,
                                 std::string path, supervisor_rules rules)
    : event_based_actor(config), environment_(std::move(environment)), policy_(rules), card_(std::move(card)),
      path_(std::move(path)), random_state_(environment_->seed ^ std::hash<std::string>{}(path_)) {
    set_exit_handler([this](caf::exit_msg& message) {
        relays_end_ = !is_to_be_restarted(message.reason);
        card_.state("stopping");
        policy_.shut_down();
        drive();
    });
}

// Reached with children only when this supervisor itself was killed: they must not outlive it (OTP: the link).
void supervisor_core::on_exit() {
    for (const child& it : children_)
        if (it.handle) send_kill(it.handle);
    children_.clear();
}

void supervisor_core::drive() {
    start_failures_.clear();
    while (const auto action = policy_.next(time_now())) {
        carry_out(*action);
        if (action->what == supervisor_action::kind::finish) return;
    }
    arm();
}

void supervisor_core::carry_out(const supervisor_action& action) {
    switch (action.what) {
    case supervisor_action::kind::start:
        return start(action.child, action.incarnation);
    case supervisor_action::kind::tell_exit:
        children_[action.child].card.handle().state("stopping");
        return send_exit(children_[action.child].handle, shutdown_reason(policy_.is_wanted(action.child)));
    case supervisor_action::kind::kill:
        return kill(action.child);
    case supervisor_action::kind::abandon:
        return abandon(action.child);
    case supervisor_action::kind::finish:
        return finish();
    }
}

void supervisor_core::start(std::uint32_t index, std::uint32_t incarnation) {
    child& it = children_[index];
    const tree_handle card = it.card.handle();
    if (card) card.node()->incarnation_started(wall_now());
    const relay_ptr& address = address_of(index);
    supervised_context context{*this, environment_, path_, it.id, card, address};
    expected<caf::actor> started = fail(errc::internal, "the start function gave no actor");
    try {
        started = start_child(index, context).get();
    } catch (...) {
        started = tl::unexpected<failure>(to_failure(error_of_exception(std::current_exception())));
    }
    if (started && !*started) started = fail(errc::internal, "the start function gave an empty handle");
    if (!started) {
        start_failures_.emplace_back(index, started.error());
        const exit_verdict verdict = policy_.start_failed(index, time_now(), random());
        return went_down(index, verdict, "start: " + to_string(started.error()), true);
    }
    it.handle = *started;
    if (address) address->open(it.handle);
    if (!policy_.is_first_start(index)) {
        if (it.card) it.card->count_restart();
        report(supervision_event::restarted, index, {});
    }
    // One functor instead of a monitor: it names the child by index, so the end costs no search.
    auto tell = [self = caf::strong_actor_ptr{ctrl()}, index, incarnation](const caf::error& reason,
                                                                           caf::execution_unit* unit) {
        self->enqueue(caf::make_mailbox_element(nullptr, caf::make_message_id(caf::message_priority::high), {},
                                                child_down{index, incarnation, reason}),
                      unit);
    };
    caf::actor_cast<caf::abstract_actor*>(it.handle)->attach_functor(std::move(tell));
}

void supervisor_core::handle_down(const child_down& down) {
    if (down.child >= children_.size()) return;
    const bool failed = is_failure(down.reason);
    const exit_verdict verdict = policy_.exited(down.child, down.incarnation, failed, time_now(), random());
    if (verdict == exit_verdict::ignored) return;
    const std::string reason = describe_exit(down.reason);
    // A child that was killed here is already reported as such.
    went_down(down.child, verdict, reason, failed && !(verdict == exit_verdict::stopped && reason == "killed"));
    drive();
}

void supervisor_core::went_down(std::uint32_t index, exit_verdict verdict, const std::string& reason, bool failed) {
    child& it = children_[index];
    let_go(index);
    if (failed) {
        if (it.card) it.card->incarnation_failed(reason, wall_now());
        report(supervision_event::child_failed, index, reason);
    }
    if (verdict == exit_verdict::gave_up) {
        why_gave_up_ = path_of(index) + ": " + reason;
        card_.state("giving up");
        report(supervision_event::gave_up, why_gave_up_);
    }
    if (policy_.stopping()) return it.card.handle().state("stopped");
    if (policy_.is_wanted(index)) {
        const auto wait = std::chrono::ceil<milliseconds>(policy_.start_at(index) - time_now());
        return it.card.handle().state(wait.count() > 0 ? "restarting in " + format_duration(wait) : "restarting");
    }
    it.card.handle().state("ended");
    if (const relay_ptr& address = address_of(index)) address->end();
    child_is_over(index);
}

void supervisor_core::kill(std::uint32_t index) {
    child& it = children_[index];
    it.card.handle().state("being killed");
    send_kill(it.handle);
    ++killed_count_;
    if (killed_.size() < killed_named_max) killed_.push_back(it.id);
    report(supervision_event::killed, index, "did not stop within its grace");
}

void supervisor_core::abandon(std::uint32_t index) {
    report(supervision_event::abandoned, index, "hangs in a handler and does not even obey the kill");
    went_down(index, exit_verdict::stopped, "abandoned", false);
    children_[index].card.handle().state("abandoned");
}

void supervisor_core::let_go(std::uint32_t index) {
    child& it = children_[index];
    // The wrapper has done it already, unless the actor was not spawned through its context.
    if (const relay_ptr& address = address_of(index); address && it.handle)
        address->close(caf::actor_cast<caf::actor_control_block*>(it.handle));
    it.handle = nullptr;
}

void supervisor_core::finish() {
    const bool gave_up = policy_.gave_up();
    if (relays_end_ && !gave_up)
        for (std::uint32_t i = 0; i < children_.size(); ++i)
            if (const relay_ptr& address = address_of(i)) address->end();
    std::string text = "all children stopped";
    if (killed_count_ > 0) text = std::to_string(killed_count_) + " children had to be killed:";
    for (const std::string& id : killed_) text += ' ' + id;
    if (killed_.size() < killed_count_) text += " ...";
    report(supervision_event::shut_down, text);
    card_.state(gave_up ? "gave up" : "stopped");
    quit(gave_up ? to_caf_error({errc::internal, "gave up: " + why_gave_up_}) : shutdown_reason(!relays_end_));
}

void supervisor_core::handle_wake_up() {
    armed_.reset();
    drive();
}

void supervisor_core::arm() {
    const auto when = policy_.wake_at();
    if (!when || (armed_ && *armed_ <= *when)) return;
    armed_ = *when;
    const auto at = caf::actor_clock::time_point{
        std::chrono::duration_cast<caf::actor_clock::duration_type>(when->time_since_epoch() - time_origin)};
    clock().schedule_message(
        at, caf::strong_actor_ptr{ctrl()},
        caf::make_mailbox_element(nullptr, caf::make_message_id(caf::message_priority::high), {}, wake_up{}));
}

instant supervisor_core::time_now() const {
    return instant{std::chrono::floor<microseconds>(clock().now().time_since_epoch()) + time_origin};
}

instant supervisor_core::wall_now() const { return environment_->wall_clock ? environment_->wall_clock() : never; }

std::uint64_t supervisor_core::random() { return mix(random_state_); }

void supervisor_core::report(supervision_event event, std::uint32_t index, const std::string& text) const {
    if (environment_->report_sink) environment_->report_sink({event, path_of(index), text});
}

void supervisor_core::report(supervision_event event, const std::string& text) const {
    if (environment_->report_sink) environment_->report_sink({event, path_, text});
}

} // namespace coppice
