#include "cluster/peers/peer_tls.hpp"

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>
#include <system_error>

namespace coppice {
namespace {

struct freed_context {
    void operator()(SSL_CTX* c) const { SSL_CTX_free(c); }
};
using context_ptr = std::unique_ptr<SSL_CTX, freed_context>;

std::string last_error() {
    const auto code = ERR_peek_last_error(); // the outermost: what failed, before why
    ERR_clear_error();
    if (code == 0) return "no more is known";
    if (const char* reason = ERR_reason_error_string(code)) return reason;
    return "OpenSSL error " + std::to_string(code);
}

// The one value of an entry in the subject; empty when there is none, or more than one.
std::string subject_entry(const X509* certificate, int nid) {
    const X509_NAME* name = X509_get_subject_name(certificate);
    const int at = X509_NAME_get_index_by_NID(name, nid, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, nid, at) >= 0) return {};
    unsigned char* text = nullptr;
    const int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (size < 0) return {};
    std::string value(reinterpret_cast<const char*>(text), static_cast<std::size_t>(size));
    OPENSSL_free(text);
    return value;
}

// "node-7", and no other way to write it.
std::optional<node_id> node_of(std::string_view name) {
    constexpr std::string_view prefix = "node-";
    if (!name.starts_with(prefix)) return std::nullopt;
    node_id node;
    std::from_chars(name.data() + prefix.size(), name.data() + name.size(), node.value);
    if (node.value == 0 || name != std::string{prefix} + std::to_string(node.value)) return std::nullopt;
    return node;
}

std::optional<peer_certificate> certificate_of(const X509* x509) {
    const auto node = node_of(subject_entry(x509, NID_commonName));
    auto cluster = subject_entry(x509, NID_organizationName);
    std::tm ends{};
    if (!node || cluster.empty() || ASN1_TIME_to_tm(X509_get0_notAfter(x509), &ends) != 1) return std::nullopt;
    const auto at = std::chrono::system_clock::from_time_t(::timegm(&ends));
    return peer_certificate{*node, std::move(cluster), std::chrono::floor<microseconds>(at)};
}

std::array<std::filesystem::file_time_type, 3> times_of(const peer_options& o) {
    std::array<std::filesystem::file_time_type, 3> times{};
    std::error_code ignored; // a missing file shows when it is read
    std::size_t i = 0;
    for (const auto* path : {&o.certificate, &o.key, &o.ca})
        times[i++] = std::filesystem::last_write_time(*path, ignored);
    return times;
}

tl::unexpected<failure> unusable(std::string_view what, const std::filesystem::path& path) {
    return fail(errc::invalid_argument, std::string{what} + " " + path.string() + ": " + last_error());
}

expected<context_ptr> make_context(const peer_options& o) {
    context_ptr made{SSL_CTX_new(TLS_method())};
    SSL_CTX* c = made.get();
    if (c == nullptr) return fail(errc::internal, "no TLS context: " + last_error());
    ERR_clear_error();
    SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(c, 0); // no resumption: each connection shows its certificate
    SSL_CTX_set_mode(c, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    if (SSL_CTX_use_certificate_chain_file(c, o.certificate.c_str()) != 1)
        return unusable("certificate", o.certificate);
    if (SSL_CTX_use_PrivateKey_file(c, o.key.c_str(), SSL_FILETYPE_PEM) != 1) return unusable("key", o.key);
    if (SSL_CTX_load_verify_locations(c, o.ca.c_str(), nullptr) != 1) return unusable("CA", o.ca);
    const auto own = certificate_of(SSL_CTX_get0_certificate(c));
    if (!own || own->node != o.self || own->cluster != o.cluster)
        return fail(errc::invalid_argument, "certificate " + o.certificate.string() +
                                                ": its subject is not CN node-" + std::to_string(o.self.value) +
                                                ", O " + o.cluster);
    return made;
}

} // namespace

// ---- the files
// ------------------------------------------------------------------------------------------------------

struct peer_tls::files {
    peer_options options;
    std::array<std::filesystem::file_time_type, 3> times;
    context_ptr context;
};

peer_tls::peer_tls(std::unique_ptr<files> f) : files_(std::move(f)) {}
peer_tls::peer_tls(peer_tls&&) noexcept = default;
peer_tls& peer_tls::operator=(peer_tls&&) noexcept = default;
peer_tls::~peer_tls() = default;

expected<peer_tls> peer_tls::load(const peer_options& options) {
    const auto times = times_of(options);
    auto context = make_context(options);
    if (!context) return tl::unexpected(context.error());
    return peer_tls(std::make_unique<files>(files{options, times, std::move(*context)}));
}

SSL_CTX* peer_tls::context() {
    const auto times = times_of(files_->options);
    if (times == files_->times) return files_->context.get();
    auto anew = make_context(files_->options);
    if (anew) {
        files_->times = times;
        files_->context = std::move(*anew);
        trouble_.clear();
    } else {
        trouble_ = anew.error().detail;
    }
    return files_->context.get();
}

// ---- a session
// ------------------------------------------------------------------------------------------------------

tls_session::tls_session(SSL_CTX* context, int fd, bool accepts, std::string cluster, node_id expected_peer)
    : ssl_(SSL_new(context)), fd_(fd), accepts_(accepts), connected_(accepts), cluster_(std::move(cluster)),
      expected_(expected_peer) {
    if (ssl_ == nullptr || SSL_set_fd(ssl_, fd) != 1) {
        failed_ = true;
        why_ = "no TLS session: " + last_error();
        return;
    }
    accepts_ ? SSL_set_accept_state(ssl_) : SSL_set_connect_state(ssl_);
}

tls_session::~tls_session() { SSL_free(ssl_); }

void tls_session::close() {
    failed_ = closed_ = true;
    ::shutdown(fd_, SHUT_RDWR);
}

std::size_t tls_session::pending() const { return failed_ ? 0 : static_cast<std::size_t>(SSL_pending(ssl_)); }

tls_progress tls_session::outcome(int result) {
    const int error = errno;
    switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return tls_progress::again;
    case SSL_ERROR_ZERO_RETURN:
        why_ = "it closed the connection";
        break;
    case SSL_ERROR_SYSCALL:
        why_ = error == 0 ? "it closed the connection" : std::generic_category().message(error);
        break;
    default: {
        const long verified = SSL_get_verify_result(ssl_);
        why_ = "TLS: " + last_error();
        if (verified != X509_V_OK) why_ += std::string{": "} + X509_verify_cert_error_string(verified);
    }
    }
    failed_ = true;
    return tls_progress::failed;
}

