// coppice metrics
#include "runtime/cli/commands.hpp"
#include "runtime/cli/metrics_json.hpp"
#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {
namespace {

struct metrics_flags {
    connection_flags connection;
    output_format format = output_format::table;
};

exit_status run_metrics(invocation& call, const metrics_flags& flags) {
    client::blocking_client node(connect_options(flags.connection, patience::none));
    const auto text = node.metrics();
    if (!text) return call.refuse(text.error());
    call.con.print(flags.format == output_format::json ? metrics_json(*text) + "\n" : printable_lines(*text));
    return exit_status::ok;
}

} // namespace

void add_metrics_command(const command_registry& commands) {
    auto flags = std::make_shared<metrics_flags>();
    auto* app =
        commands.root.add_subcommand("metrics", "Print the node's metrics, as Prometheus would scrape them");
    add_output_flag(*app, flags->format);
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice metrics | grep jobs"});
    commands.on_chosen(*app, "metrics", [flags](invocation& call) { return run_metrics(call, *flags); });
}

} // namespace coppice::cli
