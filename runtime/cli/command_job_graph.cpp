// coppice job graph: the jobs that were submitted together with one.
#include "runtime/cli/commands.hpp"
#include "runtime/cli/graph_picture.hpp"
#include "runtime/cli/job_flags.hpp"
#include "runtime/cli/job_output.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

struct graph_flags {
    ids_flags ids;
    bool dot = false;
};

expected<std::vector<client::job_view>> whole_graph(client::blocking_client& node, const job_id& id,
                                                    bool stale_ok) {
    std::vector<client::job_view> all;
    for (;;) {
        auto page = node.run(node.async().graph(id, static_cast<std::uint32_t>(all.size()), limits::page_size_max,
                                                mode_of(stale_ok)));
        if (!page) return tl::unexpected(std::move(page.error()));
        std::ranges::move(page->jobs, std::back_inserter(all));
        if (page->jobs.empty() || all.size() >= page->size) return all;
    }
}

exit_status run_graph(invocation& call, const graph_flags& flags) {
    const auto ids = parse_ids(call, flags.ids.ids);
    if (!ids) return exit_status::usage;
    client::blocking_client node(connect_options(flags.ids.connection, patience::none));
    exit_status status = exit_status::ok;
    for (const job_id& id : *ids) {
        const auto jobs = whole_graph(node, id, flags.ids.stale_ok);
        if (!jobs) {
            status = worse(status, call.refuse(jobs.error(), to_string(id)));
            if (jobs.error().code == errc::unavailable) break;
            continue;
        }
        if (flags.dot) {
            call.con.print(graph_dot(*jobs));
        } else if (flags.ids.format == output_format::json) {
            std::vector<std::string> items;
            for (const client::job_view& job : *jobs) items.push_back(job_json(job, false));
            call.con.print(json_object{}.raw("jobs", json_array(items)).done() + "\n");
        } else {
            call.con.print(graph_text(*jobs));
        }
    }
    return status;
}

} // namespace

void add_job_graph_command(const command_registry& commands, CLI::App& job) {
    auto flags = std::make_shared<graph_flags>();
    auto* app = job.add_subcommand("graph", "Draw the jobs that were submitted together with a job, parents first");
    add_ids_flags(*app, flags->ids);
    app->add_flag("--dot", flags->dot, "In the DOT language, for Graphviz");
    add_stale_flag(*app, flags->ids.stale_ok);
    teach(*app, {"coppice job graph 0199a1b2-...", "coppice job graph $id --dot | dot -Tsvg > graph.svg"});
    commands.on_chosen(*app, "job graph", [flags](invocation& call) { return run_graph(call, *flags); });
}

} // namespace coppice::cli
