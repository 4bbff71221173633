#include "runtime/config/specs.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "runtime/config/http_specs.hpp"
#include "runtime/config/json_values.hpp"
#include "schema/limits.hpp"
#include "schema/names.hpp"

namespace coppice {

namespace {

constexpr std::string_view name_wanted =
    "must be a name: 1 to 63 of a-z, 0-9 and \"-\", which neither begins nor ends "
    "it; not ";
constexpr milliseconds none{0};
constexpr milliseconds longest = limits::delay_max;

std::string element(const field_reader& fields, std::string_view field, std::size_t index) {
    return fields.path_of(field) + '[' + std::to_string(index) + ']';
}

void check_types(field_reader& fields, const tenant_spec& spec, const std::vector<yaml_value>& items) {
    if (spec.types.size() > limits::types_per_tenant_max)
        fields.error("types", "must be at most " + std::to_string(limits::types_per_tenant_max) +
                                  " names; \"*\" allows every type");
    std::set<std::string_view> seen;
    for (std::size_t i = 0; i < spec.types.size(); ++i) {
        const std::string& type = spec.types[i];
        if (type != "*" && !is_name(type))
            fields.error_at(items[i].at, element(fields, "types", i), std::string{name_wanted} + shown(type));
        if (!seen.insert(type).second)
            fields.error_at(items[i].at, element(fields, "types", i),
                            "names " + shown(type) + " for the second time");
    }
}

bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// "{{field}}" and nothing else, or no "{{" at all. Within a longer text a field would not stay one argument for who
// reads that text, a shell above all.
bool is_argument(std::string_view text) {
    if (text.find("{{") == std::string_view::npos) return true;
    if (text.size() < 5 || !text.starts_with("{{") || !text.ends_with("}}")) return false;
    return text.substr(2, text.size() - 4).find_first_of("{}") == std::string_view::npos;
}

bool is_program(std::string_view text) {
    if (text.starts_with('/')) return text.size() > 1 && !text.ends_with('/');
    const auto allowed = [](char c) { return is_word_character(c) || c == '.' || c == '+' || c == '-'; };
    return !text.empty() && text.front() != '-' && text != "." && text != ".." &&
           std::all_of(text.begin(), text.end(), allowed);
}

void check_argv(field_reader& fields, const job_type_spec& spec, const std::vector<yaml_value>& items) {
    std::size_t size = 0;
    for (const std::string& argument : spec.argv) size += argument.size() + 1;
    if (spec.argv.size() > limits::argv_items_max || size > limits::argv_size_max)
        fields.error("argv", "must be at most " + std::to_string(limits::argv_items_max) + " elements and " +
                                 std::to_string(limits::argv_size_max) + " bytes");
    if (spec.argv.empty()) return fields.error("argv", "must name a program");
    if (!is_program(spec.argv.front()))
        fields.error_at(items.front().at, element(fields, "argv", 0),
                        "must be a program: an absolute path, or a bare name that is looked up in PATH; not " +
                            shown(spec.argv.front()));
    for (std::size_t i = 0; i < spec.argv.size(); ++i)
        if (!is_argument(spec.argv[i]))
            fields.error_at(items[i].at, element(fields, "argv", i),
                            "{{field}} must be the whole element, and \"{{\" cannot stand in it otherwise: a field "
                            "is one argument");
}

void read_executor(field_reader& fields, job_type_spec& spec, spec_origin origin) {
    const bool has_executor = fields.find("executor") != nullptr;
    const bool known_executor =
        fields.choice<executor_kind>(
            "executor", spec.executor,
            {{"worker", executor_kind::worker}, {"exec", executor_kind::exec}, {"http", executor_kind::http}}) ||
        !has_executor;
    if (origin == spec_origin::stored) fields.boolean("argv_from_payload", spec.argv_from_payload);
    const yaml_value* argv = fields.find("argv");
    const bool has_argv = argv != nullptr;
    const bool good_argv = has_argv && fields.texts("argv", spec.argv);
    const bool has_http = fields.mapping("http", [&](field_reader& http) { read_http_spec(http, spec.http); });
    if (!known_executor) return;
    if (spec.executor != executor_kind::exec && has_argv)
        return fields.error("argv", "is for executor exec only: a worker knows itself what to run");
    if (spec.executor != executor_kind::http && has_http) return fields.error("http", "is for executor http only");
    if (spec.executor == executor_kind::http && !has_http)
        return fields.error("http", "is required for executor http: at least its url");
    if (spec.executor != executor_kind::exec || spec.argv_from_payload) return;
    if (!has_argv) return fields.error("argv", "is required for executor exec: the program and its arguments");
    if (good_argv) check_argv(fields, spec, argv->items);
}

// A schema as a mapping, or as a string that holds JSON; either way an object.
void read_schema(field_reader& fields, job_type_spec& spec) {
    const yaml_value* value = fields.find("schema");
    if (value == nullptr) return;
    yaml_value parsed;
    const yaml_value* tree = value;
    if (value->kind == yaml_kind::scalar) {
        // A document has two levels above the schema, and must be able to hold it as a mapping.
        auto json = parse_json_value(value->text, limits::json_depth_max - 2);
        if (!json) return fields.error("schema", "must be a mapping, or a string of JSON: " + json.error().detail);
        parsed = std::move(*json);
        tree = &parsed;
    }
    if (tree->kind != yaml_kind::mapping)
        return fields.error("schema",
                            "must be a mapping, or a string that holds a JSON object; not " + shown(*tree));
    const auto text = to_canonical_json(*tree, fields.path_of("schema"), fields.log().file, fields.log().errors);
    if (!text) return;
    if (text->size() > limits::document_schema_size_max)
        return fields.error("schema", "must be at most " + std::to_string(limits::document_schema_size_max) +
                                          " bytes of JSON");
    spec.schema = *text;
}

void read_retry(field_reader& fields, retry_spec& retry) {
    retry_spec given = retry;
    const bool base = fields.duration("base", given.base, none, longest);
    const bool max = fields.duration("max", given.max, none, longest);
    if (given.base > given.max) {
        fields.error(base ? "base" : "max", "retry.base (" + format_duration(given.base) +
                                                ") must not be longer than retry.max (" +
                                                format_duration(given.max) + ')');
        return;
    }
    if (base || max) retry = given;
}

void read_rate(field_reader& fields, start_rate& rate) {
    start_rate given;
    fields.integer("starts", given.starts, 1, limits::rate_starts_max, presence::required);
    fields.duration("per", given.per, limits::rate_per_min, limits::rate_per_max);
    fields.integer("burst", given.burst, 1, limits::rate_burst_max);
    rate = given;
}

// The name of a field on the payload's top level.
bool is_field(std::string_view name) { return !name.empty() && name.size() <= limits::name_size_max; }

void read_concurrency(field_reader& fields, concurrency_spec& concurrency) {
    if (fields.text("by", concurrency.by, presence::required) && !is_field(concurrency.by))
        fields.error("by", "must be the name of a field of the payload, of 1 to 63 bytes");
    fields.integer("running_max", concurrency.running_max, 1, limits::running_declared_max);
    fields.mapping("rate", [&](field_reader& rate) { read_rate(rate, concurrency.rate); });
    if (concurrency.running_max == 0 && !concurrency.rate.bounds())
        fields.error("by", "needs a running_max or a rate beside it, or it bounds nothing");
}

void read_keep(field_reader& fields, keep_spec& keep) {
    fields.duration("succeeded", keep.succeeded, limits::keep_min, longest);
    fields.duration("failed", keep.failed, limits::keep_min, longest);
    fields.duration("cancelled", keep.cancelled, limits::keep_min, longest);
    fields.duration("rejected", keep.rejected, limits::keep_min, longest);
}

void read_states(field_reader& fields, std::vector<job_state>& states) {
    std::vector<std::string> words;
    if (!fields.texts("states", words)) return;
    std::set<job_state> given;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const auto state = job_state_from(words[i]);
        if (!state || state == job_state::REJECTED)
            fields.error_at(
                fields.find("states")->items[i].at, element(fields, "states", i),
                "must be a state that a job which was taken can be in, such as queued or running; not " +
                    shown(words[i]));
        else
            given.insert(*state);
    }
    if (words.empty()) fields.error("states", "must name a state; leave it out for all that have not ended");
    states.assign(given.begin(), given.end());
}

void read_unique(field_reader& fields, unique_spec& unique) {
    if (fields.texts("by", unique.by)) {
        const bool good = unique.by.size() <= limits::unique_fields_max && std::ranges::all_of(unique.by, is_field);
        if (!good)
            fields.error("by", "must be at most " + std::to_string(limits::unique_fields_max) +
                                   " names of fields of the payload, each of 1 to 63 bytes");
    }
    read_states(fields, unique.states);
    fields.duration("period", unique.period, none, longest);
}

void read_labels(field_reader& fields, std::string_view name, std::vector<std::string>& labels) {
    if (!fields.texts(name, labels)) return;
    const bool good =
        labels.size() <= limits::labels_max && std::ranges::all_of(labels, [](const std::string& label) {
            return !label.empty() && label.size() <= limits::label_size_max;
        });
    if (!good)
        fields.error(name, "must be at most " + std::to_string(limits::labels_max) + " labels of 1 to " +
                               std::to_string(limits::label_size_max) + " bytes");
}

void read_timeouts(field_reader& fields, timeouts_spec& timeouts) {
    fields.duration("queued", timeouts.queued, none, longest);
    fields.duration("attempt", timeouts.attempt, milliseconds{1}, longest);
    fields.duration("job", timeouts.job, none, longest);
    fields.duration("heartbeat", timeouts.heartbeat, none, longest);
    fields.duration("cancel_grace", timeouts.cancel_grace, none, longest);
}

template <class Spec, class Read>
expected<Spec> spec_from_json(std::string_view text, Read read) {
    // One level less than a document has, which puts the spec under `spec:`.
    const auto value = parse_json_value(text, limits::json_depth_max - 1);
    if (!value) return fail(errc::document_invalid, value.error().detail);
    document_errors errors;
    Spec spec;
    field_reader::read(*value, "", {"", errors}, [&](field_reader& fields) {
        read_name(fields, spec.name);
        read(fields, spec);
    });
    if (!errors.empty()) return tl::unexpected{to_failure(errors)};
    return spec;
}

} // namespace

