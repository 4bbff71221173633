// Part of job_service: graphs, and why a job waits.
#include <algorithm>

#include "runtime/edge/feature_gate.hpp"
#include "runtime/edge/graph_submission.hpp"
#include "runtime/edge/job_explanation.hpp"
#include "runtime/edge/job_service.hpp"
#include "runtime/edge/job_views.hpp"
#include "runtime/edge/read_gate.hpp"
#include "runtime/edge/shard_entries.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

// The jobs that the graph of this first job has, as they were written: parents first.
std::vector<job_id> jobs_of_graph(read_tables& t, const job_id& graph) {
    std::vector<job_id> ids;
    const auto stored = t.get(table::graphs, keys::job(graph));
    if (!stored) return ids;
    record_reader<rec::GraphRow> reader;
    for (const auto each : reader.read(*stored).getJobs()) ids.push_back(read_id(each));
    return ids;
}

} // namespace

kj::Promise<void> job_service::submitGraph(SubmitGraphContext context) {
    if (const auto over = expired(identity_, edge_.clock())) return refuse(context, *over);
    if (const auto no = not_everywhere(edge_, feature::graphs)) return refuse(context, *no);
    bool has_callback = false, has_labels = false;
    for (const auto job : context.getParams().getJobs()) {
        has_callback = has_callback || job.getCallback();
        has_labels = has_labels || job.getJob().hasLabels();
    }
    if (has_labels)
        if (const auto no = not_everywhere(edge_, feature::repairs)) return refuse(context, *no);
    if (has_callback)
        if (const auto no = not_everywhere(edge_, feature::batches)) return refuse(context, *no);
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    return submit_graph_declared(context, kj::mv(*call), true);
}

kj::Promise<void> job_service::submit_graph_declared(SubmitGraphContext context, call_place call, bool may_wait) {
    const catalog_ptr declared = edge_.board->get();
    submission_builder builder{identity_, *declared, minter_, edge_.shards, edge_.clock()};
    shard_entries entries{1, context.getParams().totalSize().wordCount * 2 + 64};
    if (not_everywhere(edge_, feature::batches)) builder.leave_out_traces();
    graph_submission graph{builder, context.getParams()};
    bool evidence = false;
    const auto refused = graph.build(entries, evidence);
    if (refused && may_wait && is_undeclared(refused->code) && edge_.refresh_declared)
        return when_declared(edge_, timer_, false, [this, context, call = kj::mv(call)]() mutable {
            return submit_graph_declared(context, kj::mv(call), false);
        });
    if (refused && !evidence) return refuse(context, *refused);
    auto pending = entries.propose(edge_, true);
    return pending.then([this, context, refused, ids = graph.ids(),
                         call = kj::mv(call)](std::vector<command_result> results) mutable -> kj::Promise<void> {
        if (refused) return refuse(context, *refused);
        return answer_graph(context, std::move(ids), results.front());
    });
}

kj::Promise<void> job_service::answer_graph(SubmitGraphContext context, std::vector<job_id> ids,
                                            const command_result& r) {
    if (r.code != errc::ok) return refuse(context, failure_of(r));
    auto write = [context](const std::vector<job_id>& all) mutable {
        auto to = context.getResults().initIds(static_cast<unsigned>(all.size()));
        for (unsigned i = 0; i < to.size(); ++i) write_id(all[i], to[i]);
    };
    context.getResults().setExisting(r.existing);
    if (!r.existing || std::ranges::find(ids, r.job) != ids.end()) {
        write(ids);
        return kj::READY_NOW;
    }
    // Made before, by another call: its jobs lie parents first, the same graph's in the same order.
    const auto order = [ids]() {
        std::vector<unsigned> by_id(ids.size());
        for (unsigned i = 0; i < by_id.size(); ++i) by_id[i] = i;
        std::ranges::sort(by_id, {}, [&](unsigned i) { return ids[i]; });
        return by_id;
    }();
    auto read = [this, context, write, order, graph = r.job]() mutable {
        const auto tables = edge_.data->begin_read();
        const auto known = jobs_of_graph(*tables, graph);
        if (known.size() != order.size())
            return write_failure({errc::conflict, "the key was used for job " + to_string(graph), 0},
                                 context.getResults().initFailure());
        std::vector<job_id> as_named(known.size());
        for (std::size_t at = 0; at < order.size(); ++at) as_named[order[at]] = known[at];
        write(as_named);
    };
    return when_readable(edge_, {r.job.shard()}, false, read, refusing(context));
}

kj::Promise<void> job_service::graph(GraphContext context) {
    const job_id id = read_id(context.getParams().getId());
    return with_job(context, id, permission::read_jobs, [this, context, id]() mutable {
        return when_readable(
            edge_, {id.shard()}, context.getParams().getStaleOk(),
            [this, context]() mutable { read_graph(context); }, refusing(context));
    });
}

void job_service::read_graph(GraphContext& context) {
    const auto params = context.getParams();
    const job_id id = read_id(params.getId());
    const auto tables = edge_.data->begin_read();
    const auto stored = tables->get(table::jobs, keys::job(id));
    record_reader<rec::JobRow> reader;
    if (!stored) return write_failure(no_such_job(id), context.getResults().initFailure());
    const job_id first = read_id(reader.read(*stored).getGraph());
    std::vector<job_id> all = first.is_nil() ? std::vector<job_id>{} : jobs_of_graph(*tables, first);
    if (all.empty()) all.push_back(id); // of none, or of one whose first job's record is over
    std::array<std::uint32_t, job_state_count> counts{};
    std::erase_if(all, [&](const job_id& each) {
        const auto job = tables->get(table::jobs, keys::job(each));
        if (!job) return true; // as theirs
        ++counts[index_of(reader.read(*job).getState())];
        return false;
    });
    auto by_state = context.getResults().initCounts(counts.size());
    for (unsigned i = 0; i < counts.size(); ++i) by_state.set(i, counts[i]);
    context.getResults().setSize(static_cast<std::uint32_t>(all.size()));
    all.erase(all.begin(), all.begin() + std::min<std::ptrdiff_t>(params.getFrom(), std::ssize(all)));
    all.resize(std::min(all.size(), rows_of_page(params.getLimit())));
    auto rows = context.getResults().initJobs(static_cast<unsigned>(all.size()));
    const catalog_ptr declared = edge_.board->get();
    for (unsigned i = 0; i < rows.size(); ++i)
        if (const auto job = tables->get(table::jobs, keys::job(all[i])))
            write_job(*tables, *declared, all[i], reader.read(*job), false, rows[i]);
}

kj::Promise<void> job_service::explain(ExplainContext context) {
    const job_id id = read_id(context.getParams().getId());
    return with_job(context, id, permission::read_jobs, [this, context, id]() mutable {
        auto read = [this, context, id]() mutable {
            const auto tables = edge_.data->begin_read();
            const auto reasons = explain_job(*tables, *edge_.board->get(), id, edge_.valve->get());
            if (!reasons) return write_failure(no_such_job(id), context.getResults().initFailure());
            auto rows = context.getResults().initReasons(static_cast<unsigned>(reasons->size()));
            for (unsigned i = 0; i < rows.size(); ++i) rows.set(i, (*reasons)[i].c_str());
        };
        return when_readable(edge_, {id.shard()}, context.getParams().getStaleOk(), read, refusing(context));
    });
}

} // namespace coppice
