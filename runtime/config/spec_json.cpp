#include "runtime/config/spec_json.hpp"

#include <array>
#include <string>

#include "runtime/config/specs.hpp"
#include "schema/time.hpp"

namespace coppice {

namespace {

using nlohmann::ordered_json;

// With sorted keys. A text that is no JSON, which only code could have made, stays a string, and is refused when
// read.
ordered_json json_value(const std::string& text) {
    const nlohmann::json sorted = nlohmann::json::parse(text, nullptr, false);
    if (sorted.is_discarded()) return text;
    return ordered_json::parse(sorted.dump());
}

std::string canonical(const ordered_json& object) {
    return object.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

ordered_json to_object(const start_rate& rate) {
    ordered_json object;
    object["starts"] = rate.starts;
    object["per"] = format_duration(rate.per);
    object["burst"] = rate.burst;
    return object;
}

ordered_json to_object(const concurrency_spec& concurrency) {
    ordered_json object;
    object["by"] = concurrency.by;
    if (concurrency.running_max > 0) object["running_max"] = concurrency.running_max;
    if (concurrency.rate.bounds()) object["rate"] = to_object(concurrency.rate);
    return object;
}

ordered_json to_object(const unique_spec& unique) {
    ordered_json object;
    if (!unique.by.empty()) object["by"] = unique.by;
    for (const job_state s : unique.states) object["states"].push_back(std::string{to_string(s)});
    if (unique.period.count() > 0) object["period"] = format_duration(unique.period);
    return object;
}

ordered_json to_object(const http_spec& http) {
    ordered_json object;
    object["url"] = http.url;
    object["method"] = http.method;
    for (const auto& [name, value] : http.headers) object["headers"][name] = value;
    if (http.private_networks) object["private_networks"] = true;
    return object;
}

ordered_json to_object(const keep_spec& keep) {
    ordered_json object;
    for (const auto& [word, kept] : {std::pair{"succeeded", keep.succeeded}, std::pair{"failed", keep.failed},
                                     std::pair{"cancelled", keep.cancelled}, std::pair{"rejected", keep.rejected}})
        if (kept.count() > 0) object[word] = format_duration(kept);
    return object;
}

} // namespace

// What came with a later version is written only when it says something, for a version before it refuses the word.
ordered_json to_object(const tenant_spec& spec) {
    ordered_json object;
    object["name"] = spec.name;
    object["weight"] = spec.weight;
    object["running_max"] = spec.running_max;
    object["queued_max"] = spec.queued_max;
    if (spec.rate.bounds()) object["rate"] = to_object(spec.rate);
    if (spec.keep.bounds()) object["keep"] = to_object(spec.keep);
    if (spec.paused) object["paused"] = true;
    object["types"] = spec.types;
    return object;
}

ordered_json to_object(const job_type_spec& spec) {
    ordered_json object;
    object["name"] = spec.name;
    static constexpr std::array executors{"worker", "exec", "http"};
    object["executor"] = executors[static_cast<std::size_t>(spec.executor)];
    if (spec.argv_from_payload) object["argv_from_payload"] = true;
    if (!spec.argv.empty()) object["argv"] = spec.argv;
    if (spec.executor == executor_kind::http) object["http"] = to_object(spec.http);
    if (!spec.schema.empty()) object["schema"] = json_value(spec.schema);
    object["attempts_max"] = spec.attempts_max;
    object["retry"]["base"] = format_duration(spec.retry.base);
    object["retry"]["max"] = format_duration(spec.retry.max);
    ordered_json& timeouts = object["timeouts"];
    timeouts["queued"] = format_duration(spec.timeouts.queued);
    timeouts["attempt"] = format_duration(spec.timeouts.attempt);
    timeouts["job"] = format_duration(spec.timeouts.job);
    timeouts["heartbeat"] = format_duration(spec.timeouts.heartbeat);
    timeouts["cancel_grace"] = format_duration(spec.timeouts.cancel_grace);
    object["result_max_bytes"] = spec.result_bytes_max;
    object["running_max"] = spec.running_max;
    if (spec.slots > 1) object["slots"] = spec.slots;
    if (!spec.concurrency.by.empty()) object["concurrency"] = to_object(spec.concurrency);
    if (!spec.workers.require.empty()) object["workers"]["require"] = spec.workers.require;
    if (!spec.workers.prefer.empty()) object["workers"]["prefer"] = spec.workers.prefer;
    if (spec.workers.sticky == stickiness::soft) object["workers"]["sticky"] = true;
    if (spec.workers.sticky == stickiness::hard) object["workers"]["sticky"] = "hard";
    if (spec.logs.lines != logs_spec{}.lines) object["logs"]["lines"] = spec.logs.lines;
    if (spec.logs.bytes > 0) object["logs"]["bytes"] = spec.logs.bytes;
    if (spec.logs.stored > 0) object["logs"]["stored"] = spec.logs.stored;
    if (spec.unique) object["unique"] = to_object(*spec.unique);
    if (spec.paused) object["paused"] = true;
    return object;
}

ordered_json to_object(const schedule_spec& spec) {
    ordered_json object;
    object["name"] = spec.name;
    object["tenant"] = spec.tenant;
    object["type"] = spec.type;
    if (!spec.payload.empty()) object["payload"] = json_value(spec.payload);
    object["priority"] = spec.priority;
    if (spec.timing.cron.empty()) {
        object["every"] = format_duration(spec.timing.every);
    } else {
        object["cron"] = spec.timing.cron;
        object["timezone"] = spec.timing.zone;
    }
    object["overlap"] = to_string(spec.overlap);
    object["missed"] = to_string(spec.missed);
    object["catch_up"] = format_duration(spec.catch_up);
    object["jitter"] = format_duration(spec.jitter);
    object["paused"] = spec.paused;
    return object;
}

std::string to_json(const schedule_spec& spec) { return canonical(to_object(spec)); }
std::string to_json(const tenant_spec& spec) { return canonical(to_object(spec)); }
std::string to_json(const job_type_spec& spec) { return canonical(to_object(spec)); }

} // namespace coppice
