#include "runtime/joining/join_call.hpp"

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <cerrno>
#include <memory>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <system_error>

#include "cluster/identity/verification.hpp"
#include "runtime/executors/unique_fd.hpp"

namespace coppice {
namespace {

using context_ptr = std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)>;
using session_ptr = std::unique_ptr<SSL, void (*)(SSL*)>;
using bio_ptr = std::unique_ptr<BIO, int (*)(BIO*)>;

// Connected, and never waiting longer than `patience` for anything.
expected<executors::unique_fd> connect_to(const endpoint& at, milliseconds patience) {
    addrinfo hints{}, *list = nullptr;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    if (const int error = ::getaddrinfo(at.host.c_str(), std::to_string(at.port).c_str(), &hints, &list);
        error != 0)
        return fail(errc::unavailable, to_string(at) + ": " + ::gai_strerror(error));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses{list, ::freeaddrinfo};
    int error = 0;
    const timeval wait{patience.count() / 1000, patience.count() % 1000 * 1000};
    for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
        executors::unique_fd fd{::socket(each->ai_family, each->ai_socktype | SOCK_CLOEXEC, each->ai_protocol)};
        if (!fd) continue;
        for (const int option : {SO_SNDTIMEO, SO_RCVTIMEO}) // a connect's, too (socket(7))
            ::setsockopt(fd.get(), SOL_SOCKET, option, &wait, sizeof wait);
        if (::connect(fd.get(), each->ai_addr, each->ai_addrlen) == 0) return fd;
        error = errno == EINPROGRESS ? ETIMEDOUT : errno;
    }
    return fail(errc::unavailable, to_string(at) + " cannot be reached: " + std::generic_category().message(error));
}

// Nobody is verified here: who it is, is asked of the chain afterwards.
expected<session_ptr> shake_hands(SSL_CTX* context, int fd, const endpoint& at) {
    session_ptr session{SSL_new(context), SSL_free};
    if (!session || SSL_set_fd(session.get(), fd) != 1) return fail(errc::internal, "OpenSSL has no memory");
    if (SSL_connect(session.get()) == 1) return session;
    return fail(errc::unavailable, to_string(at) + " does not answer as a node that lets others in does (cluster."
                                                   "join_listen)");
}

std::string chain_of(SSL* session) {
    const bio_ptr text{BIO_new(BIO_s_mem()), BIO_free};
    const STACK_OF(X509)* chain = SSL_get_peer_cert_chain(session);
    for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i)
        PEM_write_bio_X509(text.get(), sk_X509_value(chain, i));
    char* data = nullptr;
    const long size = BIO_get_mem_data(text.get(), &data);
    return size > 0 ? std::string{data, static_cast<std::size_t>(size)} : std::string{};
}

// The authority, once it is the token's and has signed for who is there.
expected<std::string> known_authority(SSL* session, const join_token& token, instant now) {
    const std::string chain = chain_of(session);
    auto authority = authority_in_chain(chain, token.authority_fingerprint);
    if (!authority)
        return fail(errc::unauthenticated, "whoever answers there is not of the cluster \"" + token.cluster +
                                               "\" that made the token; the token was not shown");
    if (const auto who = verify(chain, *authority, now); !who) return tl::unexpected(who.error());
    return authority;
}

expected<void> send_all(SSL* session, kj::ArrayPtr<const kj::byte> bytes) {
    std::size_t written = 0; // all or nothing: partial writes are not enabled
    if (SSL_write_ex(session, bytes.begin(), bytes.size(), &written) == 1) return {};
    return fail(errc::unavailable, "the connection ended while the question was sent");
}

class session_input final : public kj::InputStream {
  public:
    explicit session_input(SSL* session) : session_(session) {}
    std::size_t tryRead(void* buffer, std::size_t least, std::size_t most) override {
        std::size_t have = 0, got = 0;
        while (have < least && SSL_read_ex(session_, static_cast<char*>(buffer) + have, most - have, &got) == 1)
            have += got;
        return have;
    }

  private:
    SSL* session_;
};

constexpr capnp::ReaderOptions hostile_answer{.traversalLimitInWords = limits::join_message_size_max / 8,
                                              .nestingLimit = 8};

expected<join_grant> converse(SSL* session, const join_request& request) {
    capnp::MallocMessageBuilder question;
    write(request, question.initRoot<joining::Question>());
    if (auto sent = send_all(session, capnp::messageToFlatArray(question).asBytes()); !sent)
        return tl::unexpected(sent.error());
    expected<join_grant> grant = fail(
        errc::unavailable, "the answer did not come, or not whole; if `coppice node list` shows a node that is "
                           "joining, remove it, and make another token");
    (void)kj::runCatchingExceptions([&] { // KJ's way to say that a message is cut off or damaged
        session_input input{session};
        capnp::InputStreamMessageReader answer{input, hostile_answer};
        grant = read(answer.getRoot<joining::Answer>());
    });
    return grant;
}

} // namespace

expected<join_grant> ask_to_join(const endpoint& at, const join_token& token, join_request request, instant now,
                                 milliseconds patience) {
    const context_ptr context{SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
    if (!context) return fail(errc::internal, "OpenSSL cannot be used");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    const auto fd = connect_to(at, patience);
    if (!fd) return tl::unexpected(fd.error());
    auto session = shake_hands(context.get(), fd->get(), at);
    ERR_clear_error();
    if (!session) return tl::unexpected(session.error());
    const auto authority = known_authority(session->get(), token, now);
    if (!authority) return tl::unexpected(authority.error());
    request.token_id = token.id;
    request.secret = token.secret;
    auto grant = converse(session->get(), request);
    ERR_clear_error();
    if (grant) grant->authority_pem = *authority; // the one that was looked at, whatever the answer says
    return grant;
}

} // namespace coppice
