// Part of job_service: schedules, as they are and as they come.
#include <algorithm>
#include <random>
#include <set>

#include "actors/schedules/schedule_book.hpp"
#include "runtime/edge/feature_gate.hpp"
#include "runtime/edge/job_service.hpp"
#include "runtime/edge/job_views.hpp"
#include "runtime/edge/read_gate.hpp"
#include "runtime/edge/shard_entries.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

failure no_such_schedule(std::string_view name) {
    return {errc::not_found, "no schedule \"" + std::string{name} + "\"", 0};
}

// Whose schedules are asked for: the token's, when none is named; empty: all.
std::string_view asked_tenant(capnp::Text::Reader named, const session_identity& identity) {
    return named.size() > 0 ? view_of(named) : tenant_of(identity);
}

std::string timing_text(const schedule_timing& timing) {
    return timing.cron.empty() ? "every " + format_duration(timing.every) : timing.cron + " " + timing.zone;
}

void write_times(const declared_schedule& s, rec::ScheduleRow::Reader row, api::ScheduleView::Builder to) {
    const auto times = schedule_times::make(s.spec.timing);
    if (!times || s.spec.paused) return;
    std::vector<instant> next;
    if (row.getNextUs() > 0) next.push_back(from_us(row.getNextUs()));
    while (next.size() < limits::schedule_times_shown) {
        const auto more = times->next(next.empty() ? wall_clock_now() : next.back());
        if (!more) break;
        next.push_back(*more);
    }
    auto list = to.initTimes(static_cast<unsigned>(next.size()));
    for (unsigned i = 0; i < list.size(); ++i) list.set(i, to_us(next[i]));
}

void write_schedule(const declared_schedule& s, rec::ScheduleRow::Reader row, api::ScheduleView::Builder to) {
    to.setName(s.spec.name.c_str());
    to.setTenant(s.spec.tenant.c_str());
    to.setType(s.spec.type.c_str());
    to.setTiming(timing_text(s.spec.timing).c_str());
    to.setPaused(s.spec.paused);
    to.setOverlap(std::string{to_string(s.spec.overlap)}.c_str());
    to.setMissedPolicy(std::string{to_string(s.spec.missed)}.c_str());
    write_times(s, row, to);
    to.setLastUs(row.getLastUs());
    to.setLastJob(row.getLastJob());
    to.setRuns(row.getRuns());
    to.setOverlapped(row.getOverlapped());
    to.setMissed(row.getMissed());
    to.setRefused(row.getRefused());
    to.setWaiting(row.getBufferedUs() != 0);
    if (row.getErrorCode() == 0) return;
    to.initError().setCode(row.getErrorCode());
    to.getError().setDetail(row.getErrorMessage());
}

} // namespace

kj::Promise<void> job_service::schedules(SchedulesContext context) {
    const auto params = context.getParams();
    const catalog_ptr declared = edge_.board->get();
    const bool known = params.getName().size() == 0 || declared->schedule(view_of(params.getName())) != nullptr;
    return when_declared(edge_, timer_, known, [this, context] { return schedules_known(context); });
}

// Those that the caller may see and asked for, by name.
std::vector<std::shared_ptr<const declared_schedule>> job_service::asked_schedules(SchedulesParams::Reader params,
                                                                                   const catalog& declared) const {
    const std::string_view tenant = asked_tenant(params.getTenant(), identity_);
    std::vector<std::shared_ptr<const declared_schedule>> found;
    for (const auto& [name, schedule] : declared.schedules) {
        if (params.getName().size() > 0 && name != view_of(params.getName())) continue;
        if (!tenant.empty() && schedule->spec.tenant != tenant) continue;
        if (declared.tenant(schedule->spec.tenant) != nullptr) found.push_back(schedule);
    }
    if (found.size() > limits::schedules_listed_max) found.resize(limits::schedules_listed_max);
    return found;
}

kj::Promise<void> job_service::schedules_known(SchedulesContext context) {
    const auto params = context.getParams();
    const std::string_view tenant = asked_tenant(params.getTenant(), identity_);
    if (const auto no = denied(identity_, permission::read_jobs, tenant, edge_.clock()))
        return refuse(context, *no);
    const catalog_ptr declared = edge_.board->get();
    auto found = asked_schedules(params, *declared);
    if (found.empty() && params.getName().size() > 0)
        return refuse(context, no_such_schedule(view_of(params.getName())));
    std::set<shard_id> of;
    for (const auto& schedule : found)
        of.insert(shard_of(declared->tenant(schedule->spec.tenant)->id, edge_.shards));
    auto read = [this, context, declared, found = std::move(found)]() mutable {
        const auto tables = edge_.data->begin_read();
        auto rows = context.getResults().initSchedules(static_cast<unsigned>(found.size()));
        record_reader<rec::ScheduleRow> reader;
        capnp::MallocMessageBuilder empty;
        const auto nothing_yet = empty.initRoot<rec::ScheduleRow>().asReader();
        for (unsigned i = 0; i < rows.size(); ++i) {
            const shard_id shard = shard_of(declared->tenant(found[i]->spec.tenant)->id, edge_.shards);
            const auto stored = tables->get(table::schedules, keys::schedule(shard, found[i]->id));
            write_schedule(*found[i], stored ? reader.read(*stored) : nothing_yet, rows[i]);
        }
    };
    return when_readable(edge_, {of.begin(), of.end()}, params.getStaleOk(), std::move(read), refusing(context));
}

kj::Promise<void> job_service::runSchedule(RunScheduleContext context) {
    const bool known = edge_.board->get()->schedule(view_of(context.getParams().getName())) != nullptr;
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    return when_declared(edge_, timer_, known, [this, context, call = kj::mv(*call)]() mutable {
        return run_schedule_known(context, kj::mv(call));
    });
}

kj::Promise<void> job_service::run_schedule_known(RunScheduleContext context, call_place call) {
    const std::string_view name = view_of(context.getParams().getName());
    const catalog_ptr declared = edge_.board->get();
    const declared_schedule* schedule = declared->schedule(name);
    const declared_tenant* tenant = schedule == nullptr ? nullptr : declared->tenant(schedule->spec.tenant);
    // Another tenant's schedule and one that never was are told alike.
    if (tenant == nullptr || (identity_.who.tenant && *identity_.who.tenant != tenant->spec.name))
        return refuse(context, no_such_schedule(name));
    if (const auto no = denied(identity_, permission::submit_jobs, tenant->spec.name, edge_.clock()))
        return refuse(context, *no);
    const shard_id shard = shard_of(tenant->id, edge_.shards);
    shard_entries entries{1};
    auto run = entries.next(shard).initRunSchedule();
    run.setSchedule(schedule->id.value);
    run.setByHand(true);
    run.setBy(identity_.who.subject.c_str());
    auto only = run.initRuns(1)[0];
    only.setTimeUs(to_us(edge_.clock()));
    write_id(minter_.next(to_ms(edge_.clock()), shard, tenant->id, std::random_device{}()), only.initJob());
    return entries.propose(edge_, true)
        .then([context, call = kj::mv(call)](std::vector<command_result> results) mutable {
            const command_result& r = results.front();
            if (r.code != errc::ok)
                write_failure(failure_of(r), context.getResults().initFailure());
            else
                write_id(r.job, context.getResults().initId());
        });
}

} // namespace coppice
