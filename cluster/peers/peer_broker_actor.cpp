#include "cluster/peers/peer_broker_actor.hpp"

#include <caf/all.hpp>
#include <caf/io/middleman.hpp>
#include <csignal>
#include <cstring>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cluster/peers/peer_machine.hpp"
#include "cluster/peers/tls_scribe.hpp"

namespace coppice {
namespace {

using caf::io::connection_handle;
using caf::io::receive_policy;

peer_time now() { return std::chrono::steady_clock::now(); }

// Blocks when `host` is a name. The first address counts.
peer_resolved resolve(std::uint64_t connection, const peer_address& whom, int flags) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(whom.host.c_str(), std::to_string(whom.port).c_str(), &hints, &found);
    peer_resolved answer{.connection = connection};
    if (error != 0) {
        answer.trouble = whom.host + ": " + ::gai_strerror(error);
        return answer;
    }
    answer.address.assign(reinterpret_cast<const char*>(found->ai_addr),
                          reinterpret_cast<const char*>(found->ai_addr) + found->ai_addrlen);
    ::freeaddrinfo(found);
    return answer;
}

class broker_state : public peer_host {
  public:
    broker_state(caf::io::broker* self, std::shared_ptr<peer_shared> shared, std::shared_ptr<peer_tls> tls)
        : self_(self), shared_(std::move(shared)), tls_(std::move(tls)),
          machine(shared_->options, *this, shared_->gates, now()) {}

    void listen(int fd) {
        auto doorman =
            caf::make_counted<peer_doorman>(multiplexer(), fd, [this](int accepted) { accept(accepted); });
        self_->add_doorman(std::move(doorman));
    }

    // ---- what CAF says
    void data(caf::io::new_data_msg& message);
    void closed(connection_handle handle);
    void resolved(const peer_resolved& what);
    void tick() {
        machine.tick(now(), wall_clock_now());
        report_tls_trouble();
        publish();
    }
    void publish() {
        auto all = machine.statistics(now());
        const std::lock_guard lock(shared_->statistics_mutex);
        shared_->statistics = std::move(all);
    }

    // ---- what the machine asks
    void dial(connection_id id, const peer_address& whom) override;
    void write(connection_id id, std::vector<char> bytes) override;
    void close(connection_id id) override;
    std::function<void(const link_gate_ptr&, peer_channel)> credit_poster() override {
        return [shared = shared_](const link_gate_ptr& gate, peer_channel channel) {
            shared->door.post(credit_wanted{gate, channel});
        };
    }

  private:
    struct wire {
        connection_handle handle;
        tls_session_ptr session;
        bool in_message = false; // its length was read
    };

    caf::io::network::default_multiplexer& multiplexer() {
        return static_cast<caf::io::network::default_multiplexer&>(self_->backend());
    }
    void accept(int fd);
    void attach(connection_id id, int fd, bool accepted, node_id expected);
    void fail_later(connection_id id, std::string why) {
        caf::anon_send(caf::actor_cast<caf::actor>(self_), peer_resolved{id, {}, std::move(why)});
    }
    void report_tls_trouble();

    caf::io::broker* self_;
    std::shared_ptr<peer_shared> shared_;
    std::shared_ptr<peer_tls> tls_;
    std::map<connection_id, wire> wires_;
    std::map<connection_handle, connection_id> ids_;
    std::map<connection_id, node_id> resolving_; // dialed, their address not yet known
    std::string told_trouble_;

  public:
    peer_machine machine;
};

void broker_state::accept(int fd) {
    if (!machine.may_accept()) {
        ::close(fd);
        return;
    }
    attach(machine.accepted(now()), fd, true, node_id{});
}

void broker_state::attach(connection_id id, int fd, bool accepted, node_id expected) {
    caf::io::network::child_process_inherit(fd, false);
    caf::io::network::nonblocking(fd, true);
    auto session = std::make_shared<tls_session>(tls_->context(), fd, accepted, shared_->options.cluster, expected);
    auto scribe = caf::make_counted<tls_scribe>(multiplexer(), fd, session, [this, id] {
        const auto found = wires_.find(id);
        if (found != wires_.end()) machine.secured(now(), id, *found->second.session->peer());
    });
    const auto handle = scribe->hdl();
    self_->add_scribe(std::move(scribe));
    wires_[id] = {handle, std::move(session)};
    ids_[handle] = id;
    self_->configure_read(handle, receive_policy::exactly(peer_length_size));
}

void broker_state::dial(connection_id id, const peer_address& whom) {
    resolving_[id] = whom.node;
    const auto numeric = resolve(id, whom, AI_NUMERICHOST);
    // Through the mailbox: the machine is not to hear of a connection while it asks for it.
    if (numeric.trouble.empty()) {
        caf::anon_send(caf::actor_cast<caf::actor>(self_), numeric);
    } else { // a name: looking it up may take long, so not on this thread
        self_->system().spawn<caf::detached>(
            [](caf::event_based_actor*, connection_id about, const peer_address& who, const caf::actor& answer_to) {
                caf::anon_send(answer_to, resolve(about, who, 0));
            },
            id, whom, caf::actor_cast<caf::actor>(self_));
    }
}

void broker_state::resolved(const peer_resolved& what) {
    const auto found = resolving_.find(what.connection);
    if (found == resolving_.end()) return; // given up meanwhile
    const node_id node = found->second;
    resolving_.erase(found);
    if (!what.trouble.empty()) return machine.closed(now(), what.connection, what.trouble);
    sockaddr_storage address{};
    std::memcpy(&address, what.address.data(), std::min(what.address.size(), sizeof address));
    const int fd = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return machine.closed(now(), what.connection, "no socket");
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(what.address.size())) !=
            0 &&
        errno != EINPROGRESS) {
        const std::string why = std::generic_category().message(errno);
        ::close(fd);
        return machine.closed(now(), what.connection, why);
    }
    attach(what.connection, fd, false, node);
}

