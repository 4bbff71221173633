#include "runtime/edge/job_service.hpp"

#include <algorithm>

#include "actors/governance/bounded_json.hpp"
#include "actors/jobs/stored_result.hpp"
#include "runtime/edge/feature_gate.hpp"
#include "runtime/edge/job_changes.hpp"
#include "runtime/edge/large_results.hpp"
#include "runtime/edge/read_gate.hpp"
#include "runtime/edge/submission.hpp"
#include "runtime/edge/submit_trace.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

// Which command answers which job of a submit; a refused job has its failure instead.
struct submit_plan {
    struct slot {
        std::optional<failure> refused;
        bool evidence = false;
        std::size_t command = 0;
    };
    std::vector<slot> slots;
};

} // namespace

bool job_service::knows(const job_id& id) const {
    const catalog_ptr declared = edge_.board->get();
    // To the callers of a tenant there are no others, declared or not.
    if (identity_.who.tenant) return declared->tenant(*identity_.who.tenant) != nullptr;
    return declared->tenant(id.tenant()) != nullptr;
}

std::optional<failure> job_service::barred(const job_id& id, permission wanted) const {
    const catalog_ptr declared = edge_.board->get();
    const declared_tenant* tenant = declared->tenant(id.tenant());
    // Another tenant's job and a job that never was are told alike.
    if (tenant == nullptr || id.shard() != shard_of(id.tenant(), edge_.shards) ||
        (identity_.who.tenant && *identity_.who.tenant != tenant->spec.name))
        return no_such_job(id);
    return denied(identity_, wanted, tenant->spec.name, edge_.clock());
}

kj::Promise<void> job_service::submit(SubmitContext context) {
    const auto jobs = context.getParams().getJobs();
    if (jobs.size() > limits::submit_batch_max || jobs.size() == 0)
        return refuse(context, {errc::invalid_argument,
                                "a submit has 1 to " + std::to_string(limits::submit_batch_max) + " jobs, not " +
                                    std::to_string(jobs.size()),
                                0});
    if (const auto over = expired(identity_, edge_.clock())) return refuse(context, *over);
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    return submit_declared(context, kj::mv(*call), true);
}

// `may_wait`: a tenant or type that is not known here may yet turn out to be declared.
kj::Promise<void> job_service::submit_declared(SubmitContext context, call_place call, bool may_wait) {
    const auto jobs = context.getParams().getJobs();
    const catalog_ptr declared = edge_.board->get();
    shard_entries entries{jobs.size()};
    submission_builder builder{identity_, *declared, minter_, edge_.shards, edge_.clock()};
    submit_plan plan;
    plan.slots.resize(jobs.size());
    bool all_known = true;
    bool any_anyway = false;
    bool any_trace = false;
    bool any_label = false;
    for (const auto job : jobs) {
        any_anyway = any_anyway || job.getRunAnyway();
        any_trace = any_trace || job.hasTraceparent();
        any_label = any_label || job.hasLabels();
    }
    if (any_trace && not_everywhere(edge_, feature::batches)) builder.leave_out_traces();
    if (any_label)
        if (const auto no = not_everywhere(edge_, feature::repairs)) return refuse(context, *no);
    if (any_anyway)
        if (const auto no = not_everywhere(edge_, feature::graphs)) return refuse(context, *no);
    for (unsigned i = 0; i < jobs.size(); ++i) {
        auto& slot = plan.slots[i];
        slot.command = entries.size();
        slot.refused = builder.build(jobs[i], entries, slot.evidence);
        all_known = all_known && !(slot.refused && is_undeclared(slot.refused->code));
    }
    if (may_wait && !all_known && edge_.refresh_declared)
        return when_declared(edge_, timer_, false, [this, context, call = kj::mv(call)]() mutable {
            return submit_declared(context, kj::mv(call), false);
        });
    submit_trace trace{edge_, jobs};
    auto pending = entries.propose(edge_, true);
    context.releaseParams();
    return pending.then([context, plan = std::move(plan), trace = std::move(trace),
                         call = kj::mv(call)](std::vector<command_result> results) mutable {
        auto answers = context.getResults().initResults(static_cast<unsigned>(plan.slots.size()));
        for (unsigned i = 0; i < answers.size(); ++i) {
            const auto& slot = plan.slots[i];
            if (slot.refused) write_failure(*slot.refused, answers[i].initFailure());
            if (slot.refused && !slot.evidence) continue;
            const command_result& r = results[slot.command];
            if (!slot.refused && r.code != errc::ok) write_failure(failure_of(r), answers[i].initFailure());
            const bool has_job = r.code == errc::ok || r.code == errc::type_not_allowed || slot.evidence;
            if (!has_job) continue;
            answers[i].initId().setHigh(r.job.high());
            answers[i].getId().setLow(r.job.low());
            answers[i].setExisting(r.existing);
        }
        trace.answered(answers);
    });
}

