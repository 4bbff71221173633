#include "runtime/cli/job_output.hpp"

#include <algorithm>
#include <cmath>

#include "runtime/cli/terminal_text.hpp"
#include "schema/labels.hpp"

namespace coppice::cli {
namespace {

std::string error_json(const client::job_view& job) {
    return json_object{}
        .text("code", to_string(job.error.code))
        .text("message", job.error.detail)
        .number("attempt", job.error_attempt)
        .done();
}

std::string history_json(const std::vector<client::attempt_end>& history) {
    std::vector<std::string> items;
    for (const client::attempt_end& a : history)
        items.push_back(json_object{}
                            .number("attempt", a.attempt)
                            .text("code", to_string(a.code))
                            .time("started_at", a.started)
                            .time("ended_at", a.ended)
                            .text("message", a.message)
                            .done());
    return json_array(items);
}

std::string percent(double fraction) {
    return std::to_string(std::lround(std::clamp(fraction, 0.0, 1.0) * 100)) + "%";
}

std::string error_text(const client::job_view& job) {
    if (job.error.code == errc::ok) return {};
    std::string text{to_string(job.error.code)};
    if (!job.error.detail.empty()) text += ": " + job.error.detail;
    return text;
}

} // namespace

std::string ids_json(const std::vector<job_id>& ids) {
    std::vector<std::string> texts;
    for (const job_id& id : ids) texts.push_back(to_string(id));
    return json_texts(texts);
}

std::string labels_json(const std::vector<std::string>& labels) {
    json_object o;
    for (const std::string& label : labels) {
        const std::string_view name = label_name(label);
        o.text(name, std::string_view{label}.substr(std::min(label.size(), name.size() + 1)));
    }
    return o.done();
}

std::string_view state_word(job_state s) { return is_known(s) ? to_string(s) : std::string_view{"unknown"}; }

std::string job_json(const client::job_view& job, bool whole) {
    json_object o;
    o.text("id", to_string(job.id))
        .text("tenant", job.tenant)
        .text("type", job.type)
        .text("status", state_word(job.state))
        .number("priority", job.priority)
        .number("attempts", job.attempts)
        .time("submitted_at", job.submitted)
        .time("started_at", job.started)
        .time("finished_at", job.finished)
        .time("due_at", job.due)
        .real("progress", job.progress)
        .text("progress_text", job.progress_text);
    if (job.error.code == errc::ok)
        o.null("error");
    else
        o.raw("error", error_json(job));
    o.number("result_size", job.result_size)
        .boolean("pending_audit", job.pending_audit)
        .boolean("cancel_requested", job.cancel_requested)
        .raw("after", ids_json(job.after))
        .boolean("anyway", job.run_anyway)
        .number("checkpoint_size", job.checkpoint_size)
        .number("parents_pending", job.parents_pending);
    if (job.idempotency_key.empty())
        o.null("key");
    else
        o.text("key", job.idempotency_key);
    o.text("submitter", job.submitter).number("revision", job.revision);
    if (!job.redrives.is_nil()) o.text("redrives", to_string(job.redrives));
    if (!job.redriven_as.is_nil()) o.text("redriven_as", to_string(job.redriven_as));
    if (job.edits > 0) o.number("edits", job.edits);
    if (job.callback) o.boolean("callback", true);
    if (!job.traceparent.empty()) o.text("traceparent", job.traceparent);
    if (!job.labels.empty()) o.raw("labels", labels_json(job.labels));
    if (whole) o.foreign("payload", job.payload).raw("history", history_json(job.history));
    return o.done();
}

table job_table() {
    return table({{"ID"},
                  {"TENANT", false, true},
                  {"TYPE", false, true},
                  {"STATUS"},
                  {"PRI", true},
                  {"TRIES", true},
                  {"SUBMITTED"},
                  {"PROGRESS", true},
                  {"ERROR", false, true}});
}

void add_row(table& to, const client::job_view& job) {
    to.add({to_string(job.id), job.tenant, job.type, std::string{state_word(job.state)},
            std::to_string(job.priority), std::to_string(job.attempts), time_cell(job.submitted),
            percent(job.progress), error_text(job)});
}

std::string job_description(const client::job_view& job) {
    std::string out;
    const auto line = [&out](std::string_view name, std::string_view value) {
        if (value.empty()) return;
        out +=
            std::string{name} + ":" + std::string(name.size() < 11 ? 11 - name.size() : 1, ' ') + printable(value);
        out += '\n';
    };
    line("id", to_string(job.id));
    line("tenant", job.tenant);
    line("type", job.type);
    line("status", std::string{state_word(job.state)} + (job.cancel_requested ? " (told to stop)" : ""));
    line("priority", std::to_string(job.priority));
    line("attempts", std::to_string(job.attempts));
    line("submitted", to_rfc3339(job.submitted) + (job.submitter.empty() ? "" : " by " + job.submitter));
    line("due", to_rfc3339(job.due));
    line("started", to_rfc3339(job.started));
    line("finished", to_rfc3339(job.finished));
    line("progress", percent(job.progress) + (job.progress_text.empty() ? "" : " " + job.progress_text));
    if (job.error.code != errc::ok)
        line("error", to_string(job.error) + " in attempt " + std::to_string(job.error_attempt));
    line("result", std::to_string(job.result_size) + " bytes");
    if (job.pending_audit) line("audit", "pending");
    line("key", job.idempotency_key);
    for (const job_id& id : job.after) line("after", to_string(id));
    line("schedule", job.schedule);
    if (!job.redrives.is_nil()) line("redrives", to_string(job.redrives));
    if (!job.redriven_as.is_nil()) line("redriven as", to_string(job.redriven_as));
    if (job.run_anyway) line("anyway", "however those end");
    if (!job.graph.is_nil()) line("graph", to_string(job.graph));
    if (job.checkpoint_size > 0) line("checkpoint", std::to_string(job.checkpoint_size) + " bytes");
    if (job.callback) line("callback", "when the others of its graph have ended");
    if (job.parents_pending > 0 && !job.callback) line("waits for", std::to_string(job.parents_pending) + " jobs");
    if (job.edits > 0) line("edited", std::to_string(job.edits) + (job.edits == 1 ? " time" : " times"));
    line("trace", job.traceparent);
    for (const std::string& label : job.labels) line("label", label);
    line("payload", job.payload);
    for (const client::attempt_end& a : job.history)
        line("attempt " + std::to_string(a.attempt),
             to_rfc3339(a.started) + " to " + text_or_dash(to_rfc3339(a.ended)) + " " +
                 std::string{to_string(a.code)} + (a.message.empty() ? "" : ": " + a.message));
    return out;
}

std::string job_summary(const client::job_view& job) {
    std::string text{state_word(job.state)};
    if (job.attempts > 0)
        text += " after " + std::to_string(job.attempts) + (job.attempts == 1 ? " attempt" : " attempts");
    if (const std::string error = error_text(job); !error.empty() && job.state != job_state::SUCCEEDED)
        text += ": " + error;
    return text;
}

} // namespace coppice::cli
