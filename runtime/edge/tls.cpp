#include "runtime/edge/tls.hpp"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <optional>
#include <vector>

#include "persistence/secret_file.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

tl::unexpected<failure> bad(const std::string& path, const std::string& what) {
    return fail(errc::invalid_argument, path + ": " + what);
}

// kj-tls reports by exceptions; here they become values.
template <class Make>
auto catching(const std::string& path, const std::string& what, Make make) -> expected<decltype(make())> {
    std::optional<decltype(make())> made;
    const auto thrown = kj::runCatchingExceptions([&] { made.emplace(make()); });
    if (thrown != nullptr || !made) return bad(path, what);
    return std::move(*made);
}

expected<std::string> read_pem(const std::string& path) {
    std::string pem;
    if (const auto mode = read_small_file(path, limits::tls_file_size_max, pem); !mode)
        return tl::unexpected{mode.error()};
    return pem;
}

kj::StringPtr pointer_to(const std::string& text) { return {text.c_str(), text.size()}; }

// kj-tls trusts only the first certificate of each that it is given, so a bundle goes in one by one.
expected<std::vector<kj::TlsCertificate>> load_bundle(const std::string& path) {
    const auto read = read_pem(path);
    if (!read) return tl::unexpected{read.error()};
    const std::string& pem = *read;
    constexpr std::string_view begin = "-----BEGIN CERTIFICATE-----", end = "-----END CERTIFICATE-----";
    std::vector<kj::TlsCertificate> bundle;
    for (std::size_t at = pem.find(begin); at != std::string::npos; at = pem.find(begin, at)) {
        const std::size_t last = pem.find(end, at);
        const std::string one = pem.substr(at, last == std::string::npos ? last : last + end.size() - at) + '\n';
        auto certificate = catching(path, "certificate " + std::to_string(bundle.size() + 1) + " is damaged",
                                    [&] { return kj::TlsCertificate{pointer_to(one)}; });
        if (!certificate) return tl::unexpected{certificate.error()};
        bundle.push_back(std::move(*certificate));
        at += begin.size();
    }
    if (bundle.empty()) return bad(path, "holds no certificate in PEM");
    return bundle;
}

expected<void> read_private_key(const std::string& path, std::string& pem) {
    const auto mode = read_small_file(path, limits::tls_file_size_max, pem);
    if (!mode) return tl::unexpected{mode.error()};
    if ((*mode & 027) != 0) return bad(path, "others than its owner can reach this private key; chmod 600 it");
    if (pem.find("ENCRYPTED") != std::string::npos)
        return bad(path, "the private key is encrypted; there is nobody here to ask for the passphrase");
    return {};
}

// OpenSSL drops, in silence, a private key that is not the certificate's, and every handshake fails later.
bool belong_together(const std::string& chain_pem, const std::string& key_pem) {
    const auto bio = [](const std::string& text) {
        return std::unique_ptr<BIO, int (*)(BIO*)>{BIO_new_mem_buf(text.data(), static_cast<int>(text.size())),
                                                   BIO_free};
    };
    const auto chain = bio(chain_pem), key_text = bio(key_pem);
    const std::unique_ptr<X509, void (*)(X509*)> leaf{PEM_read_bio_X509(chain.get(), nullptr, nullptr, nullptr),
                                                      X509_free};
    const std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key{
        PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr), EVP_PKEY_free};
    const bool fits = leaf && key && X509_check_private_key(leaf.get(), key.get()) == 1;
    ERR_clear_error();
    return fits;
}

expected<kj::TlsKeypair> load_keypair(const std::string& chain_path, const std::string& key_path,
                                      const std::string& issuer_path = {}) {
    auto chain = read_pem(chain_path);
    if (!chain) return tl::unexpected{chain.error()};
    if (!issuer_path.empty()) {
        const auto issuer = read_pem(issuer_path);
        if (!issuer) return tl::unexpected{issuer.error()};
        *chain += '\n' + *issuer;
    }
    auto certificate = catching(chain_path, "not a chain of one to ten certificates in PEM",
                                [&] { return kj::TlsCertificate{pointer_to(*chain)}; });
    if (!certificate) return tl::unexpected{certificate.error()};
    wiped_text pem;
    if (const auto ok = read_private_key(key_path, pem.text); !ok) return tl::unexpected{ok.error()};
    auto key =
        catching(key_path, "not a private key in PEM", [&] { return kj::TlsPrivateKey{pointer_to(pem.text)}; });
    if (!key) return tl::unexpected{key.error()};
    if (!belong_together(*chain, pem.text))
        return bad(key_path, "this private key and the certificate in " + chain_path + " do not belong together");
    return kj::TlsKeypair{std::move(*key), std::move(*certificate)};
}

