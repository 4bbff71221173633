#include "runtime/client/worker_core.hpp"

#include <algorithm>
#include <chrono>

#include "runtime/client/wire.hpp"
#include "schema/limits.hpp"
#include "schema/wire_text.hpp"

namespace coppice::client {
namespace {

constexpr milliseconds shortest_beat{20};

failure lost_to(const char* why) { return {errc::worker_lost, why}; }

attempt_outcome give_back_outcome(const char* why) { return {.kind = outcome_kind::lost, .error = lost_to(why)}; }

bool is_final_for_worker(errc code) {
    return code == errc::unauthenticated || code == errc::permission_denied || code == errc::invalid_argument ||
           code == errc::unknown_type || code == errc::token_audience;
}

} // namespace

// What the node calls. It outlives its session for as long as the node holds it, but not its use.
class worker::core::assignee final : public api::Worker::Server {
  public:
    explicit assignee(core& home) : home_(&home) {}
    void retire() { home_ = nullptr; }

  protected:
    kj::Promise<void> assign(AssignContext context) override {
        if (home_) home_->assigned(context.getParams().getAssignments());
        return kj::READY_NOW;
    }
    kj::Promise<void> cancel(CancelContext context) override {
        if (home_) home_->told_to_cancel(context.getParams().getAttempts());
        return kj::READY_NOW;
    }
    kj::Promise<void> revoke(RevokeContext context) override {
        if (home_)
            for (const auto ref : context.getParams().getAttempts()) home_->taken_away(read(ref));
        return kj::READY_NOW;
    }

