// JobService of api.capnp: submit, look, cancel, watch. Changes go to the journal and are answered after the
// commit; reads are served here from a read transaction.
#pragma once

#include <kj/timer.h>

#include "runtime/edge/call_guard.hpp"
#include "runtime/edge/declared_gate.hpp"

namespace coppice {

class job_service final : public api::JobService::Server {
  public:
    job_service(edge_context& edge, job_id_minter& minter, kj::Timer& timer, session_identity identity)
        : edge_(edge), minter_(minter), timer_(timer), identity_(std::move(identity)) {}

  protected:
    kj::Promise<void> submit(SubmitContext context) override;
    kj::Promise<void> get(GetContext context) override;
    kj::Promise<void> list(ListContext context) override;
    kj::Promise<void> cancel(CancelContext context) override;
    kj::Promise<void> logs(LogsContext context) override;
    kj::Promise<void> result(ResultContext context) override;
    kj::Promise<void> watch(WatchContext context) override;
    kj::Promise<void> follow(FollowContext context) override;
    kj::Promise<void> submitGraph(SubmitGraphContext context) override;
    kj::Promise<void> graph(GraphContext context) override;
    kj::Promise<void> explain(ExplainContext context) override;
    kj::Promise<void> schedules(SchedulesContext context) override;
    kj::Promise<void> runSchedule(RunScheduleContext context) override;
    kj::Promise<void> redrive(RedriveContext context) override;
    kj::Promise<void> deleteJobs(DeleteJobsContext context) override;
    kj::Promise<void> edit(EditContext context) override;
    kj::Promise<void> evidence(EvidenceContext context) override;

  private:
    // The same calls once what they name is declared here, or is not declared at all.
    kj::Promise<void> submit_declared(SubmitContext context, call_place call, bool may_wait);
    kj::Promise<void> submit_graph_declared(SubmitGraphContext context, call_place call, bool may_wait);
    kj::Promise<void> answer_graph(SubmitGraphContext context, std::vector<job_id> ids, const command_result& r);
    void read_graph(GraphContext& context);
    kj::Promise<void> schedules_known(SchedulesContext context);
    kj::Promise<void> run_schedule_known(RunScheduleContext context, call_place call);
    std::vector<std::shared_ptr<const declared_schedule>> asked_schedules(SchedulesParams::Reader params,
                                                                          const catalog& declared) const;
    kj::Promise<void> list_known(ListContext context);
    // job_changes.hpp
    template <class Context, class Write>
    kj::Promise<void> change_each(Context context, call_place call, permission wanted, Write write);
    template <class Context, class Go>
    kj::Promise<void> with_jobs(Context context, Go go);
    template <class Context, class Call, class Plan, class Answer>
    kj::Promise<void> change_as_read(Context context, call_place call, std::shared_ptr<Call> made, Plan plan,
                                     Answer answer);
    struct edit_call;
    void plan_edit(EditParams::Reader params, edit_call& made);
    struct redrive_call;
    kj::Promise<void> redrive_known(RedriveContext context, call_place call);
    void plan_redrive(capnp::List<rec::Id>::Reader ids, redrive_call& made);
    kj::Promise<void> watch_known(WatchContext context, const job_id& id);
    kj::Promise<void> follow_known(FollowContext context);
    void read_oldest(FollowContext& context);
    // Calls `go` when the caller may touch the job; refuses the call otherwise.
    template <class Context, class Go>
    kj::Promise<void> with_job(Context context, const job_id& id, permission wanted, Go go) {
        if (!barred(id, wanted)) return go();
        return when_declared(edge_, timer_, knows(id),
                             [this, context, id, wanted, go = std::move(go)]() mutable -> kj::Promise<void> {
                                 if (const auto no = barred(id, wanted)) return refuse(context, *no);
                                 return go();
                             });
    }
    bool knows(const job_id& id) const; // the tenant of the job, as far as it is the caller's business
    // Why the caller may not touch this job: no such job to them, or no permission.
    std::optional<failure> barred(const job_id& id, permission wanted) const;
    std::optional<failure> list_filter(ListParams::Reader params, const catalog& declared,
                                       struct job_filter& to) const;
    // Whose events, or evidence, the caller sees; absent: everybody's.
    expected<std::optional<tenant_id>> feed_tenant(permission wanted) const;
    void read_list(ListContext& context, const struct job_filter& filter);
    struct found_lines;
    void read_lines(LogsContext& context, found_lines& found);
    kj::Promise<void> answer_stored_lines(LogsContext context, std::shared_ptr<found_lines> found);
    using stored_place = std::pair<attempt_ref, stored_result>;
    std::optional<stored_place> read_result(ResultContext& context);
    bool answer_watch(WatchContext& context, const job_id& id, bool whatever);
    // What a follower asks for: whose events (absent: everybody's), in which shards, beyond what.
    struct feed_question {
        std::optional<tenant_id> tenant;
        std::vector<shard_id> shards;
        watch_hub::place after;
    };
    expected<watch_hub::place> place_of(capnp::List<std::uint64_t>::Reader given) const;
    kj::Promise<void> evidence_known(EvidenceContext context);
    void read_evidence_page(EvidenceContext& context, const feed_question& asked);
    bool answer_follow(FollowContext& context, const feed_question& asked, bool whatever);

    edge_context& edge_;
    job_id_minter& minter_;
    kj::Timer& timer_;
    session_identity identity_;
};

} // namespace coppice