bool read_name(field_reader& fields, std::string& name) {
    std::string given;
    if (!fields.text("name", given, presence::required)) return false;
    if (!is_name(given)) {
        fields.error("name", std::string{name_wanted} + shown(given));
        return false;
    }
    name = std::move(given);
    return true;
}

void read_spec(field_reader& fields, tenant_spec& spec) {
    fields.integer("weight", spec.weight, 1, limits::tenant_weight_max);
    fields.integer("running_max", spec.running_max, 1, limits::running_declared_max);
    fields.integer("queued_max", spec.queued_max, 1, limits::queued_declared_max);
    fields.mapping("rate", [&](field_reader& rate) { read_rate(rate, spec.rate); });
    fields.mapping("keep", [&](field_reader& keep) { read_keep(keep, spec.keep); });
    fields.boolean("paused", spec.paused);
    if (fields.texts("types", spec.types)) check_types(fields, spec, fields.find("types")->items);
}

void read_spec(field_reader& fields, job_type_spec& spec, spec_origin origin) {
    read_executor(fields, spec, origin);
    read_schema(fields, spec);
    fields.integer("attempts_max", spec.attempts_max, 1, limits::attempts_max);
    fields.mapping("retry", [&](field_reader& retry) { read_retry(retry, spec.retry); });
    fields.mapping("timeouts", [&](field_reader& timeouts) { read_timeouts(timeouts, spec.timeouts); });
    if (spec.executor == executor_kind::http && spec.timeouts.heartbeat.count() > 0)
        fields.error("timeouts", "a request has no heartbeat; timeouts.attempt bounds it");
    fields.size("result_max_bytes", spec.result_bytes_max, 0, limits::result_stored_size_max);
    fields.integer("running_max", spec.running_max, 0, limits::running_declared_max);
    fields.integer("slots", spec.slots, 1, limits::job_slots_max);
    fields.mapping("concurrency", [&](field_reader& c) { read_concurrency(c, spec.concurrency); });
    if (spec.executor != executor_kind::worker && fields.find("workers") != nullptr)
        fields.error("workers", "goes with executor worker; nodes have no labels");
    fields.mapping("workers", [&](field_reader& workers) {
        read_labels(workers, "require", spec.workers.require);
        read_labels(workers, "prefer", spec.workers.prefer);
        workers.choice<stickiness>(
            "sticky", spec.workers.sticky,
            {{"false", stickiness::none}, {"true", stickiness::soft}, {"hard", stickiness::hard}});
        if (spec.workers.sticky != stickiness::none && spec.concurrency.by.empty())
            workers.error("sticky", "goes with concurrency.by, whose jobs are to run where the last one did");
        if (spec.workers.sticky == stickiness::hard && spec.slots > 1)
            workers.error("sticky",
                          "hard goes with slots: 1; that many free at once might never come at one worker");
    });
    fields.mapping("logs", [&](field_reader& logs) {
        logs.integer("lines", spec.logs.lines, 1, static_cast<std::uint32_t>(limits::log_lines_per_attempt_max));
        logs.size("bytes", spec.logs.bytes, limits::log_line_size_max,
                  limits::log_line_size_max * limits::log_lines_per_attempt_max);
        logs.size("stored", spec.logs.stored, limits::stored_lines_object_size, limits::stored_lines_size_max);
        if (spec.logs.stored > 0 && spec.logs.bytes > 0)
            logs.error("bytes", "does not go with stored: what the tables keep is bounded by lines then");
    });
    fields.mapping("unique", [&](field_reader& unique) { read_unique(unique, spec.unique.emplace()); });
    fields.boolean("paused", spec.paused);
}

expected<tenant_spec> tenant_spec_from_json(std::string_view text) {
    return spec_from_json<tenant_spec>(text,
                                       [](field_reader& fields, tenant_spec& spec) { read_spec(fields, spec); });
}

expected<schedule_spec> schedule_spec_from_json(std::string_view text) {
    return spec_from_json<schedule_spec>(
        text, [](field_reader& fields, schedule_spec& spec) { read_spec(fields, spec); });
}

expected<job_type_spec> job_type_spec_from_json(std::string_view text, spec_origin origin) {
    return spec_from_json<job_type_spec>(
        text, [&](field_reader& fields, job_type_spec& spec) { read_spec(fields, spec, origin); });
}

} // namespace coppice
