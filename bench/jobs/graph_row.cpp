// Layers of jobs, each of which waits for two of the layer before, against as many jobs that wait for nothing: once
// on a worker that takes as many at a time as a layer has, for a graph so wide never has more under way, and once
// on one that takes all of them.
#include <thread>

#include "bench/jobs/rows.hpp"
#include "bench/node/node_under_test.hpp"
#include "runtime/client/bench_worker.hpp"
#include "runtime/client/blocking_client.hpp"

namespace coppice::bench {
namespace {

std::vector<client::graph_job> layers_of(const jobs_settings& s) {
    const auto name = [](std::uint32_t layer, std::uint32_t i) {
        return std::to_string(layer) + "-" + std::to_string(i);
    };
    std::vector<client::graph_job> graph;
    for (std::uint32_t layer = 0; layer < s.graph_layers; ++layer)
        for (std::uint32_t i = 0; i < s.graph_width; ++i) {
            client::graph_job job{name(layer, i), {}, {.tenant = tenant_name, .type = noop_type}};
            if (layer > 0) job.after = {name(layer - 1, i), name(layer - 1, (i + 1) % s.graph_width)};
            graph.push_back(std::move(job));
        }
    return graph;
}

expected<std::vector<job_id>> submit_free(client::blocking_client& at, std::size_t count) {
    std::vector<job_id> ids;
    for (const auto& sent : at.submit(
             std::vector<client::job_spec>(count, client::job_spec{.tenant = tenant_name, .type = noop_type}))) {
        if (!sent) return tl::unexpected(sent.error());
        ids.push_back(sent->id);
    }
    return ids;
}

expected<void> wait_succeeded(client::blocking_client& at, std::vector<job_id> ids,
                              const client::feed_place& since) {
    const auto ends = at.wait_all(std::move(ids), since);
    if (!ends) return tl::unexpected(ends.error());
    for (const auto& end : *ends)
        if (!end || end->state != job_state::SUCCEEDED) return fail(errc::internal, "not every job succeeded");
    return {};
}

// Microseconds from the first byte of the submission to the last end.
template <class Submit>
expected<double> timed(const node_under_test& node, std::uint32_t slots, const Submit& submit) {
    auto load = load_on(node);
    load.slots = slots;
    client::bench_worker worker(load, false);
    if (auto ok = worker.wait_attached(); !ok) return tl::unexpected(ok.error());
    client::blocking_client at(node.connect());
    const auto since = at.feed_position();
    if (!since) return tl::unexpected(since.error());
    const auto begin = steady::now();
    auto ids = submit(at);
    if (!ids) return tl::unexpected(ids.error());
    if (auto ok = wait_succeeded(at, std::move(*ids), *since); !ok) return tl::unexpected(ok.error());
    return us_since(begin);
}

} // namespace

expected<report> row_graph(const jobs_settings& s) {
    node_under_test node(s.binary, s.where);
    if (auto ok = node.start(); !ok) return tl::unexpected(ok.error());
    figure ratio{4,
                 "graph of layers: time a job, against free jobs, a layer's number at a time",
                 "x",
                 {},
                 better::less,
                 1.5,
                 1.1};
    figure at_once{4, "  against free jobs, all at a time", "x"};
    figure narrow{4, "  free jobs, a layer's number at a time", "us"};
    figure wide{4, "  free jobs, all at a time", "us"};
    const std::uint32_t count = s.graph_layers * s.graph_width;
    const auto graph = layers_of(s);
    const auto free = [&](client::blocking_client& at) { return submit_free(at, count); };
    const auto layered = [&](client::blocking_client& at) -> expected<std::vector<job_id>> {
        auto sent = at.run(at.async().submit_graph(graph));
        if (!sent) return tl::unexpected(sent.error());
        return std::move(sent->ids);
    };
    for (int i = 0; i < s.repetitions; ++i) {
        const auto few = timed(node, s.graph_width, free), whole = timed(node, s.graph_width, layered),
                   all = timed(node, count, free);
        for (const auto* each : {&few, &whole, &all})
            if (!*each) return tl::unexpected(each->error());
        ratio.values.push_back(*whole / *few);
        at_once.values.push_back(*whole / *all);
        narrow.values.push_back(*few / count);
        wide.values.push_back(*all / count);
    }
    return report{{ratio, at_once, narrow, wide}, {}};
}

} // namespace coppice::bench
