#include "tests/cluster/peers/test_certificates.hpp"

#include <cstdio>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdexcept>
#include <unistd.h>

namespace coppice::test {
namespace {

void add_entry(X509_NAME* name, const char* field, const std::string& value) {
    X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                               static_cast<int>(value.size()), -1, 0);
}

X509* make(EVP_PKEY* key, const std::string& name, const std::string& organization, std::chrono::seconds ends,
           X509* issuer, EVP_PKEY* issuer_key, int serial) {
    X509* x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    X509_gmtime_adj(X509_getm_notBefore(x), ends.count() < 0 ? -7200 : -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), static_cast<long>(ends.count()));
    X509_set_pubkey(x, key);
    add_entry(X509_get_subject_name(x), "CN", name);
    if (!organization.empty()) add_entry(X509_get_subject_name(x), "O", organization);
    X509_set_issuer_name(x, X509_get_subject_name(issuer != nullptr ? issuer : x));
    if (issuer == nullptr) {
        X509_EXTENSION* ca = X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, "critical,CA:TRUE");
        X509_add_ext(x, ca, -1);
        X509_EXTENSION_free(ca);
    }
    X509_sign(x, issuer_key, EVP_sha256());
    return x;
}

template <class Write>
void write_pem(const std::filesystem::path& path, Write write) {
    // Whole or not at all: a network may read it at this moment.
    const auto beside = path.string() + ".new";
    std::FILE* file = std::fopen(beside.c_str(), "w");
    if (file == nullptr) throw std::runtime_error("cannot write " + beside);
    write(file);
    std::fclose(file);
    std::filesystem::rename(beside, path);
}

} // namespace

test_ca::test_ca() : key_(EVP_EC_gen("P-256")) {
    std::string pattern = (std::filesystem::temp_directory_path() / "coppice-peers-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp");
    directory_ = pattern;
    certificate_ = make(key_, "test CA", "", std::chrono::hours{24}, nullptr, key_, 1);
    write_pem(ca_file(), [&](std::FILE* f) { PEM_write_X509(f, certificate_); });
}

test_ca::~test_ca() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

certificate_files test_ca::issue(const std::string& name, const std::string& cluster,
                                 std::chrono::seconds ends) const {
    const auto stem = (directory_ / ("c" + std::to_string(++count_))).string();
    certificate_files files{stem + ".pem", stem + ".key", ca_file()};
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* x = make(key, name, cluster, ends, certificate_, key_, count_ + 1);
    write_pem(files.certificate, [&](std::FILE* f) { PEM_write_X509(f, x); });
    write_pem(files.key,
              [&](std::FILE* f) { PEM_write_PrivateKey(f, key, nullptr, nullptr, 0, nullptr, nullptr); });
    X509_free(x);
    EVP_PKEY_free(key);
    return files;
}

} // namespace coppice::test
