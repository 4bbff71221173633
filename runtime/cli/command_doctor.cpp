// coppice doctor: the node walks its store, and puts right what it is told to.
#include "runtime/cli/commands.hpp"
#include "runtime/cli/every_node.hpp"
#include "runtime/cli/job_flags.hpp"
#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {
namespace {

struct doctor_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::vector<std::string> repair; // all, counters, ids
    bool all = false;                // nodes of the cluster
    std::string reason = "repaired from the command line";
};

void say_audit(invocation& call, const client::check_result::audit& newest) {
    if (newest.at == never) return call.say("the node has not walked its store by itself since it started");
    call.say("the node's own walk at " + to_rfc3339(newest.at) + ": " + std::to_string(newest.findings) +
             " findings in " + grouped(newest.rows) + " rows");
}

exit_status run_check(invocation& call, client::blocking_client& node, output_format format) {
    const auto result = node.check();
    if (!result) return call.refuse(result.error());
    const auto& audit = result->newest_audit;
    if (format == output_format::json) {
        call.con.print(json_object{}
                           .number("rows", result->rows)
                           .raw("findings", json_texts(result->findings))
                           .number("repairable", result->repairable)
                           .raw("audit", json_object{}
                                             .time("at", audit.at)
                                             .number("rows", audit.rows)
                                             .number("findings", audit.findings)
                                             .done())
                           .done() +
                       "\n");
    } else {
        for (const std::string& each : result->findings) call.con.print(printable(each) + "\n");
        if (result->findings.empty())
            call.con.print("every invariant holds in " + grouped(result->rows) + " rows\n");
        else
            call.say(std::to_string(result->findings.size()) + " findings in " + grouped(result->rows) + " rows");
        if (result->repairable > 0)
            call.say("`coppice doctor --repair all` looks at " + std::to_string(result->repairable) +
                     " jobs and counters, and puts right what it can");
        say_audit(call, audit);
    }
    return result->findings.empty() ? exit_status::ok : exit_status::failed;
}

std::string told(const client::repair_result::repair& one) {
    const std::string of =
        one.counters.empty() ? "job " + to_string(one.job) : "counters of tenant " + one.counters;
    return of + ": " + (one.done ? "repaired" : to_string(one.done.error()));
}

exit_status run_repair(invocation& call, client::blocking_client& node, const doctor_flags& flags,
                       const client::repair_request& wanted) {
    const auto result = node.repair(wanted);
    if (!result) return call.refuse(result.error());
    std::vector<std::string> repairs;
    bool all_done = true;
    for (const auto& each : result->repairs) {
        repairs.push_back(told(each));
        all_done = all_done && each.done;
    }
    if (flags.format == output_format::json) {
        call.con.print(json_object{}
                           .raw("repairs", json_texts(repairs))
                           .raw("remaining", json_texts(result->remaining))
                           .done() +
                       "\n");
    } else {
        for (const std::string& each : repairs) call.con.print(printable(each) + "\n");
        if (repairs.empty()) call.con.print("nothing of that was found to be wrong\n");
        for (const std::string& each : result->remaining) call.say("still: " + printable(each));
    }
    return all_done && result->remaining.empty() ? exit_status::ok : exit_status::failed;
}

exit_status run_doctor(invocation& call, const doctor_flags& flags) {
    client::repair_request wanted{.reason = flags.reason};
    std::vector<std::string> ids;
    for (const std::string& word : flags.repair) {
        if (word == "all")
            wanted.all = true;
        else if (word == "counters")
            wanted.counters = true;
        else
            ids.push_back(word);
    }
    const auto jobs = parse_ids(call, ids);
    if (!jobs) return exit_status::usage;
    wanted.jobs = *jobs;
    const auto nodes = flags.all ? every_node(flags.connection) : std::vector<asked_node>{{}};
    if (!nodes) return call.refuse(nodes.error());
    exit_status status = exit_status::ok;
    for (const asked_node& each : *nodes) {
        auto options = options_for(flags.connection, each);
        options.call_timeout = std::chrono::hours{1}; // a big store takes long to walk
        client::blocking_client node(std::move(options));
        if (!each.name.empty() && flags.format == output_format::table) call.con.print(each.name + "\n");
        status = worse(status, flags.repair.empty() ? run_check(call, node, flags.format)
                                                    : run_repair(call, node, flags, wanted));
        call.con.flush();
    }
    return status;
}

} // namespace

void add_doctor_command(const command_registry& commands) {
    auto flags = std::make_shared<doctor_flags>();
    auto* app = commands.root.add_subcommand(
        "doctor", "Have the node walk its store and check every invariant; 1 when one does not hold");
    app->alias("check");
    app->add_option(
        "--repair", flags->repair,
        "Put right what is found of these jobs (ids), of the `counters`, or `all`; what is right stays");
    app->add_flag("--all", flags->all,
                  "Every node of the cluster, one after the other, not only the one that is asked");
    app->add_option("--reason", flags->reason, "Stands in the evidence of a repair");
    add_output_flag(*app, flags->format);
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice doctor", "coppice doctor --all",
                 "coppice doctor --repair all --reason 'index rows lost by a bug'"});
    commands.on_chosen(*app, "doctor", [flags](invocation& call) { return run_doctor(call, *flags); });
}

} // namespace coppice::cli