kj::Promise<void> job_service::get(GetContext context) {
    const job_id id = read_id(context.getParams().getId());
    return with_job(context, id, permission::read_jobs, [this, context, id]() mutable {
        auto read = [this, context, id]() mutable {
            const auto tables = edge_.data->begin_read();
            const auto stored = tables->get(table::jobs, keys::job(id));
            record_reader<rec::JobRow> reader;
            if (!stored)
                write_failure(no_such_job(id), context.getResults().initFailure());
            else
                write_job(*tables, *edge_.board->get(), id, reader.read(*stored), true,
                          context.getResults().initJob());
        };
        return when_readable(edge_, {id.shard()}, context.getParams().getStaleOk(), read, refusing(context));
    });
}

namespace {

std::optional<failure> payload_filter(api::JobService::Filter::Reader filter, job_filter& to) {
    to.key = view_of(filter.getKey());
    if (!to.key.empty() && !to.tenant)
        return failure{errc::invalid_argument, "an idempotency key is a tenant's: name the tenant, too", 0};
    if (to.key.size() > limits::idempotency_key_size_max)
        return failure{errc::invalid_argument, "an idempotency key has at most 255 bytes", 0};
    if (filter.getLabels().size() > limits::job_labels_max)
        return failure{errc::invalid_argument, "a filter has at most 16 labels", 0};
    for (const auto label : filter.getLabels()) to.labels.emplace_back(view_of(label));
    if (filter.getPayloadField().size() == 0) return std::nullopt;
    auto value = parse_json(view_of(filter.getPayloadValue()));
    if (!value)
        return failure{errc::invalid_argument, "the value of a payload's field: " + value.error().detail, 0};
    to.payload = payload_match{std::string{view_of(filter.getPayloadField())}, std::move(*value)};
    return std::nullopt;
}

} // namespace

std::optional<failure> job_service::list_filter(ListParams::Reader params, const catalog& declared,
                                                job_filter& to) const {
    const auto filter = params.getFilter();
    std::string_view tenant = view_of(filter.getTenant());
    if (tenant.empty() && identity_.who.tenant) tenant = *identity_.who.tenant;
    if (auto no = denied(identity_, permission::read_jobs, tenant, edge_.clock())) return no;
    if (!tenant.empty()) {
        const declared_tenant* found = declared.tenant(tenant);
        if (found == nullptr) return failure{errc::unknown_tenant, "no tenant \"" + std::string{tenant} + "\"", 0};
        to.tenant = found->id;
    }
    if (filter.getType().size() > 0) {
        const declared_type* found = declared.type(view_of(filter.getType()));
        if (found == nullptr)
            return failure{errc::unknown_type, "no job type \"" + std::string{view_of(filter.getType())} + "\"", 0};
        to.type = found->id;
    }
    if (!filter.getAnyState()) to.state = filter.getState();
    constexpr std::int64_t last_us = 253'402'300'799'999'999; // the year 9999 ends: beyond it nothing is submitted
    if (filter.getSubmittedFromUs() > 0) to.from = from_us(std::min(filter.getSubmittedFromUs(), last_us));
    if (filter.getSubmittedBeforeUs() > 0) to.before = from_us(std::min(filter.getSubmittedBeforeUs(), last_us));
    if (filter.getErrorCode() != 0) to.error_code = filter.getErrorCode();
    return payload_filter(filter, to);
}

