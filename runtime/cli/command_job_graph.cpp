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
    return for_each_job(
        call, flags.ids,
        [&](client::blocking_client& node, const job_id& id) { return whole_graph(node, id, flags.ids.stale_ok); },
        [&](const job_id&, const std::vector<client::job_view>& jobs) {
            if (flags.dot) return call.con.print(graph_dot(jobs));
            if (flags.ids.format != output_format::json) return call.con.print(graph_text(jobs));
            std::vector<std::string> items;
            for (const client::job_view& job : jobs) items.push_back(job_json(job, false));
            call.con.print(json_object{}.raw("jobs", json_array(items)).done() + "\n");
        });
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