void broker_state::write(connection_id id, std::vector<char> bytes) {
    const auto found = wires_.find(id);
    if (found == wires_.end()) return;
    self_->write(found->second.handle, bytes.size(), bytes.data());
    self_->flush(found->second.handle);
}

void broker_state::close(connection_id id) {
    resolving_.erase(id);
    const auto found = wires_.find(id);
    if (found == wires_.end()) return;
    const auto handle = found->second.handle;
    ids_.erase(handle);
    wires_.erase(found);
    self_->close(handle);
}

void broker_state::closed(connection_handle handle) {
    const auto found = ids_.find(handle);
    if (found == ids_.end()) return;
    const connection_id id = found->second;
    const std::string why = wires_.at(id).session->why();
    ids_.erase(found);
    wires_.erase(id);
    machine.closed(now(), id, why.empty() ? "it closed the connection" : why);
}

void broker_state::data(caf::io::new_data_msg& message) {
    const auto found = ids_.find(message.handle);
    if (found == ids_.end()) return;
    const connection_id id = found->second;
    wire& w = wires_.at(id);
    if (!w.in_message) {
        const std::size_t size = peer_length(message.buf);
        if (size == 0 || size > machine.size_max(id))
            return machine.offended(now(), id, "a message of " + std::to_string(size) + " bytes");
        w.in_message = true;
        self_->configure_read(message.handle, receive_policy::exactly(size));
        return;
    }
    w.in_message = false;
    self_->configure_read(message.handle, receive_policy::exactly(peer_length_size));
    machine.received(now(), id, std::exchange(message.buf, {}));
}

void broker_state::report_tls_trouble() {
    if (tls_->trouble() == told_trouble_) return;
    told_trouble_ = tls_->trouble();
    if (!told_trouble_.empty() && shared_->options.on_log)
        shared_->options.on_log(shared_->options.self, "keeps its old certificate: " + told_trouble_);
}

// Without a sender: a message from an actor to itself that it does not live to see would keep it alive for ever.
void tick_later(caf::io::broker* self) {
    caf::delayed_anon_send(caf::actor_cast<caf::actor>(self), limits::peer_tick, peers_tick{});
}

// A peer that closes while we write must not raise a signal. The thread is the middleman's, and this network's
// alone.
void block_sigpipe() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

} // namespace

void broker_door::open(caf::actor broker) {
    const std::lock_guard lock(mutex_);
    broker_ = std::move(broker);
}

void broker_door::shut() {
    const std::lock_guard lock(mutex_);
    broker_ = nullptr;
}

caf::behavior peer_broker(caf::io::broker* self, std::shared_ptr<peer_shared> shared, std::shared_ptr<peer_tls> tls,
                          int listening) {
    block_sigpipe();
    auto state = std::make_shared<broker_state>(self, std::move(shared), std::move(tls));
    state->listen(listening);
    tick_later(self);
    return {
        [state](caf::io::new_data_msg& message) { state->data(message); },
        [state](const caf::io::connection_closed_msg& message) { state->closed(message.handle); },
        [](const caf::io::acceptor_closed_msg&) {},
        [state](const peer_resolved& what) { state->resolved(what); },
        [state](const peers_named& named) {
            state->machine.set_peers(now(), named.peers);
            state->publish();
        },
        [state](const frame_to_send& frame) {
            state->machine.send(now(), frame.gate, frame.channel, *frame.bytes);
        },
        [state](const credit_wanted& wanted) { state->machine.give_credit(now(), wanted.gate, wanted.channel); },
        [self, state](peers_tick) {
            state->tick();
            tick_later(self);
        },
        [self, state](peers_stop) {
            state->machine.stop(now());
            self->quit();
        },
    };
}

} // namespace coppice
