// Certificates for tests: a CA of its own, and what it signs, as files in a directory that goes with it.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <openssl/types.h>
#include <string>

namespace coppice::test {

struct certificate_files {
    std::filesystem::path certificate, key, ca;
};

class test_ca {
  public:
    test_ca();
    ~test_ca();
    test_ca(const test_ca&) = delete;
    test_ca& operator=(const test_ca&) = delete;

    // Subject CN `name`, O `cluster`; valid from an hour ago until `ends` from now.
    certificate_files issue(const std::string& name, const std::string& cluster,
                            std::chrono::seconds ends = std::chrono::hours{1}) const;
    std::filesystem::path ca_file() const { return directory_ / "ca.pem"; }

  private:
    std::filesystem::path directory_;
    EVP_PKEY* key_;
    X509* certificate_;
    mutable int count_ = 0;
};

} // namespace coppice::test