kj::TlsContext::Options base_options(const std::vector<kj::TlsCertificate>& trusted) {
    kj::TlsContext::Options options;
    options.minVersion = kj::TlsVersion::TLS_1_2;
    options.useSystemTrustStore = trusted.empty();
    options.trustedCertificates = kj::arrayPtr(trusted.data(), trusted.size());
    return options;
}

// The context copies what it needs of `options` and outlives it.
expected<std::shared_ptr<kj::TlsContext>> make_context(const std::string& path, kj::TlsContext::Options options) {
    return catching(path, "cannot be used for TLS",
                    [&] { return std::make_shared<kj::TlsContext>(kj::mv(options)); });
}

} // namespace

expected<tls_server::context> tls_server::make(const tls_server_files& files, kj::Timer& timer) {
    const auto keypair = load_keypair(files.certificate_chain, files.private_key, files.issuer);
    if (!keypair) return tl::unexpected{keypair.error()};
    std::vector<kj::TlsCertificate> trusted;
    if (!files.client_ca.empty()) {
        auto bundle = load_bundle(files.client_ca);
        if (!bundle) return tl::unexpected{bundle.error()};
        trusted = std::move(*bundle);
    }
    kj::TlsContext::Options options = base_options(trusted);
    options.useSystemTrustStore = false; // it would let in whoever has a certificate for a web site
    options.verifyClients = !trusted.empty();
    options.defaultKeypair = *keypair;
    options.timer = timer;
    options.acceptTimeout = limits::tls_handshake_timeout / std::chrono::seconds{1} * kj::SECONDS;
    return make_context(files.private_key, kj::mv(options));
}

expected<tls_server> tls_server::load(tls_server_files files, kj::Timer& timer) {
    auto made = make(files, timer);
    if (!made) return tl::unexpected{made.error()};
    return tls_server{std::move(files), timer, std::move(*made)};
}

expected<void> tls_server::reload() {
    auto made = make(files_, *timer_);
    if (!made) return tl::unexpected{made.error()};
    current_ = std::move(*made);
    return {};
}

kj::Promise<kj::Own<kj::AsyncIoStream>> tls_server::wrap(kj::Own<kj::AsyncIoStream> stream) const {
    return current_->wrapServer(kj::mv(stream)).attach(kj::cp(current_));
}

expected<tls_client> tls_client::load(const tls_client_files& files) {
    std::vector<kj::TlsCertificate> trusted;
    if (!files.ca.empty()) {
        auto bundle = load_bundle(files.ca);
        if (!bundle) return tl::unexpected{bundle.error()};
        trusted = std::move(*bundle);
    }
    kj::TlsContext::Options options = base_options(trusted);
    std::optional<kj::TlsKeypair> keypair;
    if (!files.certificate_chain.empty() || !files.private_key.empty()) {
        auto loaded = load_keypair(files.certificate_chain, files.private_key);
        if (!loaded) return tl::unexpected{loaded.error()};
        keypair.emplace(std::move(*loaded));
        options.defaultKeypair = *keypair;
    }
    auto made = make_context(keypair ? files.private_key : files.ca, kj::mv(options));
    if (!made) return tl::unexpected{made.error()};
    return tls_client{std::move(*made)};
}

kj::Promise<kj::Own<kj::AsyncIoStream>> tls_client::wrap(kj::Own<kj::AsyncIoStream> stream,
                                                         const std::string& server_name) const {
    return context_->wrapClient(kj::mv(stream), server_name.c_str()).attach(kj::cp(context_));
}

} // namespace coppice
