// coppice check: the node walks its store.
#include "runtime/cli/commands.hpp"
#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {
namespace {

struct check_flags {
    connection_flags connection;
    output_format format = output_format::table;
};

exit_status run_check(invocation& call, const check_flags& flags) {
    auto options = connect_options(flags.connection, patience::none);
    options.call_timeout = std::chrono::hours{1}; // a big store takes long to walk
    client::blocking_client node(std::move(options));
    const auto result = node.check();
    if (!result) return call.refuse(result.error());
    if (flags.format == output_format::json) {
        std::vector<std::string> items;
        for (const std::string& each : result->findings) items.push_back(json_string(each));
        call.con.print(json_object{}.number("rows", result->rows).raw("findings", json_array(items)).done() + "\n");
    } else {
        for (const std::string& each : result->findings) call.con.print(printable(each) + "\n");
        if (result->findings.empty())
            call.con.print("every invariant holds in " + grouped(result->rows) + " rows\n");
        else
            call.say(std::to_string(result->findings.size()) + " findings in " + grouped(result->rows) + " rows");
    }
    return result->findings.empty() ? exit_status::ok : exit_status::failed;
}

} // namespace

void add_check_command(const command_registry& commands) {
    auto flags = std::make_shared<check_flags>();
    auto* app = commands.root.add_subcommand(
        "check", "Have the node walk its store and check every invariant; 1 when one does not hold");
    add_output_flag(*app, flags->format);
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice check"});
    commands.on_chosen(*app, "check", [flags](invocation& call) { return run_check(call, *flags); });
}

} // namespace coppice::cli
