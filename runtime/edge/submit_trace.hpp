// The spans of a submit: a call's jobs that came with a trace, from the call to its answer. Nothing, where nobody
// collects spans.
#pragma once

#include "runtime/edge/call_guard.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {

class submit_trace {
  public:
    submit_trace(const edge_context& edge, capnp::List<api::JobSpec>::Reader jobs) : edge_(&edge) {
        if (!edge.add_span) return;
        begun_ = edge.clock();
        for (unsigned i = 0; i < jobs.size(); ++i)
            if (jobs[i].getTraceparent().size() > 0)
                traced_.push_back({i, std::string{view_of(jobs[i].getTraceparent())},
                                   std::string{view_of(jobs[i].getType()).substr(0, limits::name_size_max)}});
    }

    void answered(capnp::List<api::Submitted>::Builder answers) {
        for (job& j : traced_) {
            const auto answer = answers[j.place].asReader();
            const job_id id = read_id(answer.getId());
            const errc code = errc_from_number(answer.getFailure().getCode());
            edge_->add_span({.name = "coppice.submit",
                             .kind = span_kind::server,
                             .traceparent = std::move(j.traceparent),
                             .id = span_id(id, 0, "submit"),
                             .begun = begun_,
                             .ended = edge_->clock(),
                             .attributes = {{"coppice.job", to_string(id)}, {"coppice.type", std::move(j.type)}},
                             .error = code == errc::ok ? std::string{} : std::string{to_string(code)}});
        }
    }

  private:
    struct job {
        unsigned place = 0;
        std::string traceparent;
        std::string type;
    };
    const edge_context* edge_;
    instant begun_ = never;
    std::vector<job> traced_;
};

} // namespace coppice
