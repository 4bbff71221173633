#include "runtime/cli/exported.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "actors/governance/bounded_json.hpp"
#include "runtime/cli/csv_line.hpp"
#include "runtime/cli/job_line.hpp"
#include "runtime/cli/job_output.hpp"
#include "runtime/cli/output.hpp"

namespace coppice::cli {
namespace {

using nlohmann::json;

// Columns whose cells are strings; those of all others are JSON.
constexpr std::array text_columns{"id",          "tenant",      "type",       "status", "submitted_at",
                                  "started_at",  "finished_at", "due_at",     "key",    "submitter",
                                  "traceparent", "at",          "job",        "code",   "kind",
                                  "name",        "changed_at",  "changed_by", "delay"};

// Members that an export has and a submission has not: what the job had come to.
constexpr std::array outcome_members{"id",          "status", "attempts",  "submitted_at", "started_at",
                                     "finished_at", "due_at", "submitter", "error",        "result_size"};

std::string text_or_null(const std::string& text) { return text.empty() ? "null" : json_string(text); }
std::string time_or_null(instant t) { return t == never ? "null" : json_string(to_rfc3339(t)); }

// On one line: raw control characters are blanks in JSON, and nothing else.
std::string payload_json(std::string payload) {
    if (payload.empty()) return "null";
    std::ranges::replace_if(
        payload, [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
    return json::accept(payload) ? payload : json_string(payload);
}

std::string cell_of(const std::string& value) {
    if (value == "null") return {};
    if (!value.starts_with('"')) return value;
    return json::parse(value).get<std::string>();
}

// Where an exported job stood, from its line.
struct exported_state {
    std::string id;
    std::optional<job_state> state; // nothing: a line that was never exported
    instant due = never;
};

expected<exported_state> state_of(const json& object) {
    exported_state found;
    const auto text = [&](const char* name) {
        const auto at = object.find(name);
        return at != object.end() && at->is_string() ? at->get<std::string>() : std::string{};
    };
    found.id = text("id");
    if (!found.id.empty() && !job_id::parse(found.id)) return wrong_member("id", "is no job's id");
    const std::string word = text("status");
    if (word.empty()) return found;
    for (const job_state each : all_job_states)
        if (to_string(each) == word) found.state = each;
    if (!found.state) return wrong_member("status", "is no state: \"" + word + "\"");
    if (const std::string due = text("due_at"); !due.empty()) {
        const auto time = parse_rfc3339(due);
        if (!time) return wrong_member("due_at", "is no time such as 2030-01-31T12:00:00Z");
        found.due = *time;
    }
    return found;
}

} // namespace

std::string as_ndjson(const export_row& row) {
    json_object o;
    for (const auto& [name, value] : row) o.raw(name, value);
    return o.done() + "\n";
}

std::string as_csv(const export_row& row) {
    std::vector<std::string> cells;
    for (const auto& [name, value] : row) cells.push_back(cell_of(value));
    return csv_line(cells) + "\n";
}

std::string csv_titles(const export_row& row) {
    std::vector<std::string> names;
    for (const auto& [name, value] : row) names.emplace_back(name);
    return csv_line(names) + "\n";
}

export_row row_of(const client::job_view& job) {
    return {{"id", json_string(to_string(job.id))},
            {"tenant", json_string(job.tenant)},
            {"type", json_string(job.type)},
            {"status", json_string(state_word(job.state))},
            {"priority", std::to_string(job.priority)},
            {"attempts", std::to_string(job.attempts)},
            {"submitted_at", time_or_null(job.submitted)},
            {"started_at", time_or_null(job.started)},
            {"finished_at", time_or_null(job.finished)},
            {"due_at", time_or_null(job.due)},
            {"key", text_or_null(job.idempotency_key)},
            {"submitter", text_or_null(job.submitter)},
            {"traceparent", text_or_null(job.traceparent)},
            {"after", ids_json(job.after)},
            {"anyway", job.run_anyway ? "true" : "false"},
            {"labels", labels_json(job.labels)},
            {"error", job.error.code == errc::ok ? "null" : json_failure(job.error)},
            {"result_size", std::to_string(job.result_size)},
            {"payload", payload_json(job.payload)}};
}

export_row row_of(const client::event& event) {
    return {{"sequence", std::to_string(event.sequence)},
            {"at", time_or_null(event.at)},
            {"job", json_string(to_string(event.job))},
            {"type", json_string(event.type)},
            {"status", json_string(state_word(event.state))},
            {"attempt", std::to_string(event.attempt)},
            {"code", event.code == errc::ok ? "null" : json_string(to_string(event.code))}};
}

export_row row_of(const client::evidence& evidence) {
    constexpr std::array<std::string_view, 7> kinds{"job_ended",  "job_refused", "tenant_refused", "job_deleted",
                                                    "job_edited", "repaired",    "unknown"};
    const bool has_job = !evidence.job.is_nil();
    return {{"shard", std::to_string(evidence.shard)},
            {"sequence", std::to_string(evidence.sequence)},
            {"at", time_or_null(evidence.at)},
            {"kind", json_string(kinds[static_cast<std::size_t>(evidence.kind)])},
            {"tenant", text_or_null(evidence.tenant)},
            {"job", has_job ? json_string(to_string(evidence.job)) : "null"},
            {"type", text_or_null(evidence.type)},
            {"type_version", std::to_string(evidence.type_version)},
            {"status", has_job ? json_string(state_word(evidence.state)) : "null"},
            {"attempt", std::to_string(evidence.attempt)},
            {"code", evidence.code == errc::ok ? "null" : json_string(to_string(evidence.code))},
            {"by", text_or_null(evidence.by)},
            {"detail", text_or_null(evidence.detail)}};
}

export_row row_of(const client::declared_view& view) {
    return {{"kind", json_string(view.kind)},
            {"name", json_string(view.name)},
            {"version", std::to_string(view.version)},
            {"changed_at", time_or_null(view.changed)},
            {"changed_by", text_or_null(view.changed_by)},
            {"spec", payload_json(view.spec)}};
}

expected<std::optional<client::job_spec>> job_from_line(std::string_view line, const std::string& tenant,
                                                        bool with_ended) {
    const auto object = parse_json(line, {.size_max = limits::job_line_size_max});
    if (!object) return tl::unexpected(object.error());
    if (!object->is_object()) return fail(errc::invalid_argument, "the line must be one JSON object");
    const auto was = state_of(*object);
    if (!was) return tl::unexpected(was.error());
    if (was->state && is_terminal(*was->state) && !with_ended) return std::optional<client::job_spec>{};
    if (was->state == job_state::BLOCKED)
        return wrong_member("after",
                            "names jobs that this one waits for, and which are others here: submit it as a graph");
    // What is left is a line as `job submit -f` takes it.
    json_object rest;
    for (const auto& [name, value] : object->items())
        if (!value.is_null() && !(was->state && name == "after") &&
            std::ranges::find(outcome_members, name) == outcome_members.end())
            rest.raw(name, name == "payload" ? std::string{raw_member(line, name)} : value.dump());
    auto spec = parse_job_line(rest.done());
    if (!spec) return tl::unexpected(std::move(spec.error()));
    if (!tenant.empty()) spec->tenant = tenant;
    if (spec->idempotency_key.empty() && !was->id.empty()) spec->idempotency_key = "import:" + was->id;
    if (was->state == job_state::SCHEDULED && was->due != never) spec->not_before = was->due;
    return std::optional{std::move(*spec)};
}

expected<std::string> json_from_csv(const std::vector<std::string>& titles, std::string_view line) {
    const auto cells = parse_csv_line(line);
    if (!cells) return tl::unexpected(cells.error());
    if (cells->size() != titles.size())
        return fail(errc::invalid_argument, "the line has " + std::to_string(cells->size()) +
                                                " fields, the first " + "line names " +
                                                std::to_string(titles.size()));
    json_object o;
    for (std::size_t i = 0; i < titles.size(); ++i) {
        const std::string& cell = (*cells)[i];
        if (cell.empty()) continue;
        const bool is_text = std::ranges::find(text_columns, titles[i]) != text_columns.end();
        if (!is_text && !json::accept(cell)) return wrong_member(titles[i], "is no JSON: " + cell.substr(0, 80));
        o.raw(titles[i], is_text ? json_string(cell) : cell);
    }
    return o.done();
}

} // namespace coppice::cli
