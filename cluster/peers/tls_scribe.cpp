#include "cluster/peers/tls_scribe.hpp"

#include <caf/io/network/native_socket.hpp>
#include <cerrno>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace coppice {

using caf::io::network::operation;
using caf::io::network::rw_state;

// ---- reading and writing, as CAF's streams want it: success with nothing moved means "poll again"
// ------------------

namespace {

// After a failure the stream tells its manager; after graceful_shutdown() there is none to tell.
rw_state state_of(const tls_session& session, tls_progress at) {
    if (session.closed()) return rw_state::indeterminate;
    return at == tls_progress::failed ? rw_state::failure : rw_state::success;
}

} // namespace

tls_progress tls_scribe::policy::ready() {
    const bool was = session->peer().has_value();
    const tls_progress now = session->shake_hands();
    if (!was && now == tls_progress::done) secured(); // may close the session
    return now;
}

rw_state tls_scribe::policy::read_some(std::size_t& got, int, void* to, std::size_t size) {
    got = 0;
    tls_progress at = ready();
    if (at == tls_progress::done) at = session->read(to, size, got);
    return state_of(*session, at);
}

rw_state tls_scribe::policy::write_some(std::size_t& put, int, const void* from, std::size_t size) {
    put = 0;
    tls_progress at = ready();
    if (at == tls_progress::done && size > 0) at = session->write(from, size, put);
    return state_of(*session, at);
}

// ---- the scribe
// -----------------------------------------------------------------------------------------------------

tls_scribe::tls_scribe(caf::io::network::default_multiplexer& mpx, int fd, tls_session_ptr session,
                       std::function<void()> secured)
    : caf::io::scribe(caf::io::network::conn_hdl_from_socket(fd)), session_(session),
      stream_(mpx, fd, policy{std::move(session), std::move(secured)}) {}

void tls_scribe::configure_read(caf::io::receive_policy::config config) {
    stream_.configure_read(config);
    if (launched_) return;
    launched_ = true;
    stream_.start(this);
    stream_.force_empty_write(this); // a connect is over, or a handshake begins, when the socket can be written
}

// A running stream holds references to its scribe, and lets go of each when the multiplexer removes it for reading
// or writing. The multiplexer drops an addition and a removal of the same turn together, and then tells nobody:
// that would leak the scribe and its socket. So what is not yet polled is let go of here; what is polled is not,
// since the multiplexer will still call it.
void tls_scribe::graceful_shutdown() {
    const caf::intrusive_ptr<tls_scribe> alive{this}; // the broker's reference goes with detach()
    session_->close();
    stream_.backend().del(operation::write, stream_.fd(), &stream_);
    detach(&stream_.backend(), false);
    if ((stream_.eventbf() & EPOLLOUT) == 0) stream_.removed_from_loop(operation::write);
    if ((stream_.eventbf() & EPOLLIN) == 0) stream_.removed_from_loop(operation::read);
}

void tls_scribe::flush() {
    if (!detached()) stream_.flush(this);
}

std::string tls_scribe::addr() const {
    auto found = caf::io::network::remote_addr_of_fd(stream_.fd());
    return found ? *found : std::string{};
}

std::uint16_t tls_scribe::port() const {
    auto found = caf::io::network::remote_port_of_fd(stream_.fd());
    return found ? *found : std::uint16_t{0};
}

// ---- the doorman
// ----------------------------------------------------------------------------------------------------

sparing_accept::sparing_accept() : spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {}

sparing_accept::~sparing_accept() {
    if (spare_ >= 0) ::close(spare_);
}

bool sparing_accept::try_accept(int& accepted, int listening) {
    accepted = ::accept4(listening, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted >= 0) return true;
    if (errno != EMFILE && errno != ENFILE) return false;
    if (spare_ >= 0) ::close(spare_);
    if (const int refused = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC); refused >= 0) ::close(refused);
    spare_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    return false;
}

peer_doorman::peer_doorman(caf::io::network::default_multiplexer& mpx, int fd, std::function<void(int)> accept)
    : caf::io::doorman(caf::io::network::accept_hdl_from_socket(fd)), acceptor_(mpx, fd),
      accept_(std::move(accept)) {}

bool peer_doorman::new_connection() {
    const int fd = acceptor_.accepted_socket();
    if (detached()) {
        ::close(fd);
        return false;
    }
    accept_(fd);
    return true;
}

void peer_doorman::graceful_shutdown() {
    const caf::intrusive_ptr<peer_doorman> alive{this};
    acceptor_.graceful_shutdown();
    detach(&acceptor_.backend(), false);
    if ((acceptor_.eventbf() & EPOLLIN) == 0) acceptor_.removed_from_loop(operation::read); // as above
}

std::string peer_doorman::addr() const {
    auto found = caf::io::network::local_addr_of_fd(acceptor_.fd());
    return found ? *found : std::string{};
}

std::uint16_t peer_doorman::port() const {
    auto found = caf::io::network::local_port_of_fd(acceptor_.fd());
    return found ? *found : std::uint16_t{0};
}

} // namespace coppice