kj::Promise<void> job_service::list(ListContext context) {
    job_filter unused;
    const auto no = list_filter(context.getParams(), *edge_.board->get(), unused);
    return when_declared(edge_, timer_, !no || !is_undeclared(no->code),
                         [this, context] { return list_known(context); });
}

kj::Promise<void> job_service::list_known(ListContext context) {
    job_filter filter;
    if (const auto no = list_filter(context.getParams(), *edge_.board->get(), filter)) return refuse(context, *no);
    return when_readable(
        edge_, shards_of(edge_, filter.tenant), context.getParams().getStaleOk(),
        [this, context, filter]() mutable { read_list(context, filter); }, refusing(context));
}

void job_service::read_list(ListContext& context, const job_filter& filter) {
    const auto params = context.getParams();
    const catalog_ptr declared = edge_.board->get();
    const auto cursor = params.getCursor();
    const auto tables = edge_.data->begin_read();
    job_page page =
        list_jobs(*tables, edge_.shards, filter, rows_of_page(params.getLimit()),
                  {reinterpret_cast<const char*>(cursor.begin()), std::min(cursor.size(), limits::name_size_max)});
    if (params.getWhole()) cut_to_bytes(*tables, page);
    auto rows = context.getResults().initJobs(static_cast<unsigned>(page.ids.size()));
    record_reader<rec::JobRow> reader;
    for (unsigned i = 0; i < rows.size(); ++i)
        if (const auto stored = tables->get(table::jobs, keys::job(page.ids[i])))
            write_job(*tables, *declared, page.ids[i], reader.read(*stored), params.getWhole(), rows[i]);
    context.getResults().setFilters(limits::list_filters);
    context.getResults().setWhole(params.getWhole());
    // For whoever reads all: the counters of every tenant may have to be gone through.
    if (params.getWhole() && cursor.size() == 0)
        context.getResults().setTotal(count_jobs(*tables, edge_.shards, filter));
    context.getResults().setCursor({reinterpret_cast<const kj::byte*>(page.cursor.data()), page.cursor.size()});
}

kj::Promise<void> job_service::cancel(CancelContext context) {
    return with_jobs(context, [this, context](call_place call) mutable {
        const std::string reason{
            view_of(context.getParams().getReason()).substr(0, limits::progress_text_size_max)};
        return change_each(context, kj::mv(call), permission::cancel_jobs,
                           [this, reason](const job_id& id, cmd::Command::Builder to) {
                               auto command = to.initCancel();
                               write_id(id, command.initJob());
                               command.setBy(identity_.who.subject.c_str());
                               command.setReason(reason.c_str());
                           });
    });
}

kj::Promise<void> job_service::result(ResultContext context) {
    const job_id id = read_id(context.getParams().getId());
    return with_job(context, id, permission::read_jobs, [this, context, id]() mutable {
        const auto elsewhere = std::make_shared<std::optional<stored_place>>();
        return when_readable(
                   edge_, {id.shard()}, context.getParams().getStaleOk(),
                   [this, context, elsewhere]() mutable { *elsewhere = read_result(context); }, refusing(context))
            .then([this, context, elsewhere]() mutable -> kj::Promise<void> {
                if (!*elsewhere || context.getResults().hasFailure()) return kj::READY_NOW;
                auto call = take_call(identity_.connection);
                if (!call) return refuse(context, call.error());
                const auto& [attempt, what] = **elsewhere;
                return fetch_result(edge_, attempt, what)
                    .then([context](expected<std::string> bytes) mutable {
                        if (bytes)
                            context.getResults().setResult(data_of(*bytes));
                        else
                            write_failure(bytes.error(), context.getResults().initFailure());
                    })
                    .attach(kj::mv(call));
            });
    });
}

