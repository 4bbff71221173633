#include "runtime/cli/job_selection.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "runtime/cli/job_output.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

std::vector<std::string> state_words() {
    std::vector<std::string> words;
    for (const job_state s : all_job_states) words.emplace_back(to_string(s));
    return words;
}

// "2026-11-29T12:00:00Z", or "2h": that long before `now`.
std::optional<instant> parse_moment(const std::string& text, instant now) {
    if (const auto time = parse_rfc3339(text)) return time;
    if (const auto ago = parse_duration(text)) return now - *ago;
    return std::nullopt;
}

bool read_moment(const invocation& call, std::string_view flag, const std::string& text, instant now, instant& to) {
    if (text.empty()) return true;
    const auto moment = parse_moment(text, now);
    if (!moment)
        call.misused(std::string{flag} + ": \"" + text +
                     "\" is neither a time such as 2026-11-29T12:00:00Z nor how long ago, such as 90s or 2h");
    else
        to = *moment;
    return moment.has_value();
}

// FIELD=VALUE. What is no JSON stands for itself: --where city=Oslo, --where size=3, --where 'size="3"'.
bool read_where(const invocation& call, const std::string& text, client::job_filter& to) {
    if (text.empty()) return true;
    const auto equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
        call.misused("--where: \"" + text + "\" is not FIELD=VALUE");
        return false;
    }
    to.payload_field = text.substr(0, equals);
    to.payload_value = text.substr(equals + 1);
    if (!nlohmann::json::accept(to.payload_value)) to.payload_value = json_string(to.payload_value);
    return true;
}

// What came of it, over all pages.
struct change_sum {
    std::uint64_t matched = 0;
    std::uint64_t changed = 0;
    std::map<job_state, std::uint64_t> by_state; // of those matched
    std::map<errc, std::pair<std::uint64_t, std::string>> refused;
    exit_status status = exit_status::ok;
};

void show_one(invocation& call, const selection_flags& flags, const job_change& change, const job_id& id,
              const expected<std::string>& answer) {
    if (flags.format == output_format::json) {
        json_object o;
        o.text("id", to_string(id)).boolean(change.did, answer.has_value());
        if (answer && !answer->empty()) o.text("as", *answer);
        if (!answer) o.raw("error", json_failure(answer.error()));
        call.con.print(o.done() + "\n");
    } else if (answer) {
        call.con.print(to_string(id) + "  " + std::string{change.said} + (answer->empty() ? "" : " as " + *answer) +
                       "\n");
    }
}

exit_status change_named(invocation& call, const selection_flags& flags, const job_change& change) {
    const auto ids = parse_ids(call, flags.ids);
    if (!ids) return exit_status::usage;
    client::blocking_client node(connect_options(flags.connection, patience::none));
    exit_status status = exit_status::ok;
    for (std::size_t at = 0; at < ids->size() && status != exit_status::unavailable;
         at += limits::submit_batch_max) {
        const auto end = std::min(ids->size(), at + limits::submit_batch_max);
        const std::vector<job_id> some(ids->begin() + static_cast<std::ptrdiff_t>(at),
                                       ids->begin() + static_cast<std::ptrdiff_t>(end));
        const auto answers = change.make(node, some);
        for (std::size_t i = 0; i < answers.size(); ++i) {
            if (!answers[i]) status = worse(status, call.refuse(answers[i].error(), to_string(some[i])));
            show_one(call, flags, change, some[i], answers[i]);
        }
    }
    return status;
}

// The first refusal of each kind stands for the others.
void count_answers(const std::vector<job_id>& ids, const std::vector<expected<std::string>>& answers,
                   change_sum& sum) {
    for (std::size_t i = 0; i < answers.size(); ++i) {
        if (answers[i]) {
            ++sum.changed;
            continue;
        }
        const failure& f = answers[i].error();
        auto& [count, first] = sum.refused[f.code];
        if (count++ == 0) first = to_string(ids[i]) + ": " + f.detail;
        sum.status = worse(sum.status, status_of(f));
    }
}

