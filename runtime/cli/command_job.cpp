// coppice job get | list | result
#include "runtime/cli/commands.hpp"
#include "runtime/cli/job_flags.hpp"
#include "runtime/cli/job_output.hpp"
#include "runtime/cli/job_selection.hpp"
#include "runtime/cli/terminal_text.hpp"
#include "schema/base64url.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

exit_status run_get(invocation& call, const ids_flags& flags) {
    bool first = true;
    return for_each_job(
        call, flags,
        [&](client::blocking_client& node, const job_id& id) { return node.get(id, mode_of(flags.stale_ok)); },
        [&](const job_id&, const client::job_view& job) {
            if (flags.format == output_format::json)
                call.con.print(job_json(job, true) + "\n");
            else
                call.con.print((first ? "" : "\n") + job_description(job));
            first = false;
        });
}

exit_status run_result(invocation& call, const ids_flags& flags) {
    return for_each_job(
        call, flags,
        [&](client::blocking_client& node, const job_id& id) { return node.result(id, mode_of(flags.stale_ok)); },
        [&](const job_id& id, const std::string& bytes) {
            if (flags.format == output_format::json)
                call.con.print(json_object{}.text("id", to_string(id)).foreign("result", bytes).done() + "\n");
            else if (call.con.out_is_terminal())
                call.con.print(printable_lines(bytes) + (bytes.ends_with('\n') ? "" : "\n"));
            else
                call.con.print(bytes); // to a file or a program: byte for byte
        });
}

struct list_flags {
    connection_flags connection;
    output_format format = output_format::table;
    filter_flags filter;
    std::uint64_t limit = limits::page_size_default;
    std::string cursor;
    bool stale_ok = false;
};

void print_page(invocation& call, const client::job_page& page, output_format format, table& rows,
                std::vector<std::string>& items) {
    for (const client::job_view& job : page.jobs) {
        if (format == output_format::json)
            items.push_back(job_json(job, false));
        else
            add_row(rows, job);
    }
    if (format == output_format::table && !rows.empty()) call.con.print(rows.take(call.con.out_width()));
}

exit_status run_list(invocation& call, const list_flags& flags) {
    const auto filter = make_filter(call, flags.filter, wall_clock_now());
    if (!filter) return exit_status::usage;
    const auto from = base64url_decode(flags.cursor);
    if (!from) return call.misused("--cursor: \"" + flags.cursor + "\" is not one that `job list` printed");
    client::blocking_client node(connect_options(flags.connection, patience::none));
    table rows = job_table();
    std::vector<std::string> items;
    std::uint64_t count = 0;
    std::string cursor = *from;
    do {
        const auto wanted = std::min<std::uint64_t>(flags.limit - count, limits::page_size_max);
        const auto page = node.list(*filter, static_cast<std::uint32_t>(wanted), cursor, mode_of(flags.stale_ok));
        if (!page) return call.refuse(page.error());
        count += page->jobs.size();
        print_page(call, *page, flags.format, rows, items);
        cursor = page->cursor;
    } while (count < flags.limit && !cursor.empty() && !call.con.out_closed());

    const std::string more = base64url_encode(cursor);
    if (flags.format == output_format::json) {
        json_object o;
        o.raw("jobs", json_array(items));
        if (more.empty())
            o.null("cursor");
        else
            o.text("cursor", more);
        call.con.print(o.done() + "\n");
    } else {
        if (count == 0) call.con.say("no jobs");
        if (!more.empty()) call.con.say("more: --cursor " + more);
    }
    return exit_status::ok;
}

void add_list(const command_registry& commands, CLI::App& job) {
    auto flags = std::make_shared<list_flags>();
    auto* list = job.add_subcommand("list", "List jobs, newest first within a tenant");
    add_filter_flags(*list, flags->filter);
    list->add_option("--limit", flags->limit, "At most so many (default 100)")
        ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{limits::list_printed_max}));
    list->add_option("--cursor", flags->cursor, "Go on where an earlier list ended");
    add_stale_flag(*list, flags->stale_ok);
    add_output_flag(*list, flags->format);
    add_connection_flags(*list, flags->connection);
    teach(*list,
          {"coppice job list --tenant acme --status failed", "coppice job list -o json | jq -r '.jobs[].id'"});
    commands.on_chosen(*list, "job list", [flags](invocation& call) { return run_list(call, *flags); });
}

} // namespace

void add_job_commands(const command_registry& commands) {
    auto* job = commands.root.add_subcommand("job", "Submit jobs, follow them, fetch their results");
    job->require_subcommand(1);
    teach(*job,
          {"coppice job submit --type resize --payload '{\"w\": 3}' --wait", "coppice job list --status failed"});
    add_job_submit_command(commands, *job);

    auto get = std::make_shared<ids_flags>();
    auto* get_app = job->add_subcommand("get", "Show jobs with their payload, attempts and errors");
    add_ids_flags(*get_app, *get);
    add_stale_flag(*get_app, get->stale_ok);
    teach(*get_app, {"coppice job get 0199a1b2-... -o json | jq .status"});
    commands.on_chosen(*get_app, "job get", [get](invocation& call) { return run_get(call, *get); });

    add_list(commands, *job);

    auto result = std::make_shared<ids_flags>();
    auto* result_app = job->add_subcommand("result", "Print the result of jobs that succeeded, byte for byte");
    add_ids_flags(*result_app, *result);
    add_stale_flag(*result_app, result->stale_ok);
    teach(*result_app, {"coppice job result 0199a1b2-... > out.bin"});
    commands.on_chosen(*result_app, "job result", [result](invocation& call) { return run_result(call, *result); });

    add_job_follow_commands(commands, *job);
    add_job_graph_command(commands, *job);
    add_job_change_commands(commands, *job);
}

} // namespace coppice::cli
