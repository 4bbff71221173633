// coppice job graph: the jobs that were submitted together with one, and how far they are.
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
    bool counts = false;
};

// All of its jobs, or with --counts none of them.
expected<client::graph_page> read_graph(client::blocking_client& node, const job_id& id, const graph_flags& flags) {
    client::graph_page whole;
    for (;;) {
        const std::size_t wanted = flags.counts ? 1 : limits::page_size_max;
        auto page = node.run(node.async().graph(id, static_cast<std::uint32_t>(whole.jobs.size()),
                                                static_cast<std::uint32_t>(wanted), mode_of(flags.ids.stale_ok)));
        if (!page) return page;
        whole.size = page->size;
        whole.counts = page->counts;
        if (flags.counts) return whole;
        std::ranges::move(page->jobs, std::back_inserter(whole.jobs));
        if (page->jobs.empty() || whole.jobs.size() >= page->size) return whole;
    }
}

std::string counts_text(const client::graph_page& graph) {
    std::string text;
    for (const job_state state : all_job_states)
        if (const auto count = graph.counts[index_of(state)]; count > 0)
            text += (text.empty() ? ": " : ", ") + std::to_string(count) + " " + std::string{state_word(state)};
    return std::to_string(graph.size) + (graph.size == 1 ? " job" : " jobs") + text + "\n";
}

std::string graph_json(const client::graph_page& graph, bool with_jobs) {
    json_object counts;
    for (const job_state state : all_job_states) counts.number(state_word(state), graph.counts[index_of(state)]);
    json_object o;
    o.number("size", graph.size).raw("counts", counts.done());
    if (!with_jobs) return o.done() + "\n";
    std::vector<std::string> items;
    for (const client::job_view& job : graph.jobs) items.push_back(job_json(job, false));
    return o.raw("jobs", json_array(items)).done() + "\n";
}

exit_status run_graph(invocation& call, const graph_flags& flags) {
    return for_each_job(
        call, flags.ids,
        [&](client::blocking_client& node, const job_id& id) { return read_graph(node, id, flags); },
        [&](const job_id&, const client::graph_page& graph) {
            if (flags.ids.format == output_format::json) return call.con.print(graph_json(graph, !flags.counts));
            if (flags.counts) return call.con.print(counts_text(graph));
            if (flags.dot) return call.con.print(graph_dot(graph.jobs));
            call.con.print(graph_text(graph.jobs) + counts_text(graph));
        });
}

} // namespace

void add_job_graph_command(const command_registry& commands, CLI::App& job) {
    auto flags = std::make_shared<graph_flags>();
    auto* app = job.add_subcommand("graph", "Draw the jobs that were submitted together with a job, parents first");
    add_ids_flags(*app, flags->ids);
    app->add_flag("--dot", flags->dot, "In the DOT language, for Graphviz");
    app->add_flag("--counts", flags->counts, "Only how many of its jobs are in each state");
    add_stale_flag(*app, flags->ids.stale_ok);
    teach(*app, {"coppice job graph 0199a1b2-...", "coppice job graph $id --dot | dot -Tsvg > graph.svg",
                 "coppice job graph $id --counts -o json"});
    commands.on_chosen(*app, "job graph", [flags](invocation& call) { return run_graph(call, *flags); });
}

} // namespace coppice::cli
