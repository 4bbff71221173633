// An address that survives a restart. Callers hold the relay's handle; it passes each message on to the present
// incarnation, in the sender's own thread, with sender and request id unchanged, so answers do not come back
// through it and it costs one shared lock, no hop.
//
// While there is no incarnation, `when_down` decides: `stash` keeps messages, in order, up to
// limits::stash_max, for the next one; beyond that, and with `refuse` at once, a request is answered with
// errc::unavailable and a plain send is counted (`refused_sends`).
//
// Invariants: a message is delivered to one incarnation or stashed or refused and counted, never dropped in
// silence, for as long as the child was spawned through its context (what already was in the mailbox of a crashed
// incarnation is lost with it, as in Erlang; CAF answers the requests among it with the exit reason). Messages of
// one sender arrive in order, across a restart too.
// Monitoring a relay tells nothing of restarts: it lives until its last owner lets go.
#pragma once

#include <atomic>
#include <caf/actor.hpp>
#include <caf/actor_cast.hpp>
#include <caf/actor_system.hpp>
#include <caf/monitorable_actor.hpp>
#include <deque>
#include <memory>
#include <shared_mutex>

#include "schema/limits.hpp"

namespace coppice {

enum class when_down : std::uint8_t { stash, refuse };

class relay final : public caf::monitorable_actor {
  public:
    relay(caf::actor_config& config, when_down rule, std::size_t stash_max);
    ~relay() override;

    void enqueue(caf::mailbox_element_ptr message, caf::execution_unit* unit) override;
    const char* name() const override { return "relay"; }
    void on_destroy() override;

    // For the supervisor. `open` gives the new incarnation the stash, then what comes; without one, it is awaited.
    void open(const caf::actor& incarnation);
    // No incarnation any more; nothing happens if `incarnation` is not the present one.
    void close(const caf::actor_control_block* incarnation);
    // There will be no further incarnation (the child ended for good): the stash is refused, and so is all that
    // comes, until `open`.
    void end();

    std::size_t stashed() const;
    std::uint64_t refused_sends() const { return refused_sends_.load(std::memory_order_relaxed); }
    std::uint64_t refused_requests() const { return refused_requests_.load(std::memory_order_relaxed); }

  private:
    void refuse(caf::mailbox_element_ptr message);

    const when_down rule_;
    const std::size_t stash_max_;
    mutable std::shared_mutex lock_;
    caf::strong_actor_ptr incarnation_;
    std::deque<caf::mailbox_element_ptr> stash_;
    bool ended_ = false;
    std::atomic<std::uint64_t> refused_sends_{0};
    std::atomic<std::uint64_t> refused_requests_{0};
};

// Owns a relay. Copies share it.
class relay_ptr {
  public:
    relay_ptr() = default;
    relay_ptr(std::nullptr_t) {}
    explicit relay_ptr(caf::actor handle) : handle_(std::move(handle)) {}

    explicit operator bool() const { return static_cast<bool>(handle_); }
    relay* operator->() const { return static_cast<relay*>(caf::actor_cast<caf::abstract_actor*>(handle_)); }
    // The address for callers.
    const caf::actor& handle() const { return handle_; }
    // As a typed handle: `Handle` must be what the child is.
    template <class Handle>
    Handle as() const {
        return caf::actor_cast<Handle>(handle_);
    }

  private:
    caf::actor handle_;
};

// Made before the supervisor that will serve it, so that whoever is wired up first can already hold the address.
relay_ptr make_relay(caf::actor_system& system, when_down rule, std::size_t stash_max = limits::stash_max);

} // namespace coppice
