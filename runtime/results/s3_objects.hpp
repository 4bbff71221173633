// An object store in a bucket of an S3-compatible service: PutObject, GetObject, DeleteObject and ListObjectsV2
// with path-style addresses, signed by libcurl with AWS Signature Version 4 (S3 API reference, "Authenticating
// Requests: Using the Authorization Header"). The body's SHA-256 is signed, too, so a service that checks it takes
// nothing that was changed on the way.
//
// A request that did not reach the service, or that it could not serve (5xx), is asked again, three times in all.
#pragma once

#include <memory>

#include "cluster/control/http_loop.hpp"
#include "runtime/results/object_store.hpp"

namespace coppice {

struct s3_options {
    std::string endpoint; // "https://s3.example.com", without a path
    std::string region;
    std::string bucket;
    std::string prefix; // before every name; empty, or ends with '/'
    std::string access_key;
    std::string secret_key;
    std::string ca; // file in PEM; empty: the system's
};

class s3_objects final : public object_store {
  public:
    explicit s3_objects(s3_options options);
    ~s3_objects() override; // drops what is under way

    void put(std::string name, std::string bytes, done then) override;
    void get(std::string name, std::size_t size_max, got then) override;
    void remove(std::string name, done then) override;
    void list(std::string after, listed then) override;
    std::string place() const override { return options_.endpoint + "/" + options_.bucket + "/" + options_.prefix; }

  private:
    struct call {
        std::string method, path, query; // the query sorted and encoded, as it is signed
        std::string body;
        std::size_t response_size_max = 64 * 1024;
        std::function<void(const http_result&)> then;
        int tries = 0;
    };
    void ask(std::shared_ptr<call> what);
    void send(const std::shared_ptr<call>& what);
    void answered(const std::shared_ptr<call>& what, http_result result);

    const s3_options options_;
    http_loop loop_; // last: its thread uses the rest
};

} // namespace coppice
