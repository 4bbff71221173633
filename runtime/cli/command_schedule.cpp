// coppice schedule list | show | run | pause | resume
#include "runtime/cli/commands.hpp"
#include "runtime/cli/declared_change.hpp"
#include "runtime/cli/job_flags.hpp"
#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {
namespace {

struct schedule_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::string tenant;
    std::string name;
    bool stale_ok = false;
};

std::string schedule_json(const client::schedule_view& s) {
    std::vector<std::string> times;
    for (const instant t : s.times) times.push_back(json_string(to_rfc3339(t)));
    json_object o;
    o.text("name", s.name)
        .text("tenant", s.tenant)
        .text("type", s.type)
        .text("timing", s.timing)
        .text("overlap", s.overlap)
        .text("missed_policy", s.missed_policy)
        .boolean("paused", s.paused)
        .raw("times", json_array(times))
        .time("last_at", s.last);
    if (s.last_job.is_nil())
        o.null("last_job");
    else
        o.text("last_job", to_string(s.last_job));
    o.number("runs", s.runs)
        .number("overlapped", s.overlapped)
        .number("missed", s.missed)
        .number("refused", s.refused)
        .boolean("waiting", s.waiting);
    if (s.error.code == errc::ok)
        o.null("error");
    else
        o.raw("error", json_failure(s.error));
    return o.done();
}

std::string next_cell(const client::schedule_view& s) {
    if (s.paused) return "paused";
    return s.times.empty() ? "never" : to_rfc3339(s.times.front());
}

exit_status run_list(invocation& call, const schedule_flags& flags) {
    client::blocking_client node(connect_options(flags.connection, patience::none));
    const auto all = node.run(node.async().schedules(flags.tenant, {}, mode_of(flags.stale_ok)));
    if (!all) return call.refuse(all.error());
    if (flags.format == output_format::json) {
        std::vector<std::string> items;
        for (const client::schedule_view& s : *all) items.push_back(schedule_json(s));
        call.con.print(json_object{}.raw("schedules", json_array(items)).done() + "\n");
        return exit_status::ok;
    }
    if (all->empty()) call.con.say("no schedules");
    table out({{"NAME"},
               {"TENANT", false, true},
               {"TYPE", false, true},
               {"TIMING", false, true},
               {"NEXT"},
               {"RUNS", true},
               {"LEFT OUT", true}});
    for (const client::schedule_view& s : *all)
        out.add({s.name, s.tenant, s.type, s.timing, next_cell(s), std::to_string(s.runs),
                 std::to_string(s.overlapped + s.missed + s.refused)});
    if (!out.empty()) call.con.print(out.take(call.con.out_width()));
    return exit_status::ok;
}

std::string description(const client::schedule_view& s) {
    std::string out;
    const auto line = [&out](std::string_view name, const std::string& value) {
        if (!value.empty())
            out += std::string{name} + ":" + std::string(name.size() < 11 ? 11 - name.size() : 1, ' ') +
                   printable(value) + "\n";
    };
    line("name", s.name);
    line("tenant", s.tenant);
    line("type", s.type);
    line("timing", s.timing);
    line("overlap", s.overlap);
    line("missed", s.missed_policy);
    if (s.paused) line("paused", "nothing is made");
    for (const instant t : s.times) line("next", to_rfc3339(t));
    if (!s.last_job.is_nil()) line("last", to_rfc3339(s.last) + "  " + to_string(s.last_job));
    if (s.waiting) line("waiting", "a run waits for that one to end");
    line("runs", std::to_string(s.runs));
    line("left out", std::to_string(s.overlapped) + " overlapped, " + std::to_string(s.missed) + " missed, " +
                         std::to_string(s.refused) + " refused");
    if (s.error.code != errc::ok) line("error", to_string(s.error));
    return out;
}

exit_status run_show(invocation& call, const schedule_flags& flags) {
    client::blocking_client node(connect_options(flags.connection, patience::none));
    const auto found = node.run(node.async().schedules({}, flags.name, mode_of(flags.stale_ok)));
    if (!found) return call.refuse(found.error(), flags.name);
    for (const client::schedule_view& s : *found)
        call.con.print(flags.format == output_format::json ? schedule_json(s) + "\n" : description(s));
    return exit_status::ok;
}

exit_status run_now(invocation& call, const schedule_flags& flags) {
    client::blocking_client node(connect_options(flags.connection, patience::none));
    const auto id = node.run(node.async().run_schedule(flags.name));
    if (!id) return call.refuse(id.error(), flags.name);
    call.con.print(flags.format == output_format::json ? json_object{}.text("id", to_string(*id)).done() + "\n"
                                                       : to_string(*id) + "\n");
    return exit_status::ok;
}

exit_status run_pause(invocation& call, const schedule_flags& flags, bool paused) {
    client::blocking_client node(connect_options(flags.connection, patience::none));
    return set_paused(call, node, declared_kind::schedule, flags.name, paused);
}

using run_function = exit_status (*)(invocation&, const schedule_flags&);

void add_named(const command_registry& commands, CLI::App& schedule, const std::string& word, const char* says,
               const run_function& run, bool prints) {
    auto flags = std::make_shared<schedule_flags>();
    auto* app = schedule.add_subcommand(word, says);
    app->add_option("NAME", flags->name, "The schedule")->required();
    if (prints) add_output_flag(*app, flags->format);
    if (word == "show") add_stale_flag(*app, flags->stale_ok);
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice schedule " + word + " nightly"});
    commands.on_chosen(*app, "schedule " + word, [flags, run](invocation& call) { return run(call, *flags); });
}

} // namespace

void add_schedule_commands(const command_registry& commands) {
    auto* schedule = commands.root.add_subcommand("schedule", "What is made at its times; apply declares it");
    schedule->require_subcommand(1);
    teach(*schedule, {"coppice apply -f nightly.yaml", "coppice schedule show nightly"});
    auto flags = std::make_shared<schedule_flags>();
    auto* list = schedule->add_subcommand("list", "List schedules, by name, with their next times");
    list->add_option("--tenant", flags->tenant, "Of this tenant (default: all that the token may see)");
    add_stale_flag(*list, flags->stale_ok);
    add_output_flag(*list, flags->format);
    add_connection_flags(*list, flags->connection);
    teach(*list, {"coppice schedule list --tenant acme"});
    commands.on_chosen(*list, "schedule list", [flags](invocation& call) { return run_list(call, *flags); });
    add_named(commands, *schedule, "show", "Show a schedule: its next five times, its runs, what was left out",
              run_show, true);
    add_named(commands, *schedule, "run", "Make a run now, beside those that its times make; prints its id",
              run_now, true);
    add_named(
        commands, *schedule, "pause", "Make nothing more of it; what runs goes on",
        [](invocation& call, const schedule_flags& f) { return run_pause(call, f, true); }, false);
    add_named(
        commands, *schedule, "resume", "Go on from the present; what passed meanwhile is not made up for",
        [](invocation& call, const schedule_flags& f) { return run_pause(call, f, false); }, false);
}

} // namespace coppice::cli