// Answers, unless the bytes are in the result store: then where.
std::optional<job_service::stored_place> job_service::read_result(ResultContext& context) {
    const job_id id = read_id(context.getParams().getId());
    auto answer = context.getResults();
    const auto tables = edge_.data->begin_read();
    const auto stored = tables->get(table::jobs, keys::job(id));
    record_reader<rec::JobRow> reader;
    if (!stored) {
        write_failure(no_such_job(id), answer.initFailure());
        return std::nullopt;
    }
    const auto row = reader.read(*stored);
    if (row.getState() != job_state::SUCCEEDED) {
        write_failure(
            {errc::illegal_transition,
             "the job is " + std::string{to_string(row.getState())} + "; only a job that succeeded has a result",
             0},
            answer.initFailure());
    } else if (const auto what = read_stored_result(row)) {
        return stored_place{{id, row.getAttempt()}, *what};
    } else if (!row.getResultApart()) {
        answer.setResult(row.getResult());
    } else if (const auto apart = tables->get(table::results, keys::job(id))) {
        answer.setResult({reinterpret_cast<const kj::byte*>(apart->data()), apart->size()});
    }
    return std::nullopt;
}

// Whether the job was written: its revision is news to the caller, or they want it whatever it is.
bool job_service::answer_watch(WatchContext& context, const job_id& id, bool whatever) {
    const auto tables = edge_.data->begin_read();
    const auto stored = tables->get(table::jobs, keys::job(id));
    if (!stored) {
        write_failure(no_such_job(id), context.getResults().initFailure());
        return true;
    }
    record_reader<rec::JobRow> reader;
    const auto row = reader.read(*stored);
    if (!whatever && row.getRevision() <= context.getParams().getRevision() && !is_terminal(row.getState()))
        return false;
    // Without payload and history, as api.capnp says: a thousand watchers of one job are answered at once.
    write_job(*tables, *edge_.board->get(), id, row, false, context.getResults().initJob());
    return true;
}

kj::Promise<void> job_service::watch(WatchContext context) {
    const job_id id = read_id(context.getParams().getId());
    return with_job(context, id, permission::read_jobs, [this, context, id] { return watch_known(context, id); });
}

kj::Promise<void> job_service::watch_known(WatchContext context, const job_id& id) {
    auto call = take_call(identity_.connection, call_kind::waits);
    if (!call) return refuse(context, call.error());
    const auto wait = bounded_wait(context.getParams().getTimeoutMs());
    context.allowCancellation(); // who has gone is not waited for
    // Registered before the read, so that no change falls between.
    auto change = edge_.hub->changed(id);
    const auto answered = std::make_shared<bool>(false);
    auto refuse = [context, answered](const failure& f) mutable {
        *answered = true;
        write_failure(f, context.getResults().initFailure());
    };
    auto look = [this, context, id, answered](bool whatever) mutable {
        *answered = answer_watch(context, id, whatever);
    };
    return when_readable(
               edge_, {id.shard()}, false,
               [look, at_once = wait == 0 * kj::MILLISECONDS]() mutable { look(at_once); }, refuse)
        .then([this, id, wait, answered, look, refuse, change = kj::mv(change),
               call = kj::mv(call)]() mutable -> kj::Promise<void> {
            if (*answered) return kj::READY_NOW;
            return change.exclusiveJoin(timer_.afterDelay(wait))
                .then([this, id, look, refuse, call = kj::mv(call)]() mutable {
                    return when_readable(
                        edge_, {id.shard()}, false, [look]() mutable { look(true); }, refuse);
                });
        });
}

} // namespace coppice
