#include "tests/actors/jobs/machine_ops.hpp"

#include "actors/governance/declared_commands.hpp"
#include "actors/jobs/repair_command.hpp"
#include "actors/jobs/stored_result.hpp"
#include "actors/journal/entry_builder.hpp"
#include "schema/wire_text.hpp"

namespace coppice::testing {
namespace {

void build_submit(const submit_op& o, cmd::Submit::Builder s) {
    write_id(o.job, s.initJob());
    s.setType(o.type.value);
    s.setTypeVersion(o.version);
    s.setPriority(static_cast<std::uint8_t>(o.priority));
    s.setNotBeforeUs(o.not_before_us);
    s.setPayload(data_of(o.payload));
    s.setIdempotencyKey(o.key.c_str());
    s.setBodyHigh(o.body);
    s.setBodyLow(~o.body);
    s.setSubmitter(o.submitter.c_str());
    auto after = s.initAfter(static_cast<unsigned>(o.after.size()));
    for (unsigned i = 0; i < o.after.size(); ++i) write_id(o.after[i], after[i]);
    s.setLimitKey(o.limit_key);
    s.setUniqueHigh(o.likeness);
    s.setUniqueLow(o.likeness);
    s.setRunAnyway(o.run_anyway);
    if (!o.redrives.is_nil()) write_id(o.redrives, s.initRedrives());
    s.setTraceparent(o.traceparent.c_str());
    if (!o.labels.empty()) write_texts(o.labels, s.initLabels(static_cast<unsigned>(o.labels.size())));
}

void build_one(const submit_op& o, cmd::Command::Builder to) { build_submit(o, to.initSubmit()); }

void build_one(const graph_op& o, cmd::Command::Builder to) {
    auto g = to.initSubmitGraph();
    g.setHasCallback(o.has_callback);
    auto jobs = g.initJobs(static_cast<unsigned>(o.jobs.size()));
    for (unsigned i = 0; i < o.jobs.size(); ++i) build_submit(o.jobs[i], jobs[i]);
}

void build_one(const refuse_op& o, cmd::Command::Builder to) {
    auto r = to.initRefuse();
    write_id(o.job, r.initJob());
    r.setType(o.type.value);
    r.setTypeVersion(1);
    r.setCode(static_cast<std::uint16_t>(o.code));
    r.setDetail("at /name: a number, where the schema wants a string");
    r.setSubmitter(o.submitter.c_str());
}

void build_one(const cancel_op& o, cmd::Command::Builder to) {
    auto c = to.initCancel();
    write_id(o.job, c.initJob());
    c.setBy("operator");
    c.setReason(o.reason.c_str());
}

void build_one(const delete_op& o, cmd::Command::Builder to) {
    auto d = to.initDeleteJob();
    write_id(o.job, d.initJob());
    d.setBy("operator");
    d.setReason(o.reason.c_str());
}

void build_one(const lines_stored_op& o, cmd::Command::Builder to) {
    auto l = to.initLinesStored();
    write_id(o.job, l.initJob());
    l.setAttempt(o.attempt);
    l.setBelow(o.below);
    l.setBytes(o.bytes);
}

void build_one(const edit_op& o, cmd::Command::Builder to) {
    auto e = to.initEditJob();
    write_id(o.job, e.initJob());
    e.setPriority(static_cast<std::uint8_t>(o.priority));
    e.setHasPayload(o.payload.has_value());
    if (o.payload) e.setPayload(data_of(*o.payload));
    e.setTypeVersion(o.version);
    e.setLimitKey(o.limit_key);
    e.setUniqueHigh(o.likeness);
    e.setUniqueLow(o.likeness);
    e.setBy("operator");
    e.setReason(o.reason.c_str());
}

void build_one(const repair_op& o, cmd::Command::Builder to) {
    if (o.job.is_nil())
        write_repair(o.counters, {"operator", o.reason}, to.initRepair());
    else
        write_repair(o.job, o.rows, {"operator", o.reason}, to.initRepair());
}

void build_one(const sweep_op& o, cmd::Command::Builder to) {
    auto s = to.initSweep();
    s.setTenant(o.tenant.value);
    write_id(o.from, s.initFrom());
}

void build_one(const start_op& o, cmd::Command::Builder to) {
    auto s = to.initStart();
    write_id(o.job, s.initJob());
    s.setWorker(o.worker.value);
}

void build_one(const report_op& o, cmd::Command::Builder to) {
    auto r = to.initReport();
    write_ending({o.job, o.attempt}, o.what, o.code, o.message, r);
    r.setResult(data_of(o.result));
    r.setPermanent(o.permanent);
    r.setRetryAfterMs(o.retry_after_ms);
    r.setProgress(o.progress);
    r.setProgressText(o.progress_text.c_str());
    r.setWorker(o.worker.value);
    r.setCheckpoint(data_of(o.checkpoint));
    r.setResultSize(o.result_size);
    if (o.stored) write_stored_result(*o.stored, r);
    auto lines = r.initLogs(static_cast<unsigned>(o.lines.size()));
    for (unsigned i = 0; i < o.lines.size(); ++i) {
        lines[i].setSequence(o.lines[i]);
        lines[i].setText("line " + std::to_string(o.lines[i]));
    }
}

void build_one(const adopt_op& o, cmd::Command::Builder to) {
    auto a = to.initAdopt();
    write_id(o.job, a.initJob());
    a.setAttempt(o.attempt);
    a.setWorker(o.worker.value);
}

void build_one(const tick_op& o, cmd::Command::Builder to) { to.initTick().setMost(o.most); }

void build_one(const tenant_op& o, cmd::Command::Builder to) {
    auto d = to.initDeclareTenant();
    d.setTenant(o.tenant.value);
    write_row(o.spec, o.version, d.initRow());
}

void build_one(const type_op& o, cmd::Command::Builder to) {
    auto d = to.initDeclareType();
    d.setType(o.type.value);
    write_row(o.spec, o.version, d.initRow());
}

void build_one(const schedule_op& o, cmd::Command::Builder to) {
    auto d = to.initDeclareSchedule();
    d.setSchedule(o.schedule.value);
    write_row(o.spec, o.version, o.tenant, d.initRow());
}

void build_one(const run_schedule_op& o, cmd::Command::Builder to) {
    auto r = to.initRunSchedule();
    r.setSchedule(o.schedule.value);
    r.setByHand(true);
    r.setBy(o.by.c_str());
    write_id(o.job, r.initRuns(1)[0].initJob());
}

void build_one(const prune_op& o, cmd::Command::Builder to) {
    auto p = to.initPrune();
    p.setEventsBefore(o.before);
    p.setMost(o.most);
}

} // namespace

void build(const op& what, cmd::Command::Builder to) {
    std::visit([&](const auto& o) { build_one(o, to); }, what);
}

kj::Array<capnp::word> entry_of(std::span<const op> ops) {
    capnp::MallocMessageBuilder message;
    auto commands = message.initRoot<cmd::Entry>().initCommands(static_cast<unsigned>(ops.size()));
    for (unsigned i = 0; i < ops.size(); ++i) build(ops[i], commands[i]);
    return capnp::messageToFlatArray(message);
}

} // namespace coppice::testing
