// An S3 service of the test's own, as far as the result store speaks to one. It believes nothing: every request's
// signature is computed anew (AWS Signature Version 4), and its body's SHA-256.
#pragma once

#include <map>

#include "tests/cluster/control/fake_endpoint.hpp"

namespace coppice::testing {

class s3_server {
  public:
    struct object {
        std::string bytes;
        std::string written = "2030-01-01T00:00:00.000Z";
    };

    s3_server(std::string access_key = "AKTEST", std::string secret_key = "secret/with+signs",
              std::string region = "eu-test-1", std::string bucket = "results");

    std::string url() const { return server_.url(); }
    // By their whole names, with the prefix.
    std::map<std::string, object> objects() const;
    void put(const std::string& name, object what);
    void erase(const std::string& name);
    // Answers 503 to the next `count` requests; below 0: to all.
    void fail(int count) { failing_ = count; }
    std::size_t page = 1000;
    std::size_t requests() const { return server_.requests().size(); }
    std::vector<std::string> refusals() const; // why signatures were not believed

  private:
    std::string answer(const std::string& request);
    std::string serve(const std::string& method, const std::string& name, const std::string& query,
                      const std::string& body);
    std::string list(const std::string& query) const;
    std::string why_unsigned(const std::string& request) const;

    const std::string access_key_, secret_key_, region_, bucket_;
    std::atomic<int> failing_ = 0;
    mutable std::mutex mutex_; // guards what follows
    std::map<std::string, object> objects_;
    std::vector<std::string> refusals_;
    fake_endpoint server_; // last: its threads use the rest
};

} // namespace coppice::testing
