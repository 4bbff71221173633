// The loop's half of a worker's session: calls on the worker's capability, and when it was heard last.
//
// Lives as long as the session's capability, the session actor and calls under way hold it. Everything but `post_*`
// belongs to the loop's thread.
#pragma once

#include <unordered_map>
#include <unordered_set>

#include "runtime/edge/call_guard.hpp"

namespace coppice {

void write_ref(const attempt_ref& ref, api::AttemptRef::Builder to);

class worker_link : public std::enable_shared_from_this<worker_link> {
  public:
    // It ends on the loop's thread, as its capability must, whichever thread lets go of it last.
    static std::shared_ptr<worker_link> make(edge_context& edge, worker_id id, std::string name,
                                             api::Worker::Client worker);

    // From the session actor's thread.
    void post_assign(std::shared_ptr<const batch_output> batch, std::vector<std::uint32_t> indexes);
    void post_cancel(attempt_ref ref);
    void post_revoke(attempt_ref ref);
    // `done` is called on the loop's thread, with what the worker holds of the shard.
    void post_present(shard_id shard, std::function<void(std::vector<attempt_ref>)> done);
    // The session actor runs; it ended.
    void post_up(executor_handle actor);
    void post_down();

    worker_id id() const { return id_; }
    const std::string& name() const { return name_; }
    void heard();
    instant heard_at() const { return heard_; }
    bool closed() const { return closed_; }

    // Tells the journal what the worker can take; said again when it is heard after an attempt's heartbeat stopped,
    // because the journal gives it nothing from there on.
    void offer(worker_attached what);
    // It still runs this one, which an earlier session was given.
    void adopted(const attempt_ref& ref);

    // Fulfilled when the session actor runs and the shard knows it.
    kj::Promise<void> when_up();

    // The session is over: tells shard and journal once. `grace`: how long its attempts wait for the worker.
    void close(milliseconds grace, std::string_view why);

    // Attempts that have a heartbeat of their own: a report or heartbeat is passed on to their job actors.
    bool has_heartbeat(const attempt_ref& ref) const { return with_heartbeat_.contains(ref); }
    // It reported the attempt's end; and that was answered for good.
    void forget(const attempt_ref& ref) { with_heartbeat_.erase(ref); }
    void settled(const attempt_ref& ref) { held_.erase(ref); }

  private:
    worker_link(edge_context& edge, worker_id id, std::string name, api::Worker::Client worker)
        : edge_(edge), id_(id), name_(std::move(name)), worker_(kj::mv(worker)), heard_(edge.clock()) {}
    void offer_again();
    void revoke(const attempt_ref& ref);
    void assign(const batch_output& batch, const std::vector<std::uint32_t>& indexes);
    kj::Promise<void> watched(kj::Promise<void> call);

    edge_context& edge_;
    worker_id id_;
    std::string name_;
    api::Worker::Client worker_;
    instant heard_;
    bool closed_ = false;
    executor_handle actor_;
    kj::Own<kj::PromiseFulfiller<void>> up_;
    std::unordered_map<attempt_ref, milliseconds> with_heartbeat_; // 0: adopted, its timeout is not known here
    std::unordered_set<attempt_ref> held_;                         // until their last report is answered
    worker_attached offer_;                                        // no slots: not offered yet
    bool silent_ = false;                                          // to the journal; until it is heard
};

} // namespace coppice
