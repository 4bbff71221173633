#include "tests/cluster/peers/raw_peer.hpp"

#include <arpa/inet.h>
#include <csignal>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace coppice::test {
namespace {

int connect_to(std::uint16_t port, int socket = -1) {
    std::signal(SIGPIPE, SIG_IGN); // this client writes to what may be closed
    const int fd = socket >= 0 ? socket : ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{10, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    static_cast<void>(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to)); // shows at the first send
    return fd;
}

} // namespace

raw_peer::raw_peer(std::uint16_t port, const std::optional<certificate_files>& files, int tls_version)
    : fd_(connect_to(port)), context_(SSL_CTX_new(TLS_client_method())) {
    if (files) {
        SSL_CTX_use_certificate_chain_file(context_, files->certificate.c_str());
        SSL_CTX_use_PrivateKey_file(context_, files->key.c_str(), SSL_FILETYPE_PEM);
    }
    if (tls_version != 0) SSL_CTX_set_max_proto_version(context_, tls_version);
    ssl_ = SSL_new(context_);
    SSL_set_fd(ssl_, fd_);
    connected_ = SSL_connect(ssl_) == 1;
}

raw_peer::~raw_peer() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
    ::close(fd_);
}

bool raw_peer::write(std::span<const char> bytes) {
    return SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())) == static_cast<int>(bytes.size());
}

bool raw_peer::read_whole(char* to, std::size_t size) {
    while (size > 0) {
        const int got = SSL_read(ssl_, to, static_cast<int>(size));
        if (got <= 0) {
            timed_out_ = SSL_get_error(ssl_, got) == SSL_ERROR_WANT_READ;
            return false;
        }
        to += got;
        size -= static_cast<std::size_t>(got);
    }
    return true;
}

std::optional<peer_envelope> raw_peer::hear() {
    char length[peer_length_size];
    if (!read_whole(length, sizeof length)) return std::nullopt;
    message_.assign(peer_length(length), 0);
    if (!read_whole(message_.data(), message_.size())) return std::nullopt;
    auto read = decode(message_);
    return read ? std::optional{*read} : std::nullopt;
}

int raw_peer::count_until_closed() {
    int count = 0;
    while (hear()) ++count;
    return timed_out_ ? -1 : count;
}

bool closed_without_a_word(std::uint16_t port, std::span<const char> bytes, int socket) {
    const int fd = connect_to(port, socket);
    ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    // A TLS server may answer garbage with an alert (content type 21), which says nothing.
    char answer[64];
    ssize_t got = 0;
    bool silent = true;
    while ((got = ::recv(fd, answer, sizeof answer, 0)) > 0) silent = silent && answer[0] == 21;
    const bool closed = got == 0 || errno == ECONNRESET;
    ::close(fd);
    return closed && silent;
}

silent_listener::silent_listener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof at;
    static_cast<void>(::bind(fd_, reinterpret_cast<const sockaddr*>(&at), size));
    ::listen(fd_, 64);
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&at), &size);
    port_ = ntohs(at.sin_port);
}

silent_listener::~silent_listener() { ::close(fd_); }

} // namespace coppice::test
