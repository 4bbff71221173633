// Part of client: graphs, and why a job waits.
#include "runtime/client/client.hpp"
#include "runtime/client/link.hpp"
#include "runtime/client/wire.hpp"
#include "schema/limits.hpp"

namespace coppice::client {
namespace {

// Half of a message is for the names and the framing.
expected<void> fits(const std::vector<graph_job>& jobs) {
    std::size_t bytes = 0;
    for (const graph_job& job : jobs) {
        bytes += 160 + job.name.size() + job.spec.payload.size() + 16 * job.spec.after.size();
        for (const std::string& name : job.after) bytes += 16 + name.size();
    }
    if (bytes <= limits::rpc_message_size_max / 2) return {};
    return fail(errc::payload_too_large, "the graph has " + std::to_string(bytes) + " bytes; at most " +
                                             std::to_string(limits::rpc_message_size_max / 2) + " go out together");
}

void write_graph(capnp::List<api::GraphJob>::Builder to, const std::vector<graph_job>& jobs) {
    for (unsigned i = 0; i < to.size(); ++i) {
        to[i].setName(jobs[i].name.c_str());
        write(to[i].initJob(), jobs[i].spec);
        to[i].setCallback(jobs[i].callback);
        if (jobs[i].after.empty()) continue;
        auto after = to[i].initAfter(static_cast<unsigned>(jobs[i].after.size()));
        for (unsigned n = 0; n < after.size(); ++n) after.set(n, jobs[i].after[n].c_str());
    }
}

} // namespace

kj::Promise<expected<graph_submitted>> client::submit_graph(std::vector<graph_job> jobs,
                                                            std::string idempotency_key) {
    if (auto ok = fits(jobs); !ok) return expected<graph_submitted>(tl::unexpected(std::move(ok.error())));
    const repeat how = idempotency_key.empty() ? repeat::never : repeat::safe;
    return link_->call<graph_submitted>(
        how, no_wait,
        [jobs = std::move(jobs),
         key = std::move(idempotency_key)](session& s) -> kj::Promise<expected<graph_submitted>> {
            if (!s.grant.may_jobs) return expected<graph_submitted>(not_granted(s, "jobs"));
            auto request = s.jobs.submitGraphRequest();
            write_graph(request.initJobs(static_cast<unsigned>(jobs.size())), jobs);
            request.setIdempotencyKey(key.c_str());
            return request.send().then(
                [](capnp::Response<api::JobService::SubmitGraphResults> r) -> expected<graph_submitted> {
                    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                    return graph_submitted{read_all<job_id>(r.getIds()), r.getExisting()};
                });
        });
}

kj::Promise<expected<graph_page>> client::graph(job_id id, std::uint32_t from, std::uint32_t limit,
                                                read_mode mode) {
    return link_->call<graph_page>(repeat::safe, no_wait, [=](session& s) -> kj::Promise<expected<graph_page>> {
        if (!s.grant.may_jobs) return expected<graph_page>(not_granted(s, "jobs"));
        auto request = s.jobs.graphRequest();
        write(request.initId(), id);
        request.setFrom(from);
        request.setLimit(limit);
        request.setStaleOk(mode == read_mode::stale_ok);
        return request.send().then([](capnp::Response<api::JobService::GraphResults> r) -> expected<graph_page> {
            if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
            graph_page page{.jobs = read_all<job_view>(r.getJobs()), .size = r.getSize()};
            const auto counts = r.getCounts();
            for (unsigned i = 0; i < counts.size() && i < page.counts.size(); ++i) page.counts[i] = counts[i];
            return page;
        });
    });
}

kj::Promise<expected<std::vector<std::string>>> client::explain(job_id id, read_mode mode) {
    using reasons = std::vector<std::string>;
    return link_->call<reasons>(repeat::safe, no_wait, [=](session& s) -> kj::Promise<expected<reasons>> {
        if (!s.grant.may_jobs) return expected<reasons>(not_granted(s, "jobs"));
        auto request = s.jobs.explainRequest();
        write(request.initId(), id);
        request.setStaleOk(mode == read_mode::stale_ok);
        return request.send().then([](capnp::Response<api::JobService::ExplainResults> r) -> expected<reasons> {
            if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
            reasons said;
            for (const auto text : r.getReasons()) said.emplace_back(text.cStr());
            return said;
        });
    });
}

} // namespace coppice::client
