#include "cluster/routing/route_wire.hpp"

#include <capnp/serialize.h>
#include <kj/exception.h>

#include "schema/limits.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
bytes route_message(shard_id shard, std::uint64_t id, const std::function<void(route::Message::Builder)>& fill) {
    capnp::MallocMessageBuilder message;
    auto root = message.initRoot<route::Message>();
    root.setShard(shard.value);
    root.setId(id);
    fill(root);
    const auto words = capnp::messageToFlatArray(message);
    const auto raw = words.asBytes();
    const auto out = std::as_bytes(std::span{raw.begin(), raw.size()});
    return {out.begin(), out.end()};
}

bool with_route_message(bytes_view wire, const std::function<void(route::Message::Reader)>& use) {
    if (wire.empty() || wire.size() % sizeof(capnp::word) != 0) return false;
    try {
        const kj::ArrayPtr<const capnp::word> words{reinterpret_cast<const capnp::word*>(wire.data()),
                                                    wire.size() / sizeof(capnp::word)};
        capnp::FlatArrayMessageReader reader(words, {.traversalLimitInWords = words.size() * 4 + 1024});
        use(reader.getRoot<route::Message>());
    } catch (const kj::Exception&) {
        return false;
    }
    return true;
}

void write_results(std::span<const command_result> results, route::Message::Builder to) {
    auto list = to.initResults(static_cast<unsigned>(results.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
        const command_result& r = results[i];
        list[i].setCode(static_cast<std::uint16_t>(r.code));
        list[i].setExisting(r.existing);
        list[i].setRetryAfterMs(r.retry_after_ms);
        write_id(r.job, list[i].initJob());
        if (!r.detail.empty()) list[i].setDetail(r.detail.c_str());
    }
}

std::vector<command_result> read_results(capnp::List<route::Result>::Reader from) {
    std::vector<command_result> results;
    for (const auto r : from) {
        command_result& to = results.emplace_back();
        to.code = errc_from_number(r.getCode());
        to.existing = r.getExisting();
        to.retry_after_ms = r.getRetryAfterMs();
        to.job = read_id(r.getJob());
        to.detail = view(r.getDetail());
    }
    return results;
}

void write_attempt(const attempt_ref& ref, route::Attempt::Builder to) {
    write_id(ref.job, to.initJob());
    to.setAttempt(ref.attempt);
}

attempt_ref read_attempt(route::Attempt::Reader from) { return {read_id(from.getJob()), from.getAttempt()}; }

void write_start(const start_effect& start, route::Start::Builder to) {
    const assignment& a = start.work;
    write_attempt(a.ref, to.initAttempt());
    to.setExecutor(static_cast<std::uint8_t>(start.executor));
    to.setQueuedUs(to_us(start.queued_at));
    to.setStartedUs(to_us(start.started_at));
    to.setTenant(a.tenant.c_str());
    to.setTenantNumber(a.tenant_number.value);
    to.setType(a.type.c_str());
    to.setTypeNumber(a.type_number.value);
    to.setPayload(data_of(a.payload));
    auto parents = to.initParents(static_cast<unsigned>(a.parents.size()));
    for (unsigned i = 0; i < parents.size(); ++i) {
        write_id(a.parents[i].job, parents[i].initJob());
        parents[i].setType(a.parents[i].type.c_str());
        parents[i].setResult(data_of(a.parents[i].result));
        parents[i].setTruncated(a.parents[i].truncated);
        parents[i].setState(a.parents[i].state);
    }
    if (!a.checkpoint.empty()) to.setCheckpoint(data_of(a.checkpoint));
    if (!a.traceparent.empty()) to.setTraceparent(a.traceparent.c_str());
    to.setPriority(static_cast<std::uint8_t>(a.priority));
    to.setAttemptTimeoutMs(a.attempt_timeout.count());
    to.setHeartbeatTimeoutMs(a.heartbeat_timeout.count());
    to.setCancelGraceMs(a.cancel_grace.count());
    to.setResultBytesMax(a.result_bytes_max);
    to.setSlots(static_cast<std::uint16_t>(a.slots));
}

start_effect read_start(route::Start::Reader from) {
    start_effect start;
    start.executor = static_cast<executor_kind>(from.getExecutor());
    start.queued_at = from_us(from.getQueuedUs());
    start.started_at = from_us(from.getStartedUs());
    assignment& a = start.work;
    a.ref = read_attempt(from.getAttempt());
    a.tenant = view(from.getTenant());
    a.tenant_number = tenant_id{from.getTenantNumber()};
    a.type = view(from.getType());
    a.type_number = type_id{from.getTypeNumber()};
    a.payload = text_of(from.getPayload());
    for (const auto p : from.getParents())
        a.parents.push_back({read_id(p.getJob()), std::string{view(p.getType())}, text_of(p.getResult()),
                             p.getTruncated(), p.getState()});
    a.checkpoint = text_of(from.getCheckpoint());
    a.traceparent = view(from.getTraceparent());
    a.priority = from.getPriority();
    a.attempt_timeout = milliseconds{from.getAttemptTimeoutMs()};
    a.heartbeat_timeout = milliseconds{from.getHeartbeatTimeoutMs()};
    a.cancel_grace = milliseconds{from.getCancelGraceMs()};
    a.result_bytes_max = from.getResultBytesMax();
    a.slots = std::max<std::uint32_t>(from.getSlots(), 1);
    return start;
}

std::size_t size_of(const start_effect& start) {
    std::size_t size = start.work.payload.size() + start.work.checkpoint.size() + sizeof(start_effect);
    for (const parent_result& p : start.work.parents) size += p.result.size() + sizeof(parent_result);
    return size;
}

void write_executor(const worker_attached& offer, bool is_offered,
                    const std::optional<std::vector<attempt_ref>>& holds, route::Executor::Builder to) {
    to.setWorker(offer.worker.value);
    to.setSlots(offer.slots);
    to.setTotal(offer.total);
    to.setGrant(offer.grant);
    to.setIsOffered(is_offered);
    to.setIsKnown(holds.has_value());
    if (holds) {
        auto list = to.initHolds(static_cast<unsigned>(holds->size()));
        for (unsigned at = 0; at < list.size(); ++at) write_attempt((*holds)[at], list[at]);
    }
    to.setTenant(offer.tenant.value);
    write_texts(offer.types, to.initTypes(static_cast<unsigned>(offer.types.size())));
    if (!offer.labels.empty()) write_texts(offer.labels, to.initLabels(static_cast<unsigned>(offer.labels.size())));
}

expected<worker_attached> read_executor(route::Executor::Reader from) {
    worker_attached offer{.worker = worker_id{from.getWorker()},
                          .types = {},
                          .slots = from.getSlots(),
                          .tenant = tenant_id{from.getTenant()},
                          .grant = from.getGrant(),
                          .labels = {},
                          .total = from.getTotal()};
    if (offer.worker.value == 0 || offer.slots > limits::worker_slots_max ||
        offer.total > limits::worker_slots_max || from.getHolds().size() > limits::worker_slots_max ||
        from.getTypes().size() > limits::worker_types_max || from.getLabels().size() > limits::labels_max)
        return fail(errc::message_invalid, "an executor without a number, or with more than it may have");
    for (const auto type : from.getTypes()) {
        if (type.size() > limits::name_size_max) return fail(errc::message_invalid, "a type's name is too long");
        offer.types.emplace(view(type));
    }
    for (const auto label : from.getLabels()) {
        if (label.size() > limits::label_size_max) return fail(errc::message_invalid, "a label is too long");
        offer.labels.emplace(view(label));
    }
    return offer;
}

std::optional<std::vector<attempt_ref>> read_holds(route::Executor::Reader from) {
    if (!from.getIsKnown()) return std::nullopt;
    std::vector<attempt_ref> holds;
    for (const auto each : from.getHolds()) holds.push_back(read_attempt(each));
    return holds;
}

} // namespace coppice
