#include "runtime/edge/worker_service.hpp"

#include <algorithm>
#include <limits>

#include "actors/jobs/stored_result.hpp"
#include "runtime/edge/declared_gate.hpp"
#include "runtime/edge/feature_gate.hpp"
#include "runtime/edge/large_results.hpp"
#include "runtime/edge/shard_entries.hpp"
#include "runtime/edge/worker_link.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

constexpr std::uint64_t log_sequence_last = std::numeric_limits<std::int64_t>::max();

using pointer = executor_handle::stateful_pointer<session_state>;

// By its tenant: a worker may name any number as a job's shard, and each would get an entry of its own. A job that
// is not at home is found nowhere.
shard_id home_of(const edge_context& edge, const job_id& job) { return shard_of(job.tenant(), edge.shards); }

attempt_ref ref_of(api::AttemptRef::Reader ref) { return {read_id(ref.getJob()), ref.getAttempt()}; }

void log_stale(const logger& log, std::string_view what, const attempt_ref& ref, worker_id worker,
               const std::string& detail) {
    log.warn(what, {{"job", to_string(ref.job)},
                    {"attempt", std::uint64_t{ref.attempt}},
                    {"worker", worker.value},
                    {"detail", detail}});
}

void copy_logs(capnp::List<api::LogLine>::Reader from, cmd::Report::Builder to) {
    if (from.size() == 0) return;
    auto lines = to.initLogs(from.size());
    for (unsigned i = 0; i < from.size(); ++i) {
        lines[i].setSequence(from[i].getSequence());
        lines[i].setAtUs(from[i].getAtUs());
        lines[i].setStream(from[i].getStream());
        lines[i].setText(from[i].getText());
    }
}

// What no table takes is told by its size alone, and refused by that.
void copy_result(capnp::Data::Reader result, const result_place& place, cmd::Report::Builder to) {
    if (place.stored) {
        write_stored_result(*place.stored, to);
    } else if (result.size() > limits::result_size_max) {
        to.setResultSize(result.size());
    } else if (result.size() > 0) {
        to.setResult(result);
    }
}

void copy_report(const edge_context& edge, api::AttemptReport::Reader from, capnp::Data::Reader result,
                 const result_place& place, cmd::Report::Builder to) {
    write_id(read_id(from.getRef().getJob()), to.initJob()); // by value: a struct of the wire may carry more
    to.setAttempt(from.getRef().getAttempt());
    copy_logs(from.getLogs(), to);
    to.setProgress(from.getProgress());
    if (from.hasProgressText()) to.setProgressText(from.getProgressText());
    // The wire's outcomes are the first of the command's: `timedOut` is the node's own to say.
    if (from.getOutcome() <= api::AttemptReport::Outcome::LOST)
        to.setOutcome(static_cast<cmd::Report::Outcome>(from.getOutcome()));
    // Left out where a node of the cluster would not keep it: the next attempt begins anew, as it did before.
    if (from.hasCheckpoint() && !not_everywhere(edge, feature::checkpoints)) to.setCheckpoint(from.getCheckpoint());
    copy_result(result, place, to);
    if (from.hasError()) {
        to.setCode(from.getError().getCode());
        to.setMessage(from.getError().getDetail());
    }
    to.setPermanent(from.getPermanent());
    to.setRetryAfterMs(from.getRetryAfterMs());
}

// A list of the wire may claim millions of elements in a few bytes: it is asked for its size before it is copied.
std::optional<failure> out_of_bounds(capnp::List<api::AttemptReport>::Reader reports) {
    if (reports.size() > limits::worker_reports_per_call_max)
        return failure{errc::invalid_argument,
                       "a call has at most " + std::to_string(limits::worker_reports_per_call_max) + " reports", 0};
    std::size_t lines = 0;
    for (const auto report : reports) {
        const auto logs = report.getLogs();
        lines += logs.size();
        if (logs.size() > limits::log_lines_per_attempt_max || lines > limits::worker_lines_per_call_max)
            return failure{errc::invalid_argument,
                           "a report has at most " + std::to_string(limits::log_lines_per_attempt_max) +
                               " lines, and a call " + std::to_string(limits::worker_lines_per_call_max),
                           0};
        if (report.getCheckpoint().size() > limits::checkpoint_size_max)
            return failure{errc::payload_too_large,
                           "a checkpoint has at most " + std::to_string(limits::checkpoint_size_max) + " bytes", 0};
        // Readers go on at the sequence after the last that they saw: there must be one.
        for (const auto line : logs)
            if (line.getSequence() > log_sequence_last)
                return failure{errc::invalid_argument, "the sequence of a line is below 2^63", 0};
    }
    return std::nullopt;
}

