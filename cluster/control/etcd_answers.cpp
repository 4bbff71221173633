#include <algorithm>
#include <charconv>

#include "actors/governance/bounded_json.hpp"
#include "cluster/control/base64.hpp"
#include "cluster/control/control_checks.hpp"
#include "cluster/control/etcd_messages.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

using nlohmann::json;

constexpr std::size_t excerpt_size_max = 200;

// Reads fields and notes the first that is not what it should be.
class field_reader {
  public:
    // The member, or null when it is left out.
    const json* member(const json& object, const char* name) {
        if (!object.is_object()) return wrong(name), nullptr;
        const auto found = object.find(name);
        return found == object.end() || found->is_null() ? nullptr : &*found;
    }
    const json& object(const json& parent, const char* name) {
        static const json none = json::object();
        const json* found = member(parent, name);
        if (found != nullptr && found->is_object()) return *found;
        wrong(name);
        return none;
    }
    const json& array(const json& parent, const char* name) {
        static const json none = json::array();
        const json* found = member(parent, name);
        if (found == nullptr) return none;
        if (found->is_array()) return *found;
        wrong(name);
        return none;
    }
    // As the gateway writes it: a string of digits. Revisions and leases are below 2^63 in etcd; ids of clusters
    // not.
    std::uint64_t number(const json& parent, const char* name) {
        const json* found = member(parent, name);
        if (found == nullptr) return 0;
        std::uint64_t value = 0;
        if (const auto* text = found->get_ptr<const std::string*>()) {
            const char* end = text->data() + text->size();
            if (const auto [at, error] = std::from_chars(text->data(), end, value);
                error == std::errc{} && at == end)
                return value;
        }
        wrong(name);
        return 0;
    }
    bool boolean(const json& parent, const char* name) {
        const json* found = member(parent, name);
        if (found == nullptr) return false;
        if (found->is_boolean()) return found->get<bool>();
        wrong(name);
        return false;
    }
    std::string text(const json& parent, const char* name) {
        const json* found = member(parent, name);
        if (found == nullptr) return {};
        if (const auto* value = found->get_ptr<const std::string*>()) return *value;
        wrong(name);
        return {};
    }
    std::string bytes(const json& parent, const char* name) {
        if (auto plain = from_base64(text(parent, name))) return std::move(*plain);
        wrong(name);
        return {};
    }
    void wrong(std::string what) {
        if (wrong_.empty()) wrong_ = std::move(what);
    }
    bool ok() const { return wrong_.empty(); }
    tl::unexpected<failure> refusal() const {
        return fail(errc::message_invalid, "the answer's \"" + wrong_ + "\" is not what etcd sends");
    }

  private:
    std::string wrong_;
};

control_position read_header(field_reader& r, const json& answer) {
    const json& header = r.object(answer, "header");
    const control_position at{r.number(header, "cluster_id"), r.number(header, "revision")};
    if (at.history == 0) r.wrong("cluster_id");
    return at;
}

// Without the prefix; notes what is not below `prefix` + `below`.
control_entry read_entry(field_reader& r, const json& kv, const std::string& prefix, const std::string& below) {
    control_entry entry;
    const std::string key = r.bytes(kv, "key");
    entry.value = r.bytes(kv, "value");
    entry.revision = r.number(kv, "mod_revision");
    entry.lease = r.number(kv, "lease");
    const bool inside = key.starts_with(prefix) && std::string_view{key}.substr(prefix.size()).starts_with(below);
    if (inside) entry.key = key.substr(prefix.size());
    if (!inside || !check_control_key(entry.key)) r.wrong("key " + etcd_excerpt(key));
    if (entry.value.size() > limits::control_value_size_max) r.wrong("value of " + etcd_excerpt(key));
    if (entry.revision == 0) r.wrong("mod_revision of " + etcd_excerpt(key));
    return entry;
}

} // namespace

std::string etcd_excerpt(std::string_view text) {
    std::string out{text.substr(0, excerpt_size_max)};
    std::ranges::replace_if(
        out, [](char c) { return c < ' ' || c > '~'; }, '?');
    if (text.size() > excerpt_size_max) out += "...";
    return out;
}

expected<json> etcd_json(std::string_view text) {
    return parse_json(text,
                      {.size_max = limits::control_response_size_max,
                       .depth_max = limits::control_json_depth_max,
                       .values_max = limits::json_values_max},
                      errc::message_invalid);
}

expected<std::uint64_t> etcd_history(const json& answer) {
    field_reader r;
    const auto at = read_header(r, answer);
    if (!r.ok()) return r.refusal();
    return at.history;
}

expected<etcd_range> etcd_range_answer(const json& answer, const std::string& prefix, const std::string& below,
                                       std::size_t limit) {
    field_reader r;
    etcd_range range;
    range.at = read_header(r, answer);
    range.more = r.boolean(answer, "more");
    for (const json& kv : r.array(answer, "kvs")) {
        control_entry entry = read_entry(r, kv, prefix, below);
        if (range.entries.size() == limit) r.wrong("kvs");
        if (!range.entries.empty() && range.entries.back().key >= entry.key) r.wrong("order of kvs");
        if (!r.ok()) return r.refusal();
        range.entries.push_back(std::move(entry));
    }
    if (range.more && range.entries.empty()) r.wrong("more");
    if (range.at.revision == 0) r.wrong("revision");
    if (!r.ok()) return r.refusal();
    return range;
}