void show_sum(invocation& call, const selection_flags& flags, const job_change& change, const change_sum& sum) {
    if (flags.format == output_format::json) {
        json_object states;
        for (const auto& [state, count] : sum.by_state) states.number(state_word(state), count);
        std::vector<std::string> refusals;
        for (const auto& [code, what] : sum.refused)
            refusals.push_back(json_object{}
                                   .text("code", to_string(code))
                                   .number("jobs", what.first)
                                   .text("first", what.second)
                                   .done());
        call.con.print(json_object{}
                           .boolean("dry_run", flags.dry_run)
                           .number("matched", sum.matched)
                           .raw("by_status", states.done())
                           .number(change.did, sum.changed)
                           .raw("refused", json_array(refusals))
                           .done() +
                       "\n");
        return;
    }
    std::string states;
    for (const auto& [state, count] : sum.by_state)
        states += (states.empty() ? " (" : ", ") + std::to_string(count) + " " + std::string{state_word(state)};
    if (!states.empty()) states += ")";
    call.con.print(flags.dry_run
                       ? std::to_string(sum.matched) + " jobs would be " + std::string{change.did} + states + "\n"
                       : std::to_string(sum.changed) + " of " + std::to_string(sum.matched) + " jobs " +
                             std::string{change.did} + states + "\n");
    for (const auto& [code, what] : sum.refused)
        call.say(std::to_string(what.first) + " refused with " + std::string{to_string(code)} + ", first job " +
                 what.second);
}

exit_status change_found(invocation& call, const selection_flags& flags, const job_change& change) {
    const auto filter = make_filter(call, flags.filter, wall_clock_now());
    if (!filter) return exit_status::usage;
    client::blocking_client node(connect_options(flags.connection, patience::none));
    change_sum sum;
    std::string cursor;
    do {
        const auto page = node.list(*filter, static_cast<std::uint32_t>(limits::page_size_max), cursor);
        if (!page) return call.refuse(page.error());
        cursor = page->cursor;
        std::vector<job_id> ids;
        for (const client::job_view& job : page->jobs) {
            if (!change.applies_to(job)) continue;
            ids.push_back(job.id);
            ++sum.by_state[job.state];
        }
        sum.matched += ids.size();
        if (!flags.dry_run && !ids.empty()) count_answers(ids, change.make(node, ids), sum);
        if (!cursor.empty() && call.con.err_is_terminal() && sum.matched > 0)
            call.say(std::to_string(sum.matched) + " jobs so far");
    } while (!cursor.empty() && sum.status != exit_status::unavailable);
    show_sum(call, flags, change, sum);
    return sum.status;
}

} // namespace

void add_filter_flags(CLI::App& app, filter_flags& flags) {
    app.add_option("--tenant", flags.tenant, "Of this tenant (default: all that the token may see)");
    add_choice(app, "--status", flags.state, state_words(), "In this state: queued, running, failed, ...");
    app.add_option("--type", flags.type, "Of this job type");
    app.add_option("--since", flags.since, "Submitted at this time or later: 2026-11-29T12:00:00Z, or 2h ago");
    app.add_option("--until", flags.until, "Submitted before this time, or longer ago than that");
    app.add_option("--error", flags.error, "Whose last failure has this code: exit_status, timeout_attempt, ...");
    app.add_option("--key", flags.key, "That this idempotency key of the tenant answers with");
    app.add_option("--label", flags.labels, "With this label: NAME=VALUE, or NAME; may be repeated")
        ->allow_extra_args(false);
    app.add_option("--where", flags.where,
                   "Whose payload has this field: FIELD=VALUE; a value that is no JSON is a text");
}

std::optional<client::job_filter> make_filter(const invocation& call, const filter_flags& flags, instant now) {
    client::job_filter filter{.tenant = flags.tenant, .type = flags.type};
    filter.key = flags.key;
    filter.labels = flags.labels;
    if (!read_where(call, flags.where, filter)) return std::nullopt;
    if (!flags.state.empty()) filter.state = job_state_from(flags.state);
    if (!read_moment(call, "--since", flags.since, now, filter.from) ||
        !read_moment(call, "--until", flags.until, now, filter.before))
        return std::nullopt;
    if (flags.error.empty()) return filter;
    filter.error_code = errc_from_name(flags.error);
    if (filter.error_code != errc::internal || flags.error == to_string(errc::internal)) return filter;
    call.misused("--error: \"" + flags.error + "\" is no code of an error; `job list` shows those that there are");
    return std::nullopt;
}

void add_selection_flags(CLI::App& app, selection_flags& flags) {
    app.add_option("ID", flags.ids, "Jobs, as `job submit` prints them");
    add_filter_flags(app, flags.filter);
    app.add_flag("--dry-run", flags.dry_run, "With a filter: change nothing, say how many it finds");
    add_output_flag(app, flags.format);
    add_connection_flags(app, flags.connection);
}

exit_status change_selected(invocation& call, const selection_flags& flags, const job_change& change) {
    if (flags.ids.empty() == !flags.filter.any())
        return call.misused("name jobs, or what to look for (--tenant, --status, --type, --since, --until, "
                            "--error, --key, --label, --where); "
                            "one of the two");
    if (flags.ids.empty()) return change_found(call, flags, change);
    if (flags.dry_run) return call.misused("--dry-run goes with a filter, not with ids");
    return change_named(call, flags, change);
}

} // namespace coppice::cli
