#include "actors/supervision/relay_actor.hpp"

#include <caf/actor_config.hpp>
#include <caf/make_actor.hpp>
#include <mutex>
#include <utility>

#include "actors/supervision/supervised_actor.hpp"

namespace coppice {

relay::relay(caf::actor_config& config, when_down rule, std::size_t stash_max)
    : monitorable_actor(config), rule_(rule), stash_max_(stash_max) {}

relay::~relay() = default;

void relay::on_destroy() {
    end();
    if (!getf(is_cleaned_up_flag)) cleanup(caf::make_error(caf::exit_reason::unreachable), nullptr);
    monitorable_actor::on_destroy();
}

// The lock is held over the child's enqueue, so that after `close` nobody is still about to put a message into a
// mailbox that nobody will read.
void relay::enqueue(caf::mailbox_element_ptr message, caf::execution_unit* unit) {
    {
        const std::shared_lock guard{lock_};
        if (incarnation_) return incarnation_->enqueue(std::move(message), unit);
    }
    {
        const std::unique_lock guard{lock_};
        if (incarnation_) return incarnation_->enqueue(std::move(message), unit);
        if (rule_ == when_down::stash && !ended_ && stash_.size() < stash_max_) {
            stash_.push_back(std::move(message));
            return;
        }
    }
    refuse(std::move(message));
}

void relay::open(const caf::actor& incarnation) {
    const std::unique_lock guard{lock_};
    incarnation_ = caf::actor_cast<caf::strong_actor_ptr>(incarnation);
    ended_ = false;
    if (!incarnation_) return;
    for (auto& message : stash_) incarnation_->enqueue(std::move(message), nullptr);
    stash_.clear();
}

void relay::close(const caf::actor_control_block* incarnation) {
    caf::strong_actor_ptr last; // released after the lock: it may be the last reference
    const std::unique_lock guard{lock_};
    if (incarnation_.get() == incarnation) last.swap(incarnation_);
}

void relay::end() {
    std::deque<caf::mailbox_element_ptr> refused;
    {
        const std::unique_lock guard{lock_};
        ended_ = true;
        refused.swap(stash_);
    }
    for (auto& message : refused) refuse(std::move(message));
}

std::size_t relay::stashed() const {
    const std::shared_lock guard{lock_};
    return stash_.size();
}

void relay::refuse(caf::mailbox_element_ptr message) {
    if (message->mid.is_request()) {
        refused_requests_.fetch_add(1, std::memory_order_relaxed);
        // Not `bounce`: in 0.17 it answers with a reason of its own.
        caf::error why =
            to_caf_error({errc::unavailable, "the actor behind this address is restarting or has ended"});
        if (message->sender)
            message->sender->enqueue(nullptr, message->mid.response_id(), caf::make_message(std::move(why)),
                                     nullptr);
    } else {
        refused_sends_.fetch_add(1, std::memory_order_relaxed);
    }
}

relay_ptr make_relay(caf::actor_system& system, when_down rule, std::size_t stash_max) {
    caf::actor_config config;
    return relay_ptr{caf::make_actor<relay, caf::actor>(system.next_actor_id(), system.node(), &system, config,
                                                        rule, stash_max)};
}

} // namespace coppice
