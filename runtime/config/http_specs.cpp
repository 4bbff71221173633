#include "runtime/config/http_specs.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "cluster/control/http_text.hpp"
#include "schema/limits.hpp"

namespace coppice {
namespace {

bool is_token_character(char c) { // RFC 9110, 5.6.2
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"!#$%&'*+-.^_`|~"}.find(c) != std::string_view::npos;
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(),
                           [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
    return text;
}

// Those that say where a message ends, or that every request has.
bool is_ours(const std::string& name) {
    static constexpr std::array ours{"connection", "content-length",    "expect", "host", "idempotency-key", "te",
                                     "trailer",    "transfer-encoding", "upgrade"};
    const std::string lowered = lower(name);
    return std::ranges::find(ours, lowered) != ours.end() || lowered.starts_with("coppice-");
}

std::string header_trouble(const std::string& name, const yaml_value& value) {
    if (name.empty() || name.size() > limits::name_size_max || !std::ranges::all_of(name, is_token_character))
        return "is no name of a header";
    if (is_ours(name)) return "is set by the node itself";
    if (value.kind != yaml_kind::scalar) return "must be a text, not " + shown(value);
    const auto printable = [](char c) { return c == '\t' || (c >= ' ' && c != '\x7f'); };
    if (value.text.empty() || value.text.size() > limits::http_header_size_max ||
        !std::ranges::all_of(value.text, printable))
        return "must be one line of 1 to " + std::to_string(limits::http_header_size_max) + " printable characters";
    return {};
}

void read_headers(field_reader& fields, http_spec& spec) {
    const yaml_value* headers = fields.find("headers");
    if (headers == nullptr) return;
    if (headers->kind != yaml_kind::mapping)
        return fields.error("headers", "must be a mapping of names to texts, not " + shown(*headers));
    if (headers->members.size() > limits::http_headers_max)
        return fields.error("headers", "must be at most " + std::to_string(limits::http_headers_max));
    std::set<std::string> seen;
    for (const yaml_member& each : headers->members) {
        std::string trouble = header_trouble(each.key, each.value);
        if (trouble.empty() && !seen.insert(lower(each.key)).second) trouble = "is there twice";
        if (trouble.empty())
            spec.headers.emplace_back(each.key, each.value.text);
        else
            fields.error_at(each.at, fields.path_of("headers") + "." + each.key, trouble);
    }
}

} // namespace

void read_http_spec(field_reader& fields, http_spec& spec) {
    if (fields.text("url", spec.url, presence::required))
        if (const std::string trouble = url_trouble(spec.url); !trouble.empty()) fields.error("url", trouble);
    fields.choice<std::string>(
        "method", spec.method,
        {{"POST", "POST"}, {"PUT", "PUT"}, {"PATCH", "PATCH"}, {"GET", "GET"}, {"DELETE", "DELETE"}});
    read_headers(fields, spec);
    fields.boolean("private_networks", spec.private_networks);
}

} // namespace coppice