tls_progress tls_session::shake_hands() {
    if (failed_) return tls_progress::failed;
    if (peer_) return tls_progress::done;
    if (!connected_) {
        pollfd asked{fd_, POLLOUT, 0};
        if (::poll(&asked, 1, 0) == 0) return tls_progress::again;
        int error = 0;
        socklen_t size = sizeof error;
        ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error != 0) {
            why_ = std::generic_category().message(error);
            failed_ = true;
            return tls_progress::failed;
        }
        connected_ = true;
    }
    ERR_clear_error();
    errno = 0;
    if (const int result = SSL_do_handshake(ssl_); result != 1) return outcome(result);
    if (identify()) return tls_progress::done;
    failed_ = true;
    return tls_progress::failed;
}

// The chain was verified in the handshake; here its subject.
bool tls_session::identify() {
    const X509* shown = SSL_get0_peer_certificate(ssl_);
    auto read = shown == nullptr ? std::nullopt : certificate_of(shown);
    if (!read || SSL_get_verify_result(ssl_) != X509_V_OK) {
        why_ = "its certificate does not name a node";
    } else if (read->cluster != cluster_) {
        why_ = "its certificate is of cluster " + printable(read->cluster);
    } else if (expected_.value != 0 && read->node != expected_) {
        why_ = "its certificate is node " + std::to_string(read->node.value) + ", not node " +
               std::to_string(expected_.value);
    } else {
        peer_ = std::move(read);
        return true;
    }
    return false;
}

tls_progress tls_session::read(void* to, std::size_t size, std::size_t& got) {
    got = 0;
    if (failed_) return tls_progress::failed;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_read_ex(ssl_, to, size, &got);
    return result == 1 ? tls_progress::done : outcome(result);
}

tls_progress tls_session::write(const void* from, std::size_t size, std::size_t& put) {
    put = 0;
    if (failed_) return tls_progress::failed;
    ERR_clear_error();
    errno = 0;
    const int result = SSL_write_ex(ssl_, from, size, &put);
    return result == 1 ? tls_progress::done : outcome(result);
}

} // namespace coppice