  private:
    core* home_;
};

worker::core::core(kj::AsyncIoContext& io, options where, worker_options what, ready_handler handler,
                   std::unique_ptr<attempt_runner> runner)
    : what_(std::move(what)), ready_(std::move(handler)), link_(io, std::move(where)),
      backoff_(link_.chosen().backoff_min, link_.chosen().backoff_max), heard_at_(now()), beat_due_(kj::maxValue),
      hold_until_(now()), finished_branch_(finishing_.promise.fork()), tasks_(*this), runner_(std::move(runner)) {
    what_.slots = std::min(what_.slots, limits::worker_slots_max);
}

worker::core::~core() noexcept(false) {
    inbox_->close();
    suspend();
    runner_.reset();
}

void worker::core::taskFailed(kj::Exception&& e) {
    // Every task ends its own failures; what arrives here is a call on a connection that just broke.
    end_session({errc::unavailable, words_of(e)});
}

milliseconds worker::core::silence_max() const { return node_silence_max_; }

kj::Promise<expected<void>> worker::core::run() {
    if (runner_) {
        runner_->begin(*this);
        tasks_.add(inbox_->run());
    }
    beat_at(now() + to_kj(silence_max() / 3));
    return serve()
        .exclusiveJoin(finished_branch_.addBranch().then([] { return expected<void>{}; }))
        .then([this](expected<void> outcome) {
            suspend();
            return outcome;
        });
}

kj::Promise<expected<void>> worker::core::serve() {
    return link_.ready().then([this](expected<kj::Own<session>> s) -> kj::Promise<expected<void>> {
        if (s) return attach(kj::mv(*s));
        if (is_final_refusal(s.error().code)) return expected<void>(tl::unexpected(std::move(s.error())));
        return serve();
    });
}

kj::Promise<expected<void>> worker::core::attach(kj::Own<session> s) {
    if (!s->grant.may_work)
        return expected<void>(
            fail(errc::permission_denied, "the token's role \"" + s->grant.role + "\" does not include work"));
    auto presented = book_.held();
    const auto sent = now();
    auto answer = ask_to_attach(*s, presented);
    return answer.then([this, s = kj::mv(s), presented = std::move(presented),
                        sent](expected<attached> a) mutable -> kj::Promise<expected<void>> {
        if (!a) return not_attached(*s, std::move(a.error()));
        auto end = kj::newPromiseAndFulfiller<void>();
        session_end_ = kj::mv(end.fulfiller);
        auto over = end.promise.exclusiveJoin(s->rpc.vat.onDisconnect());
        heard(sent);
        take_up(kj::mv(s), std::move(*a), presented);
        return over.catch_([](kj::Exception&&) {}).then([this] {
            suspend();
            return serve();
        });
    });
}

kj::Promise<expected<worker::core::attached>>
worker::core::ask_to_attach(session& s, const std::vector<attempt_ref>& presented) {
    auto request = s.workers.attachRequest();
    request.setName(what_.name);
    write_texts(what_.types, request.initTypes(static_cast<unsigned>(what_.types.size())));
    write_texts(what_.labels, request.initLabels(static_cast<unsigned>(what_.labels.size())));
    request.setSlots(what_.slots);
    auto own = kj::heap<assignee>(*this);
    assignee_ = own.get();
    api::Worker::Client self{kj::mv(own)};
    request.setWorker(self);
    self_ = kj::mv(self);
    auto running = request.initRunning(static_cast<unsigned>(presented.size()));
    for (unsigned i = 0; i < running.size(); ++i) write(running[i], presented[i]);
    return request.send()
        .then(
            [](capnp::Response<api::WorkerService::AttachResults> r) -> expected<attached> {
                if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                return attached{r.getSession(), read_all<attempt_ref>(r.getKept()),
                                milliseconds{std::max<std::uint32_t>(r.getSilenceMaxMs(), 100)}};
            },
            [](kj::Exception&& e) -> expected<attached> { return fail(errc::unavailable, words_of(e)); })
        .exclusiveJoin(
            link_.timer().afterDelay(to_kj(link_.chosen().call_timeout)).then([]() -> expected<attached> {
                return fail(errc::unavailable, "the node did not answer in time");
            }));
}

kj::Promise<expected<void>> worker::core::not_attached(session& s, failure why) {
    suspend();
    if (is_final_for_worker(why.code)) return expected<void>(tl::unexpected(std::move(why)));
    if (why.code == errc::token_expired || why.code == errc::unavailable) link_.forget(s, true);
    const auto wait = std::max(backoff_.next(link_.random()), milliseconds{why.retry_after_ms});
    return link_.timer().afterDelay(to_kj(std::min(wait, milliseconds{1000}))).then([this] { return serve(); });
}

void worker::core::take_up(kj::Own<session> s, attached a, const std::vector<attempt_ref>& presented) {
    backoff_.reset();
    connection_ = kj::mv(s);
    session_ = kj::mv(a.session);
    calls_ = kj::heap<kj::TaskSet>(*this);
    node_silence_max_ = a.silence_max;
    ++figures_.sessions;
    for (const auto& ref : book_.keep_only(presented, a.kept)) runner_->kill(ref);
    hold_until_ = now();
    if (draining_) tell_draining();
    beat_at(now() + to_kj(silence_max() / 3));
    flush_soon();
    finish_if_done();
}

// What the session had under way goes back to the book.
void worker::core::suspend() {
    if (assignee_) assignee_->retire();
    assignee_ = nullptr;
    calls_ = nullptr;
    session_end_ = nullptr;
    session_ = nullptr;
    self_ = nullptr;
    connection_ = nullptr;
    report_calls_ = 0;
    book_.put_back_all();
}

void worker::core::end_session(const failure& why) {
    if (why.code == errc::token_expired || why.code == errc::unauthenticated || why.code == errc::unavailable)
        KJ_IF_MAYBE (s, connection_) link_.forget(**s, why.code == errc::unavailable);
    KJ_IF_MAYBE (end, session_end_) (*end)->fulfill();
}

void worker::core::tell_draining() {
    KJ_IF_MAYBE (s, session_) {
        auto told = s->drainRequest().send();
        KJ_ASSERT_NONNULL(calls_)->add(told.ignoreResult());
    }
}

void worker::core::heard(kj::TimePoint sent) { heard_at_ = std::max(heard_at_, sent); }

// Of several wishes the earliest holds; the timers of the others find that they are not meant.
void worker::core::beat_at(kj::TimePoint at) {
    if (at >= beat_due_) return;
    beat_due_ = at;
    tasks_.add(link_.timer().atTime(at).then([this, at] {
        if (beat_due_ != at) return;
        beat_due_ = kj::maxValue;
        beat();
        auto period = silence_max() / 3;
        if (const auto shortest = book_.shortest_heartbeat(); shortest.count() > 0)
            period = std::min(period, shortest / 3);
        beat_at(now() + to_kj(std::max(period, shortest_beat)));
    }));
}

void worker::core::beat() {
    const auto unheard = now() - heard_at_;
    const auto fence = what_.fence_after.count() > 0 ? what_.fence_after : silence_max();
    if (unheard > to_kj(fence))
        for (const auto& ref : book_.all_running()) taken_away(ref);
    if (unheard > to_kj(silence_max()))
        KJ_IF_MAYBE (s, connection_) return link_.forget(**s, true);
    KJ_IF_MAYBE (s, session_) {
        const auto alive = book_.heartbeats(!what_.automatic_heartbeats);
        auto request = s->heartbeatRequest();
        auto attempts = request.initAttempts(static_cast<unsigned>(alive.size()));
        for (unsigned i = 0; i < attempts.size(); ++i) write(attempts[i], alive[i]);
        auto answer =
            request.send().then([this, sent = now()](capnp::Response<api::WorkerSession::HeartbeatResults> r) {
                if (auto ok = read(r.getFailure()); ok)
                    heard(sent);
                else
                    end_session(ok.error());
            });
        KJ_ASSERT_NONNULL(calls_)->add(kj::mv(answer));
    }
}

void worker::core::assigned(capnp::List<api::Assignment>::Reader assignments) {
    figures_.assigned += assignments.size();
    for (const auto each : assignments) {
        read(each, scratch_);
        if (observer) observer(scratch_);
        if (draining_)
            book_.add_outcome(scratch_.ref, give_back_outcome("the worker is going away"));
        else if (ready_)
            run_ready(scratch_);
        else
            assigned_one(std::move(scratch_));
    }
    flush_soon();
}

void worker::core::run_ready(const assignment& work) {
    try {
        book_.add_outcome(work.ref, ready_(work));
    } catch (const std::exception& e) {
        book_.add_outcome(work.ref, fail_attempt(e.what()));
    } catch (const kj::Exception& e) {
        book_.add_outcome(work.ref, fail_attempt(words_of(e)));
    }
}

void worker::core::assigned_one(assignment work) {
    if (book_.runs(work.ref)) return;
    if (book_.running() >= what_.slots)
        return book_.add_outcome(work.ref, give_back_outcome("the worker has no slot free"));
    book_.begin(work.ref, work.heartbeat_timeout, work.cancel_grace);
    if (work.heartbeat_timeout.count() > 0)
        beat_at(now() + to_kj(std::max(work.heartbeat_timeout / 3, shortest_beat)));
    runner_->start(std::move(work));
}

void worker::core::told_to_cancel(capnp::List<api::AttemptRef>::Reader refs) {
    for (const auto each : refs) {
        const attempt_ref ref = read(each);
        if (!book_.runs(ref)) continue;
        cancelled_by_node_.insert(ref);
        runner_->cancel(ref, book_.grace(ref));
    }
}

void worker::core::taken_away(const attempt_ref& ref) {
    if (!book_.drop(ref)) return;
    cancelled_by_node_.erase(ref);
    runner_->kill(ref);
    finish_if_done();
}

} // namespace coppice::client
