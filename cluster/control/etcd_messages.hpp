// What is said to etcd's JSON gateway and what it may answer. Pure.
//
// The gateway (grpc-gateway over etcd 3.4) writes bytes as base64, 64-bit numbers as strings, leaves out what is
// zero, and puts each message of a stream on a line of its own below "result". All that comes is checked: a field
// of another type, a key outside the prefix or the order, a value over the limits is `message_invalid`.
//
// `prefix` is what stands before every key of ours in etcd; entries and changes come without it.
#pragma once

#include <nlohmann/json.hpp>

#include "cluster/control/control_store.hpp"

namespace coppice {

// ---- requests, as JSON text
std::string etcd_get_request(const std::string& key);
// Up to `limit` keys from `from` on that begin with `prefix`, as of `revision` (0: the newest).
std::string etcd_page_request(const std::string& prefix, const std::string& from, std::size_t limit,
                              std::uint64_t revision);
// Counts what begins with `prefix`: linearizable, and its header says the revision.
std::string etcd_count_request(const std::string& prefix);
std::string etcd_txn_request(const std::string& prefix, const control_txn& txn);
std::string etcd_watch_request(const std::string& prefix, std::uint64_t start_revision);
std::string etcd_grant_request(std::chrono::seconds ttl);
std::string etcd_lease_request(control_lease lease);
std::string etcd_login_request(const std::string& user, const std::string& password);

// ---- answers
struct etcd_range {
    std::vector<control_entry> entries;
    bool more = false;
    control_position at;
};
struct etcd_txn {
    bool succeeded = false;
    std::uint64_t revision = 0;
    std::vector<control_seen> now; // when not succeeded
};
struct etcd_watch_message {
    control_position at;
    bool created = false;
    bool canceled = false;
    std::uint64_t compacted = 0; // not 0: what was asked for is gone up to this revision
    std::string reason;          // of canceled
    std::vector<control_change> changes;
};
struct etcd_lease {
    control_lease lease = 0;
    std::chrono::seconds ttl{0}; // 0: there is no such lease
};
struct etcd_error {
    int code = 2; // of gRPC; 2: unknown
    std::string message;
};

// JSON within the bounds of an answer.
expected<nlohmann::json> etcd_json(std::string_view text);
expected<std::uint64_t> etcd_history(const nlohmann::json& answer);
// Entries are in order, begin with `prefix` + `below`, and are no more than `limit`.
expected<etcd_range> etcd_range_answer(const nlohmann::json& answer, const std::string& prefix,
                                       const std::string& below, std::size_t limit);
expected<etcd_txn> etcd_txn_answer(const nlohmann::json& answer, const std::string& prefix,
                                   const control_txn& asked);
// Of one line; changes are of keys that begin with `prefix` + `below`, newer than `after` and in order. An error
// that the gateway reports in the stream comes as `unavailable`.
expected<etcd_watch_message> etcd_watch_answer(const nlohmann::json& line, const std::string& prefix,
                                               const std::string& below, std::uint64_t after);
expected<etcd_lease> etcd_grant_answer(const nlohmann::json& answer);
expected<etcd_lease> etcd_keep_alive_answer(const nlohmann::json& answer);
expected<std::string> etcd_login_answer(const nlohmann::json& answer);
// Of an answer whose HTTP status is not 200; whatever it is.
etcd_error etcd_error_answer(std::string_view body);

// At most some 200 printable characters, for a detail.
std::string etcd_excerpt(std::string_view text);

} // namespace coppice
