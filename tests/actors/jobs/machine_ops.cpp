#include "tests/actors/jobs/machine_ops.hpp"

#include "actors/journal/entry_builder.hpp"

namespace coppice::testing {
namespace {

capnp::Data::Reader data_of(const std::string& text) {
    return {reinterpret_cast<const capnp::byte*>(text.data()), text.size()};
}

void build_one(const submit_op& o, cmd::Command::Builder to) {
    auto s = to.initSubmit();
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
    auto row = d.initRow();
    row.setName(o.spec.name.c_str());
    row.setVersion(o.version);
    row.setWeight(o.spec.weight);
    row.setRunningMax(o.spec.running_max);
    row.setQueuedMax(o.spec.queued_max);
    auto types = row.initTypes(static_cast<unsigned>(o.spec.types.size()));
    for (unsigned i = 0; i < o.spec.types.size(); ++i) types.set(i, o.spec.types[i].c_str());
}

std::uint64_t count(milliseconds d) { return static_cast<std::uint64_t>(d.count()); }

void build_one(const type_op& o, cmd::Command::Builder to) {
    auto d = to.initDeclareType();
    d.setType(o.type.value);
    auto row = d.initRow();
    row.setName(o.spec.name.c_str());
    row.setVersion(o.version);
    row.setExecutor(static_cast<std::uint8_t>(o.spec.executor));
    row.setAttemptsMax(o.spec.attempts_max);
    row.setRetryBaseMs(count(o.spec.retry.base));
    row.setRetryMaxMs(count(o.spec.retry.max));
    row.setQueuedTimeoutMs(count(o.spec.timeouts.queued));
    row.setAttemptTimeoutMs(count(o.spec.timeouts.attempt));
    row.setJobTimeoutMs(count(o.spec.timeouts.job));
    row.setHeartbeatTimeoutMs(count(o.spec.timeouts.heartbeat));
    row.setCancelGraceMs(count(o.spec.timeouts.cancel_grace));
    row.setResultBytesMax(o.spec.result_bytes_max);
    row.setRunningMax(o.spec.running_max);
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
