#include "runtime/edge/worker_link.hpp"

#include <kj/debug.h>

#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

void write_parents(const std::vector<parent_result>& parents, api::Assignment::Builder to) {
    if (parents.empty()) return;
    auto rows = to.initParents(static_cast<unsigned>(parents.size()));
    for (unsigned i = 0; i < rows.size(); ++i) {
        rows[i].initJob().setHigh(parents[i].job.high());
        rows[i].getJob().setLow(parents[i].job.low());
        rows[i].setType(parents[i].type.c_str());
        rows[i].setResult(data_of(parents[i].result));
        rows[i].setTruncated(parents[i].truncated);
        rows[i].setState(parents[i].state);
    }
}

void write_assignment(const assignment& a, bool has_result_store, api::Assignment::Builder to) {
    write_ref(a.ref, to.initRef());
    to.setTenant(a.tenant.c_str());
    to.setType(a.type.c_str());
    to.setPayload(data_of(a.payload));
    write_parents(a.parents, to);
    to.setPriority(static_cast<std::uint8_t>(a.priority));
    to.setAttemptTimeoutMs(static_cast<std::uint64_t>(a.attempt_timeout.count()));
    to.setHeartbeatTimeoutMs(static_cast<std::uint64_t>(a.heartbeat_timeout.count()));
    to.setCancelGraceMs(static_cast<std::uint64_t>(a.cancel_grace.count()));
    to.setResultBytesMax(a.result_bound(has_result_store));
    if (!a.checkpoint.empty()) to.setCheckpoint(data_of(a.checkpoint));
    if (!a.traceparent.empty()) to.setTraceparent(a.traceparent.c_str());
    to.setSlots(static_cast<std::uint16_t>(a.slots));
}

} // namespace

void write_ref(const attempt_ref& ref, api::AttemptRef::Builder to) {
    write_id(ref.job, to.initJob());
    to.setAttempt(ref.attempt);
}

std::shared_ptr<worker_link> worker_link::make(edge_context& edge, worker_id id, std::string name,
                                               api::Worker::Client worker) {
    const auto go_home = [inbox = edge.inbox](worker_link* last) {
        inbox->post([owned = std::shared_ptr<worker_link>(last)] {});
    };
    return {new worker_link(edge, id, std::move(name), kj::mv(worker)), go_home};
}

void worker_link::post_assign(std::shared_ptr<const batch_output> batch, std::vector<std::uint32_t> indexes) {
    edge_.inbox->post([self = shared_from_this(), batch = std::move(batch), indexes = std::move(indexes)] {
        self->assign(*batch, indexes);
    });
}

void worker_link::post_cancel(attempt_ref ref) {
    edge_.inbox->post([self = shared_from_this(), ref] {
        if (self->closed_) return;
        auto call = self->worker_.cancelRequest();
        write_ref(ref, call.initAttempts(1)[0]);
        self->watched(call.send().ignoreResult()).detach([](kj::Exception&&) {});
    });
}

void worker_link::post_revoke(attempt_ref ref) {
    edge_.inbox->post([self = shared_from_this(), ref] { self->revoke(ref); });
}

void worker_link::post_present(shard_id shard, std::function<void(std::vector<attempt_ref>)> done) {
    edge_.inbox->post([self = shared_from_this(), shard, done = std::move(done)] {
        std::vector<attempt_ref> found;
        for (const attempt_ref& ref : self->held_)
            if (ref.job.shard() == shard) found.push_back(ref);
        done(std::move(found));
    });
}

void worker_link::revoke(const attempt_ref& ref) {
    held_.erase(ref);
    const auto found = with_heartbeat_.find(ref);
    if (found != with_heartbeat_.end()) {
        // A worker that lives beats three times in its attempts' timeout, also for one that hangs.
        if (edge_.clock() - heard_ < found->second / 2)
            offer_again();
        else
            silent_ = true;
        with_heartbeat_.erase(found);
    }
    if (closed_) return;
    auto call = worker_.revokeRequest();
    write_ref(ref, call.initAttempts(1)[0]);
    watched(call.send().ignoreResult()).detach([](kj::Exception&&) {});
}

void worker_link::heard() {
    heard_ = edge_.clock();
    if (std::exchange(silent_, false)) offer_again();
}

void worker_link::offer(worker_attached what) {
    offer_ = std::move(what);
    offer_again();
}

void worker_link::offer_again() {
    if (!closed_ && offer_.slots > 0) caf::anon_send(edge_.journal.journal(), offer_);
}

void worker_link::adopted(const attempt_ref& ref) {
    with_heartbeat_.emplace(ref, 0);
    held_.insert(ref);
    caf::anon_send(edge_.shard_actor, attempt_heard{ref});
}

void worker_link::post_up(executor_handle actor) {
    edge_.inbox->post([self = shared_from_this(), actor = std::move(actor)] {
        self->actor_ = actor;
        if (self->up_) self->up_->fulfill();
        if (self->closed_) caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    });
}

void worker_link::post_down() {
    // Not the worker's doing: its connection may well be whole, and it comes back as soon as it hears of it.
    edge_.inbox->post(
        [self = shared_from_this()] { self->close(limits::worker_reattach_grace, "its session actor ended"); });
}

kj::Promise<void> worker_link::when_up() {
    auto paf = kj::newPromiseAndFulfiller<void>();
    up_ = kj::mv(paf.fulfiller);
    return kj::mv(paf.promise);
}

// A message holds at most some megabytes of payloads; what is beyond goes in the next call.
void worker_link::assign(const batch_output& batch, const std::vector<std::uint32_t>& indexes) {
    if (closed_) return;
    constexpr std::size_t bytes_per_call = limits::rpc_message_size_max / 4;
    for (std::size_t at = 0; at < indexes.size();) {
        std::size_t end = at, total = 0;
        while (end < indexes.size() && (end == at || total < bytes_per_call)) {
            const assignment& a = batch.starts[indexes[end++]].work;
            total += a.payload.size() + sizeof(assignment);
            for (const parent_result& p : a.parents) total += p.result.size() + sizeof(parent_result);
            held_.insert(a.ref);
            if (a.heartbeat_timeout.count() > 0) with_heartbeat_.insert_or_assign(a.ref, a.heartbeat_timeout);
        }
        auto call = worker_.assignRequest();
        auto list = call.initAssignments(static_cast<unsigned>(end - at));
        for (unsigned i = 0; i < list.size(); ++i)
            write_assignment(batch.starts[indexes[at + i]].work, edge_.results != nullptr, list[i]);
        watched(call.send().ignoreResult()).detach([](kj::Exception&&) {});
        at = end;
    }
}

// A call that fails shows that the worker is gone, or speaks another language: either way the session is over.
kj::Promise<void> worker_link::watched(kj::Promise<void> call) {
    return call.catch_([self = shared_from_this()](kj::Exception&& e) {
        self->close(limits::worker_reconnect_grace, kj::str(e.getDescription()).cStr());
    });
}

void worker_link::close(milliseconds grace, std::string_view why) {
    if (std::exchange(closed_, true)) return;
    edge_.log.info("worker left", {{"worker", id_.value}, {"name", name_}, {"why", std::string{why}}});
    caf::anon_send(edge_.journal.journal(), worker_detached{id_});
    caf::anon_send(edge_.shard_actor, executor_down{id_, grace});
    if (actor_) caf::anon_send_exit(actor_, caf::exit_reason::user_shutdown);
}

} // namespace coppice