expected<etcd_txn> etcd_txn_answer(const json& answer, const std::string& prefix, const control_txn& asked) {
    field_reader r;
    etcd_txn txn;
    txn.succeeded = r.boolean(answer, "succeeded");
    txn.revision = read_header(r, answer).revision;
    if (txn.revision == 0) r.wrong("revision");
    const json& responses = r.array(answer, "responses");
    const std::size_t due = txn.succeeded ? asked.puts.size() + asked.erases.size() : asked.compares.size();
    if (responses.size() != due || (!txn.succeeded && due == 0)) r.wrong("responses");
    if (!r.ok()) return r.refusal();
    if (txn.succeeded) {
        for (std::size_t i = 0; i < due; ++i)
            r.object(responses[i], i < asked.puts.size() ? "response_put" : "response_delete_range");
        if (!r.ok()) return r.refusal();
        return txn;
    }
    for (std::size_t i = 0; i < due; ++i) {
        const std::string& key = asked.compares[i].key;
        const json& kvs = r.array(r.object(responses[i], "response_range"), "kvs");
        if (kvs.size() > 1) r.wrong("kvs");
        txn.now.push_back({key, std::nullopt});
        if (kvs.empty() || !r.ok()) continue;
        control_entry entry = read_entry(r, kvs[0], prefix, key);
        if (entry.key != key) r.wrong("key");
        txn.now.back().entry = std::move(entry);
    }
    if (!r.ok()) return r.refusal();
    return txn;
}

expected<etcd_watch_message> etcd_watch_answer(const json& line, const std::string& prefix,
                                               const std::string& below, std::uint64_t after) {
    field_reader r;
    if (const json* error = r.member(line, "error"))
        return fail(errc::unavailable, etcd_excerpt(error->is_object() ? r.text(*error, "message") : "an error"));
    const json& result = r.object(line, "result");
    etcd_watch_message message;
    message.at = read_header(r, result);
    message.created = r.boolean(result, "created");
    message.canceled = r.boolean(result, "canceled");
    message.compacted = r.number(result, "compact_revision");
    message.reason = etcd_excerpt(r.text(result, "cancel_reason"));
    std::uint64_t last = after + 1;
    for (const json& event : r.array(result, "events")) {
        const std::string type = r.text(event, "type");
        control_entry entry = read_entry(r, r.object(event, "kv"), prefix, below);
        if (!type.empty() && type != "PUT" && type != "DELETE") r.wrong("type");
        if (entry.revision < last) r.wrong("order of events");
        if (!r.ok()) return r.refusal();
        last = entry.revision;
        control_change change{std::move(entry.key), std::nullopt, entry.revision, entry.lease};
        if (type != "DELETE") change.value = std::move(entry.value);
        message.changes.push_back(std::move(change));
    }
    if (!r.ok()) return r.refusal();
    return message;
}

expected<etcd_lease> etcd_grant_answer(const json& answer) {
    field_reader r;
    const etcd_lease granted{r.number(answer, "ID"), std::chrono::seconds{r.number(answer, "TTL")}};
    if (granted.lease == 0) r.wrong("ID");
    if (granted.ttl < limits::control_lease_ttl_min || granted.ttl > 2 * limits::control_lease_ttl_max)
        r.wrong("TTL");
    if (!r.ok()) return r.refusal();
    return granted;
}

expected<etcd_lease> etcd_keep_alive_answer(const json& answer) {
    field_reader r;
    const json& result = r.object(answer, "result");
    const etcd_lease kept{r.number(result, "ID"), std::chrono::seconds{r.number(result, "TTL")}};
    if (kept.ttl.count() < 0 || kept.ttl > 2 * limits::control_lease_ttl_max) r.wrong("TTL");
    if (!r.ok()) return r.refusal();
    return kept;
}

expected<std::string> etcd_login_answer(const json& answer) {
    field_reader r;
    std::string token = r.text(answer, "token");
    const bool fits = !token.empty() && token.size() <= limits::control_token_size_max;
    if (!fits || std::ranges::any_of(token, [](char c) { return c <= ' ' || c > '~'; })) r.wrong("token");
    if (!r.ok()) return r.refusal();
    return token;
}

etcd_error etcd_error_answer(std::string_view body) {
    const auto answer = etcd_json(body);
    if (!answer || !answer->is_object()) return {2, "it does not answer as etcd does: " + etcd_excerpt(body)};
    constexpr std::uint64_t code_max = 16; // of gRPC
    etcd_error error;
    field_reader r;
    const json* code = r.member(*answer, "code");
    const auto* number = code != nullptr ? code->get_ptr<const json::number_unsigned_t*>() : nullptr;
    if (number != nullptr && *number <= code_max) error.code = static_cast<int>(*number);
    error.message = etcd_excerpt(r.text(*answer, "message"));
    return error;
}

} // namespace coppice
