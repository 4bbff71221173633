// The requests; the answers are in etcd_answers.cpp.
#include "cluster/control/etcd_messages.hpp"

#include "cluster/control/base64.hpp"

namespace coppice {
namespace {

using nlohmann::json;

// The first key after all that begin with `prefix`, which is printable and so does not end in 0xff.
std::string end_of(std::string prefix) {
    prefix.back() = static_cast<char>(prefix.back() + 1);
    return prefix;
}

} // namespace

std::string etcd_get_request(const std::string& key) { return json{{"key", to_base64(key)}}.dump(); }

std::string etcd_page_request(const std::string& prefix, const std::string& from, std::size_t limit,
                              std::uint64_t revision) {
    json request{{"key", to_base64(from)},
                 {"range_end", to_base64(end_of(prefix))},
                 {"limit", std::to_string(limit)},
                 {"sort_target", "KEY"},
                 {"sort_order", "ASCEND"}};
    if (revision != 0) request["revision"] = std::to_string(revision);
    return request.dump();
}

std::string etcd_count_request(const std::string& prefix) {
    return json{{"key", to_base64(prefix)}, {"range_end", to_base64(end_of(prefix))}, {"count_only", true}}.dump();
}

std::string etcd_txn_request(const std::string& prefix, const control_txn& txn) {
    json request{{"compare", json::array()}, {"success", json::array()}, {"failure", json::array()}};
    for (const control_compare& c : txn.compares) {
        const std::string key = to_base64(prefix + c.key);
        request["compare"].push_back(
            {{"key", key}, {"target", "MOD"}, {"result", "EQUAL"}, {"mod_revision", std::to_string(c.revision)}});
        request["failure"].push_back({{"request_range", {{"key", key}}}});
    }
    for (const control_put& p : txn.puts) {
        json put{{"key", to_base64(prefix + p.key)}, {"value", to_base64(p.value)}};
        if (p.lease != 0) put["lease"] = std::to_string(p.lease);
        request["success"].push_back({{"request_put", std::move(put)}});
    }
    for (const std::string& key : txn.erases)
        request["success"].push_back({{"request_delete_range", {{"key", to_base64(prefix + key)}}}});
    return request.dump();
}

std::string etcd_watch_request(const std::string& prefix, std::uint64_t start_revision) {
    return json{{"create_request",
                 {{"key", to_base64(prefix)},
                  {"range_end", to_base64(end_of(prefix))},
                  {"start_revision", std::to_string(start_revision)}}}}
        .dump();
}

std::string etcd_grant_request(std::chrono::seconds ttl) {
    return json{{"TTL", std::to_string(ttl.count())}}.dump();
}

std::string etcd_lease_request(control_lease lease) { return json{{"ID", std::to_string(lease)}}.dump(); }

std::string etcd_login_request(const std::string& user, const std::string& password) {
    return json{{"name", user}, {"password", password}}.dump();
}

} // namespace coppice
