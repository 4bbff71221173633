#include "cluster/identity/identity_files.hpp"

#include <array>
#include <fcntl.h>
#include <limits>
#include <sys/file.h>
#include <unistd.h>

#include "cluster/identity/certificate_reader.hpp"
#include "cluster/identity/verification.hpp"
#include "cluster/membership/record_text.hpp"
#include "persistence/secret_file.hpp"

namespace coppice {
namespace {

struct identity_paths {
    explicit identity_paths(const std::string& directory)
        : authority_certificate(directory + "/authority.pem"), authority_key(directory + "/authority.key"),
          node_certificate(directory + "/node.pem"), node_private_key(directory + "/node.key"),
          trusted(directory + "/trusted.pem"), last_node(directory + "/last-node") {}
    std::string authority_certificate, authority_key, node_certificate, node_private_key, trusted, last_node;
};

tl::unexpected<failure> bad(const std::string& path, const std::string& what) {
    return fail(errc::invalid_argument, path + ": " + what);
}

expected<std::string> read_certificate_file(const std::string& path) {
    std::string pem;
    const auto mode = read_small_file(path, limits::certificate_pem_size_max, pem);
    if (!mode) return tl::unexpected{mode.error()};
    if ((*mode & 022) != 0) return bad(path, "others than its owner can write it; chmod go-w it");
    return pem;
}

expected<void> read_key_file(const std::string& path, wiped_text& into) {
    const auto mode = read_small_file(path, limits::private_key_pem_size_max, into.text);
    if (!mode) return tl::unexpected{mode.error()};
    if ((*mode & 077) != 0) return bad(path, "others than its owner can reach this private key; chmod 600 it");
    return {};
}

expected<node_key> load_key(const std::string& path) {
    wiped_text pem;
    if (const auto ok = read_key_file(path, pem); !ok) return tl::unexpected{ok.error()};
    auto key = node_key::from_pem(pem.text);
    if (!key) return bad(path, key.error().detail);
    return key;
}

expected<void> create_key(const std::string& path, const node_key& key) {
    wiped_text pem;
    if (auto ok = key.write_pem(pem); !ok) return ok;
    return create_secret_file(path, pem.text);
}

bool is_for_key(const std::string& certificate_pem, const node_key& key) {
    const openssl::error_mark errors;
    const auto certificate = openssl::read_certificate(certificate_pem);
    return certificate && X509_check_private_key(certificate->get(), key.get()) == 1;
}

} // namespace

expected<void> create_authority_files(const std::string& directory, const authority& a) {
    const identity_paths paths{directory};
    // The certificate last: without it the key is nobody's, and a second try says that it is there.
    if (auto ok = create_key(paths.authority_key, a.key()); !ok) return ok;
    return create_secret_file(paths.authority_certificate, a.certificate_pem());
}

expected<void> create_node_key_file(const std::string& directory, const node_key& key) {
    return create_key(identity_paths{directory}.node_private_key, key);
}

expected<authority> load_authority(const std::string& directory) {
    const identity_paths paths{directory};
    const auto certificate = read_certificate_file(paths.authority_certificate);
    if (!certificate) return tl::unexpected{certificate.error()};
    wiped_text key;
    if (const auto ok = read_key_file(paths.authority_key, key); !ok) return tl::unexpected{ok.error()};
    auto loaded = authority::from_pem(*certificate, key.text);
    if (!loaded) return bad(paths.authority_certificate, loaded.error().detail);
    return loaded;
}

expected<node_key> load_node_key(const std::string& directory) {
    return load_key(identity_paths{directory}.node_private_key);
}

expected<void> save_node_certificate(const std::string& directory, const std::string& certificate_pem,
                                     const std::string& authority_pem, instant now) {
    const identity_paths paths{directory};
    const auto key = load_key(paths.node_private_key);
    if (!key) return tl::unexpected{key.error()};
    if (const auto identity = verify(certificate_pem, authority_pem, now); !identity)
        return tl::unexpected{identity.error()};
    if (!is_for_key(certificate_pem, *key))
        return bad(paths.node_private_key, "the new certificate is for another key");
    // A renewal by the same authority, the common case, thus replaces one file.
    const auto trusted = read_certificate_file(paths.trusted);
    if (!trusted || *trusted != authority_pem)
        if (auto ok = replace_secret_file(paths.trusted, authority_pem); !ok) return ok;
    return replace_secret_file(paths.node_certificate, certificate_pem);
}

expected<node_credentials> load_node_credentials(const std::string& directory, instant now) {
    const identity_paths paths{directory};
    auto key = load_key(paths.node_private_key);
    if (!key) return tl::unexpected{key.error()};
    auto certificate = read_certificate_file(paths.node_certificate);
    if (!certificate) return tl::unexpected{certificate.error()};
    auto trusted = read_certificate_file(paths.trusted);
    if (!trusted) return tl::unexpected{trusted.error()};
    auto identity = verify(*certificate, *trusted, now);
    if (!identity) return fail(identity.error().code, paths.node_certificate + ": " + identity.error().detail);
    if (!is_for_key(*certificate, *key))
        return bad(paths.node_private_key,
                   "this key and the certificate in " + paths.node_certificate + " do not belong together");
    return node_credentials{std::move(*key), std::move(*certificate), std::move(*trusted), std::move(*identity)};
}

bool has_authority(const std::string& directory) {
    return ::access(identity_paths{directory}.authority_key.c_str(), F_OK) == 0;
}

expected<node_id> take_node_number(const std::string& directory, node_id least) {
    const std::string path = identity_paths{directory}.last_node;
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return file_error(path, "opening");
    const std::unique_ptr<const int, void (*)(const int*)> closing{&file, [](const int* fd) { ::close(*fd); }};
    if (::flock(file, LOCK_EX) != 0) return file_error(path, "locking");
    std::array<char, 16> text{};
    const ssize_t size = ::pread(file, text.data(), text.size(), 0);
    if (size < 0) return file_error(path, "reading");
    std::string_view digits{text.data(), static_cast<std::size_t>(size)};
    if (digits.ends_with('\n')) digits.remove_suffix(1);
    const auto last = digits.empty() ? 0 : parse_number(digits, std::numeric_limits<std::uint32_t>::max() - 1);
    if (!last) return bad(path, "holds no number of a node");
    const node_id number = std::max(least, node_id{static_cast<std::uint32_t>(*last) + 1});
    // Never shorter than before, and in one block: a crash leaves the old number or the new one.
    const std::string line = std::to_string(number.value) + "\n";
    if (::pwrite(file, line.data(), line.size(), 0) != static_cast<ssize_t>(line.size()) || ::fsync(file) != 0)
        return file_error(path, "writing");
    return number;
}

} // namespace coppice
