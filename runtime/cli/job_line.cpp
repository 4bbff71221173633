#include "runtime/cli/job_line.hpp"

#include <array>
#include <nlohmann/json.hpp>

#include "actors/governance/bounded_json.hpp"

namespace coppice::cli {
namespace {

using nlohmann::json;

expected<void> take_text(const json& value, std::string_view member, std::string& to) {
    if (!value.is_string()) return wrong_member(member, "must be a string, not " + excerpt(value));
    to = value.get<std::string>();
    return {};
}

expected<void> take_priority(const json& value, int& to) {
    if (value.is_number_integer() && value >= limits::priority_first && value <= limits::priority_last) {
        to = value.get<int>();
        return {};
    }
    return wrong_member("priority", "must be a whole number from 1 (first) to 5, not " + excerpt(value));
}

expected<void> take_parents(const json& value, std::vector<job_id>& to) {
    if (!value.is_array()) return wrong_member("after", "must be a list of jobs' ids, not " + excerpt(value));
    for (const json& each : value) {
        if (!each.is_string())
            return wrong_member("after", "must be a list of jobs' ids, and holds " + excerpt(each));
        const auto id = parse_parent(each.get_ref<const std::string&>());
        if (!id) return wrong_member("after", id.error().detail);
        to.push_back(*id);
    }
    return {};
}

expected<void> take_delay(const json& value, milliseconds& to) {
    if (!value.is_string())
        return wrong_member("delay", "must be a duration such as \"90s\", not " + excerpt(value));
    const auto delay = parse_delay(value.get_ref<const std::string&>());
    if (!delay) return wrong_member("delay", delay.error().detail);
    to = *delay;
    return {};
}

expected<void> take_flag(const json& value, std::string_view member, bool& to) {
    if (!value.is_boolean()) return wrong_member(member, "must be true or false, not " + excerpt(value));
    to = value.get<bool>();
    return {};
}

expected<void> take_labels(const json& value, std::vector<std::string>& to) {
    if (!value.is_object()) return wrong_member("labels", "must be names and their values, not " + excerpt(value));
    for (const auto& [name, each] : value.items()) {
        if (!each.is_string()) return wrong_member("labels", "has values that are texts; one is " + excerpt(each));
        to.push_back(name + "=" + each.get_ref<const std::string&>());
    }
    return {};
}

expected<void> take_member(const std::string& name, const json& value, client::job_spec& to) {
    if (name == "tenant") return take_text(value, name, to.tenant);
    if (name == "type") return take_text(value, name, to.type);
    if (name == "key") return take_text(value, name, to.idempotency_key);
    if (name == "priority") return take_priority(value, to.priority);
    if (name == "after") return take_parents(value, to.after);
    if (name == "anyway") return take_flag(value, name, to.run_anyway);
    if (name == "delay") return take_delay(value, to.delay);
    if (name == "traceparent") return take_text(value, name, to.traceparent);
    if (name == "labels") return take_labels(value, to.labels);
    if (name == "payload") return {};
    return wrong_member(name,
                        "is not known here; known are tenant, type, payload, key, priority, after, anyway, delay, "
                        "traceparent, labels");
}

// Beyond the string that begins at `at`.
std::size_t skip_string(std::string_view json_text, std::size_t at) {
    for (++at; at < json_text.size() && json_text[at] != '"'; ++at)
        if (json_text[at] == '\\') ++at;
    return at + 1;
}

// Beyond the value that begins at `at`.
std::size_t skip_value(std::string_view json_text, std::size_t at) {
    std::size_t depth = 0;
    while (at < json_text.size()) {
        const char c = json_text[at];
        if (c == '"') {
            at = skip_string(json_text, at);
            if (depth == 0) return at;
            continue;
        }
        if (depth == 0 && (c == ',' || c == '}')) return at;
        if (c == '{' || c == '[') ++depth;
        if (c == '}' || c == ']')
            if (--depth == 0) return at + 1;
        ++at;
    }
    return at;
}

std::size_t skip_space(std::string_view text, std::size_t at) {
    const auto found = text.find_first_not_of(" \t\r\n", at);
    return found == std::string_view::npos ? text.size() : found;
}

} // namespace

tl::unexpected<failure> wrong_member(std::string_view member, const std::string& what) {
    return fail(errc::invalid_argument, "\"" + std::string{member} + "\" " + what);
}

std::string_view raw_member(std::string_view object, std::string_view name) {
    std::size_t at = skip_space(object, skip_space(object, 0) + 1);
    while (at < object.size() && object[at] == '"') {
        const std::size_t key_end = skip_string(object, at);
        const auto key = json::parse(object.substr(at, key_end - at), nullptr, false);
        const std::size_t begin = skip_space(object, skip_space(object, key_end) + 1);
        const std::size_t end = skip_value(object, begin);
        if (key.is_string() && key.get_ref<const std::string&>() == name) {
            const std::string_view raw = object.substr(begin, end - begin);
            return raw.substr(0, raw.find_last_not_of(" \t\r\n") + 1);
        }
        at = skip_space(object, end);
        if (at < object.size() && object[at] == ',') at = skip_space(object, at + 1);
    }
    return {};
}

expected<job_id> parse_parent(std::string_view text) {
    if (const auto id = job_id::parse(text)) return *id;
    return fail(errc::invalid_argument, quoted_excerpt(text) + " is not a job's id");
}

expected<milliseconds> parse_delay(std::string_view text) {
    const auto delay = parse_duration(text);
    if (!delay)
        return fail(errc::invalid_argument, quoted_excerpt(text) + " is not a duration such as 90s or 1h30m");
    if (*delay > limits::delay_max)
        return fail(errc::invalid_argument, quoted_excerpt(text) + " is more than 366 days");
    return *delay;
}

expected<client::job_spec> parse_job_line(std::string_view line) {
    const auto object = parse_json(line, {.size_max = limits::job_line_size_max});
    if (!object) return tl::unexpected(object.error());
    if (!object->is_object()) return fail(errc::invalid_argument, "the line must be one JSON object");
    client::job_spec spec;
    for (const auto& [name, value] : object->items())
        if (auto taken = take_member(name, value, spec); !taken) return tl::unexpected(std::move(taken.error()));
    if (spec.type.empty()) return wrong_member("type", "is missing");
    spec.payload = raw_member(line, "payload");
    if (spec.payload.size() > limits::payload_size_max)
        return fail(errc::payload_too_large, std::to_string(spec.payload.size()) + " bytes, at most " +
                                                 std::to_string(limits::payload_size_max));
    return spec;
}

} // namespace coppice::cli
