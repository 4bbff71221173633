// The inside of a worker: the session with the node and what goes over it. Intuition and invariants: worker.hpp.
//
// Parts: `report_book` (what is owed), an `attempt_runner` or a ready handler (who does the work), and here the
// session's life: attach, serve, lose, attach again. A session that ended leaves nothing behind: its calls are
// dropped, and the capability that the node had of us answers to nobody.
#pragma once

#include <unordered_set>

#include "runtime/client/link.hpp"
#include "runtime/client/report_book.hpp"
#include "runtime/client/worker.hpp"
#include "runtime/edge/kj_inbox.hpp"

namespace coppice::client {

class worker::core final : public report_target, public kj::TaskSet::ErrorHandler {
  public:
    core(kj::AsyncIoContext& io, options where, worker_options what, ready_handler handler,
         std::unique_ptr<attempt_runner> runner);
    ~core() noexcept(false);

    kj::Promise<expected<void>> run();
    kj::Promise<void> drain();
    kj::Promise<void> stop(milliseconds grace);
    worker_figures figures() const;
    std::function<void(const assignment&)> observer;

    // report_target
    void report(attempt_report report) override;
    void on_loop(std::function<void()> work) override { inbox_->post(std::move(work)); }
    kj::AsyncIoContext& io() override { return link_.io(); }

  private:
    class assignee;
    struct attached {
        api::WorkerSession::Client session = nullptr;
        std::vector<attempt_ref> kept;
        milliseconds silence_max{};
    };

    // The session's life (worker_core.cpp).
    kj::Promise<expected<void>> serve();
    kj::Promise<expected<void>> attach(kj::Own<session> s);
    kj::Promise<expected<attached>> ask_to_attach(session& s, const std::vector<attempt_ref>& presented);
    kj::Promise<expected<void>> not_attached(session& s, failure why);
    void take_up(kj::Own<session> s, attached a, const std::vector<attempt_ref>& presented);
    void suspend();
    void end_session(const failure& why);
    void tell_draining();
    void beat_at(kj::TimePoint at);
    void beat();
    void heard(kj::TimePoint sent);
    milliseconds silence_max() const;

    // Attempts, as the node tells (worker_core.cpp).
    void assigned(capnp::List<api::Assignment>::Reader assignments);
    void assigned_one(assignment work);
    void told_to_cancel(capnp::List<api::AttemptRef>::Reader refs);
    void taken_away(const attempt_ref& ref);
    void run_ready(const assignment& work);

    // Reports (worker_reports.cpp).
    void flush_soon();
    void flush_lines_later();
    void flush_after(milliseconds wait);
    void flush();
    void send(report_book::batch_id id);
    void answered(report_book::batch_id id, capnp::Response<api::WorkerSession::ReportResults>& answer);
    bool node_is_left(errc answered);
    void hold(milliseconds at_least);
    void finish_if_done();
    void finish();
    void give_back();

    void taskFailed(kj::Exception&& e) override;
    kj::TimePoint now() { return link_.timer().now(); }

    worker_options what_;
    ready_handler ready_;
    std::shared_ptr<kj_inbox> inbox_ = std::make_shared<kj_inbox>();
    link link_;
    report_book book_;
    backoff backoff_;

    kj::Maybe<kj::Own<session>> connection_;
    kj::Maybe<api::WorkerSession::Client> session_;
    kj::Maybe<api::Worker::Client> self_;
    assignee* assignee_ = nullptr; // owned by self_
    kj::Maybe<kj::Own<kj::PromiseFulfiller<void>>> session_end_;
    kj::Maybe<kj::Own<kj::TaskSet>> calls_; // of the session
    std::size_t report_calls_ = 0;          // under way
    milliseconds node_silence_max_{15'000};
    kj::TimePoint heard_at_; // when what the node answered last was sent
    kj::TimePoint beat_due_;
    kj::TimePoint hold_until_;

    assignment scratch_;
    bool flush_scheduled_ = false;
    bool lines_scheduled_ = false;
    bool lines_due_ = false;
    bool draining_ = false;
    bool stopping_ = false;
    bool finished_ = false;
    kj::PromiseFulfillerPair<void> finishing_ = kj::newPromiseAndFulfiller<void>();
    kj::ForkedPromise<void> finished_branch_;
    std::unordered_set<attempt_ref> cancelled_by_node_;
    worker_figures figures_;

    kj::TaskSet tasks_;
    std::unique_ptr<attempt_runner> runner_; // null: the ready handler does it
};

} // namespace coppice::client