// The session of one attached worker. Dropped with the connection.
class worker_session final : public api::WorkerSession::Server {
  public:
    worker_session(edge_context& edge, kj::Timer& timer, std::shared_ptr<worker_link> link,
                   session_identity identity, place held)
        : edge_(edge), timer_(timer), link_(std::move(link)), identity_(std::move(identity)),
          held_(std::move(held)), silence_(watch_silence().eagerlyEvaluate(nullptr)) {}
    ~worker_session() noexcept(false) { link_->close(limits::worker_reconnect_grace, "its connection ended"); }

  protected:
    kj::Promise<void> report(ReportContext context) override;
    kj::Promise<void> heartbeat(HeartbeatContext context) override;
    kj::Promise<void> drain(DrainContext context) override;

  private:
    // Why a call is not taken: the session is over, or the token is.
    std::optional<failure> barred() const {
        if (link_->closed())
            return failure{errc::stale_attempt, "the session is over; attach again and present what you still run",
                           0};
        return expired(identity_, edge_.clock());
    }
    kj::Promise<void> watch_silence();
    kj::Promise<void> take_reports(ReportContext context, const reported_results& reported,
                                   std::vector<result_place> places);
    void note_alive(const attempt_ref& ref) {
        if (link_->has_heartbeat(ref)) caf::anon_send(edge_.shard_actor, attempt_heard{ref});
    }

    edge_context& edge_;
    kj::Timer& timer_;
    std::shared_ptr<worker_link> link_;
    session_identity identity_;
    place held_;
    kj::Promise<void> silence_;
};

kj::Promise<void> worker_session::watch_silence() {
    return timer_.afterDelay(1 * kj::SECONDS).then([this]() -> kj::Promise<void> {
        if (expired(identity_, edge_.clock())) {
            link_->close(limits::worker_reconnect_grace, "its token expired");
            return kj::READY_NOW;
        }
        const auto silent = edge_.clock() - link_->heard_at();
        if (silent >= limits::worker_silence_max) {
            link_->close(milliseconds{0}, "it was silent for too long");
            return kj::READY_NOW;
        }
        return watch_silence();
    });
}

kj::Promise<void> worker_session::report(ReportContext context) {
    const auto reports = context.getParams().getReports();
    if (const auto no = barred()) return refuse(context, *no);
    if (auto wrong = out_of_bounds(reports)) return refuse(context, *wrong);
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    link_->heard();
    if (reports.size() == 0) return kj::READY_NOW;
    reported_results results = results_of(reports);
    if (!has_large_results(edge_, results))
        return take_reports(context, results, std::vector<result_place>(reports.size())).attach(kj::mv(call));
    auto placed = place_results(edge_, reports, results);
    return placed
        .then([this, context, results = std::move(results)](std::vector<result_place> places) mutable {
            return take_reports(context, results, std::move(places));
        })
        .attach(kj::mv(call));
}

// Proposes those whose result has a place; the others may come again.
kj::Promise<void> worker_session::take_reports(ReportContext context, const reported_results& reported,
                                               std::vector<result_place> places) {
    const auto reports = context.getParams().getReports();
    shard_entries entries{reports.size(), reports.size() * 32 + 64};
    for (unsigned i = 0; i < reports.size(); ++i) {
        if (places[i].refused) continue;
        const attempt_ref ref = ref_of(reports[i].getRef());
        auto command = entries.next(home_of(edge_, ref.job)).initReport();
        copy_report(edge_, reports[i], reported[i], places[i], command);
        command.setWorker(link_->id().value);
        if (reports[i].getOutcome() == api::AttemptReport::Outcome::NONE)
            note_alive(ref);
        else
            link_->forget(ref);
    }
    return entries.propose(edge_, false)
        .then([context, &edge = edge_, link = link_,
               places = std::move(places)](std::vector<command_result> results) mutable {
            const auto told = context.getParams().getReports();
            auto answers = context.getResults().initResults(static_cast<unsigned>(places.size()));
            std::size_t next = 0;
            for (unsigned i = 0; i < answers.size(); ++i) {
                if (places[i].refused) {
                    write_failure(*places[i].refused, answers[i]);
                    continue;
                }
                const command_result& r = results[next++];
                const attempt_ref ref = ref_of(told[i].getRef());
                const bool is_over = !describe(r.code).retryable;
                if (told[i].getOutcome() != api::AttemptReport::Outcome::NONE && is_over) link->settled(ref);
                if (r.code == errc::ok) continue;
                if (places[i].stored && is_over) edge.results->drop({&ref, 1});
                write_failure({r.code, r.detail, r.retry_after_ms}, answers[i]);
                if (r.code == errc::stale_attempt)
                    log_stale(edge.log, "stale report refused", ref, link->id(), r.detail);
            }
        });
}

kj::Promise<void> worker_session::heartbeat(HeartbeatContext context) {
    if (const auto no = barred()) return refuse(context, *no);
    link_->heard();
    if (context.getParams().getAttempts().size() > limits::worker_slots_max)
        return refuse(context, {errc::invalid_argument, "a worker has at most 65536 attempts", 0});
    for (const auto ref : context.getParams().getAttempts()) note_alive(ref_of(ref));
    return kj::READY_NOW;
}

kj::Promise<void> worker_session::drain(DrainContext) {
    link_->heard();
    caf::anon_send(edge_.journal.journal(), worker_draining{link_->id()});
    return kj::READY_NOW;
}

} // namespace

session_state::~session_state() {
    if (link) link->post_down();
}

executor_handle::behavior_type worker_session_actor(pointer self, tree_handle card, session_start start) {
    self->state.link = start.link;
    card.state("worker " + start.link->name());
    self->send(start.shard, executor_up{start.worker, self});
    start.link->post_up(self);
    return {
        [link = start.link](const assign& message) { link->post_assign(message.batch, message.indexes); },
        [link = start.link](const cancel_attempt& message) { link->post_cancel(message.ref); },
        [link = start.link](const revoke_attempt& message) { link->post_revoke(message.ref); },
        [link = start.link](const present_attempts& message) { link->post_present(message.shard, message.done); },
    };
}

dynamic_spec worker_session_supervisor() {
    return {.start = dynamic_start<session_start>([](supervised_context& context, const session_start& start) {
                return start_result{context.spawn(worker_session_actor, context.node(), start)};
            }),
            .restart = restart_type::temporary,
            .kind = "session"};
}

namespace {

std::optional<failure> names_out_of_bounds(api::WorkerService::AttachParams::Reader params) {
    for (const auto type : params.getTypes())
        if (type.size() > limits::name_size_max)
            return failure{errc::invalid_argument, "the name of a type has at most 63 bytes", 0};
    bool good = params.getLabels().size() <= limits::labels_max;
    for (const auto label : params.getLabels())
        good = good && label.size() > 0 && label.size() <= limits::label_size_max;
    if (good) return std::nullopt;
    return failure{errc::invalid_argument,
                   "a worker has at most " + std::to_string(limits::labels_max) + " labels of 1 to " +
                       std::to_string(limits::label_size_max) + " bytes",
                   0};
}

std::optional<failure> out_of_bounds(api::WorkerService::AttachParams::Reader params) {
    const std::uint32_t slots = params.getSlots();
    if (slots > 0 && slots <= limits::worker_slots_max && params.getTypes().size() > 0 &&
        params.getTypes().size() <= limits::worker_types_max &&
        params.getRunning().size() <= limits::worker_slots_max)
        return names_out_of_bounds(params);
    return failure{errc::invalid_argument, "a worker has 1 to 65536 slots and 1 to 256 types", 0};
}

// Which of the attempts that a worker presents may be its own: one that is bound to a tenant never ran another's.
std::vector<unsigned> presentable(capnp::List<api::AttemptRef>::Reader running, tenant_id only) {
    std::vector<unsigned> indexes;
    for (unsigned i = 0; i < running.size(); ++i)
        if (only == tenant_id{} || read_id(running[i].getJob()).tenant() == only) indexes.push_back(i);
    return indexes;
}

shard_entries adoptions(const edge_context& edge, capnp::List<api::AttemptRef>::Reader running,
                        const std::vector<unsigned>& indexes, worker_id worker) {
    shard_entries entries{indexes.size()};
    for (const unsigned i : indexes) {
        const job_id job = read_id(running[i].getJob());
        auto adopt = entries.next(home_of(edge, job)).initAdopt();
        write_id(job, adopt.initJob());
        adopt.setAttempt(running[i].getAttempt());
        adopt.setWorker(worker.value);
    }
    return entries;
}

} // namespace

// The tenant that the token is bound to; 0: none.
expected<tenant_id> worker_service::bound_tenant() const {
    if (!identity_.who.tenant) return tenant_id{};
    const catalog_ptr declared = edge_.board->get();
    if (const declared_tenant* tenant = declared->tenant(*identity_.who.tenant)) return tenant->id;
    return fail(errc::unknown_tenant,
                "the token is for tenant \"" + *identity_.who.tenant + "\", which is not declared");
}

// Attaches in three steps: the shard knows the session; the attempts that the worker still runs are adopted; only
// then are its slots offered, so that it is never given more than it has.
kj::Promise<void> worker_service::attach(AttachContext context) {
    const auto params = context.getParams();
    if (const auto over = expired(identity_, edge_.clock())) return refuse(context, *over);
    if (!allows_somewhere(identity_.who, permission::work))
        return refuse(context, {errc::permission_denied, "the token's role does not run attempts", 0});
    if (const auto wrong = out_of_bounds(params)) return refuse(context, *wrong);
    return when_declared(edge_, timer_, bound_tenant().has_value(),
                         [this, context] { return attach_known(context); });
}

kj::Promise<void> worker_service::attach_known(AttachContext context) {
    const auto params = context.getParams();
    const auto tenant = bound_tenant();
    if (!tenant) return refuse(context, tenant.error());
    auto session =
        place::take(identity_.connection, &connection_state::sessions, limits::rpc_sessions_per_connection_max);
    if (!session) return refuse(context, {errc::overloaded, "a connection has at most 8 sessions of workers", 0});
    const worker_id id = make_worker_id(edge_.life, ++counter_.last, false);
    const std::string name{view_of(params.getName()).substr(0, limits::name_size_max)};
    auto link = worker_link::make(edge_, id, name, params.getWorker());
    worker_attached offer{.worker = id, .slots = params.getSlots(), .tenant = *tenant};
    for (const auto type : params.getTypes()) offer.types.emplace(view_of(type));
    for (const auto label : params.getLabels()) offer.labels.emplace(view_of(label));
    auto presented = presentable(params.getRunning(), *tenant);
    auto up = link->when_up();
    caf::anon_send(edge_.worker_sessions, start_children{{{"session-" + std::to_string(counter_.last),
                                                           session_start{id, link, edge_.shard_actor}}}});
    return up
        .then([this, context, offer, presented]() mutable -> kj::Promise<std::vector<command_result>> {
            if (presented.empty()) return std::vector<command_result>{};
            auto no_slots_yet = offer;
            no_slots_yet.slots = 0;
            caf::anon_send(edge_.journal.journal(), std::move(no_slots_yet));
            return adoptions(edge_, context.getParams().getRunning(), presented, offer.worker)
                .propose(edge_, false);
        })
        .then([this, context, offer, presented, link,
               session = std::move(session)](std::vector<command_result> adopted) mutable {
            auto results = context.getResults();
            const auto running = context.getParams().getRunning();
            std::vector<unsigned> kept;
            for (unsigned i = 0; i < adopted.size(); ++i) {
                const attempt_ref ref = ref_of(running[presented[i]]);
                if (adopted[i].code == errc::ok) {
                    kept.push_back(presented[i]);
                    link->adopted(ref);
                } else // whatever came of it is dropped by the worker and never reported: this is where it shows
                    log_stale(edge_.log, "stale attempt refused", ref, offer.worker, adopted[i].detail);
            }
            auto list = results.initKept(static_cast<unsigned>(kept.size()));
            for (unsigned i = 0; i < kept.size(); ++i) write_ref(ref_of(running[kept[i]]), list[i]);
            results.setSilenceMaxMs(static_cast<std::uint32_t>(
                std::chrono::duration_cast<milliseconds>(limits::worker_silence_max).count()));
            link->heard();
            edge_.log.info("worker attached", {{"worker", offer.worker.value},
                                               {"name", link->name()},
                                               {"slots", std::uint64_t{offer.slots}},
                                               {"kept", std::uint64_t{kept.size()}}});
            results.setSession(kj::heap<worker_session>(edge_, timer_, link, identity_, std::move(session)));
            link->offer(std::move(offer));
        });
}

} // namespace coppice
