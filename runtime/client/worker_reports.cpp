// How a worker's reports go out: everything that is ready when the loop has nothing else to do, in one call.
#include <algorithm>

#include "runtime/client/wire.hpp"
#include "runtime/client/worker_core.hpp"
#include "schema/limits.hpp"

namespace coppice::client {
namespace {

// Words of a report without lines: the struct, its ref and its id.
constexpr std::size_t report_words = 14;

api::AttemptReport::Outcome wire_outcome(outcome_kind kind) {
    switch (kind) {
    case outcome_kind::succeeded:
        return api::AttemptReport::Outcome::SUCCEEDED;
    case outcome_kind::failed:
        return api::AttemptReport::Outcome::FAILED;
    case outcome_kind::cancelled:
        return api::AttemptReport::Outcome::CANCELLED;
    case outcome_kind::lost:
        return api::AttemptReport::Outcome::LOST;
    }
    return api::AttemptReport::Outcome::LOST;
}

void write_outcome(api::AttemptReport::Builder to, const attempt_outcome& outcome) {
    to.setOutcome(wire_outcome(outcome.kind));
    if (outcome.kind == outcome_kind::succeeded) {
        if (!outcome.result.empty()) to.setResult(as_data(outcome.result));
        return;
    }
    write(to.initError(), outcome.error);
    to.setPermanent(outcome.permanent);
    if (outcome.retry_after) to.setRetryAfterMs(std::max<std::int64_t>(0, outcome.retry_after->count()));
}

void write_report(api::AttemptReport::Builder to, const attempt_report& report) {
    write(to.initRef(), report.ref);
    if (!report.logs.empty()) {
        auto lines = to.initLogs(static_cast<unsigned>(report.logs.size()));
        for (unsigned i = 0; i < lines.size(); ++i) write(lines[i], report.ref.attempt, report.logs[i]);
    }
    if (report.latest_progress) {
        to.setProgress(static_cast<float>(std::clamp(report.latest_progress->fraction, 0.0, 1.0)));
        const auto text = std::string_view{report.latest_progress->text}.substr(0, limits::progress_text_size_max);
        write_text(text, [&](unsigned size) { return to.initProgressText(size); });
    }
    if (!report.checkpoint.empty()) to.setCheckpoint(as_data(report.checkpoint));
    if (report.outcome) write_outcome(to, *report.outcome);
}

capnp::MessageSize size_of(const std::vector<attempt_report>& batch) {
    std::uint64_t words = 16;
    for (const auto& report : batch) {
        words += report_words + report.checkpoint.size() / 8;
        if (report.outcome) words += (report.outcome->result.size() + report.outcome->error.detail.size()) / 8 + 4;
        for (const auto& line : report.logs) words += 6 + line.text.size() / 8;
    }
    return {words, 0};
}

} // namespace

void worker::core::report(attempt_report report) {
    if (!book_.runs(report.ref)) return;
    if (report.outcome) {
        const bool node_asked = cancelled_by_node_.erase(report.ref) > 0;
        // The job is not cancelled because a worker goes away: it is to run elsewhere.
        if (stopping_ && !node_asked && report.outcome->kind == outcome_kind::cancelled) {
            report.outcome->kind = outcome_kind::lost;
            report.outcome->error = {errc::worker_lost, "the worker was stopped"};
        }
        book_.add(std::move(report));
        return flush_soon();
    }
    const bool says_something = !report.logs.empty() || report.latest_progress || !report.checkpoint.empty();
    if (!says_something) return book_.alive(report.ref);
    book_.add(std::move(report));
    flush_lines_later();
}

void worker::core::flush_soon() {
    if (std::exchange(flush_scheduled_, true)) return;
    tasks_.add(kj::evalLast([this] {
        flush_scheduled_ = false;
        flush();
    }));
}

void worker::core::flush_lines_later() {
    if (std::exchange(lines_scheduled_, true)) return;
    const auto wait = std::chrono::duration_cast<milliseconds>(limits::worker_lines_delay);
    tasks_.add(link_.timer().afterDelay(to_kj(wait)).then([this] {
        lines_scheduled_ = false;
        lines_due_ = true;
        flush();
    }));
}

void worker::core::flush() {
    while (session_ != nullptr && now() >= hold_until_ && report_calls_ < limits::worker_report_calls_max &&
           (book_.has_outcomes() || (lines_due_ && book_.has_lines())))
        send(book_.take(limits::worker_reports_per_call_max, limits::worker_report_bytes_max));
    if (!book_.has_lines()) lines_due_ = false;
}

void worker::core::send(report_book::batch_id id) {
    const auto& batch = book_.batch(id);
    if (batch.empty()) return book_.put_back(id);
    auto request = KJ_ASSERT_NONNULL(session_).reportRequest(size_of(batch));
    auto reports = request.initReports(static_cast<unsigned>(batch.size()));
    for (unsigned i = 0; i < reports.size(); ++i) write_report(reports[i], batch[i]);
    ++report_calls_;
    ++figures_.report_calls;
    auto call = request.send().then(
        [this, id, sent = now()](capnp::Response<api::WorkerSession::ReportResults> answer) {
            --report_calls_;
            heard(sent);
            answered(id, answer);
        },
        [this, id](kj::Exception&& e) {
            --report_calls_;
            book_.put_back(id);
            if (e.getType() == kj::Exception::Type::DISCONNECTED)
                return end_session({errc::unavailable, words_of(e)});
            hold(milliseconds{0});
        });
    KJ_ASSERT_NONNULL(calls_)->add(kj::mv(call));
}

void worker::core::answered(report_book::batch_id id, capnp::Response<api::WorkerSession::ReportResults>& answer) {
    if (auto whole = read(answer.getFailure()); !whole) {
        // The call as a whole was not taken: the session is over (whatever the reason), or the node cannot now.
        book_.put_back(id);
        const errc code = whole.error().code;
        if (node_is_left(code)) return;
        if (describe(code).retryable) return hold(milliseconds{whole.error().retry_after_ms});
        return end_session(whole.error());
    }
    std::vector<failure> failures;
    failures.reserve(answer.getResults().size());
    milliseconds wait{0};
    for (const auto each : answer.getResults()) {
        failures.push_back(read_failure(each));
        wait = std::max(wait, milliseconds{failures.back().retry_after_ms});
    }
    const bool again = book_.answered(id, failures, [this](const attempt_ref& ref) {
        cancelled_by_node_.erase(ref);
        if (runner_) runner_->kill(ref);
    });
    const bool unavailable =
        std::ranges::any_of(failures, [](const failure& f) { return f.code == errc::unavailable; });
    if (node_is_left(unavailable ? errc::unavailable : errc::ok)) return;
    if (again) return hold(wait);
    backoff_.reset();
    if (book_.has_outcomes() || lines_due_) flush_soon();
    finish_if_done();
}

// A node that goes on answering `unavailable` is left for the next, which is shown what still runs here.
bool worker::core::node_is_left(errc answered) {
    KJ_IF_MAYBE (s, connection_) {
        if (!link_.judge(**s, answered)) return false;
        end_session({errc::unavailable, "the node went on being unavailable"});
        return true;
    }
    return false;
}

void worker::core::hold(milliseconds at_least) {
    const auto most = std::max(link_.chosen().backoff_max, milliseconds{1});
    const auto wait = std::clamp(std::max(at_least, backoff_.next(link_.random())), milliseconds{1}, most);
    hold_until_ = now() + to_kj(wait);
    lines_due_ = true;
    tasks_.add(link_.timer().atTime(hold_until_).then([this] { flush(); }));
}

void worker::core::finish_if_done() {
    if (draining_ && book_.running() == 0 && book_.unacknowledged() == 0) finish();
}

void worker::core::finish() {
    if (std::exchange(finished_, true)) return;
    finishing_.fulfiller->fulfill();
}

kj::Promise<void> worker::core::drain() {
    if (!std::exchange(draining_, true)) tell_draining();
    finish_if_done();
    return finished_branch_.addBranch();
}

kj::Promise<void> worker::core::stop(milliseconds grace) {
    if (std::exchange(stopping_, true)) return finished_branch_.addBranch();
    auto drained = drain();
    for (const auto& ref : book_.all_running()) runner_->cancel(ref, grace);
    tasks_.add(link_.timer()
                   .afterDelay(to_kj(grace))
                   .then([this, grace] {
                       give_back();
                       return link_.timer().afterDelay(to_kj(grace));
                   })
                   .then([this] { finish(); }));
    return drained;
}

void worker::core::give_back() {
    for (const auto& ref : book_.all_running()) {
        runner_->kill(ref);
        report({.ref = ref,
                .outcome = attempt_outcome{.kind = outcome_kind::lost,
                                           .error = {errc::worker_lost, "the worker was stopped"}}});
    }
}

worker_figures worker::core::figures() const {
    worker_figures f = figures_;
    f.acknowledged = book_.totals().acknowledged;
    f.stale = book_.totals().stale;
    f.refused = book_.totals().refused;
    f.running = book_.running();
    f.unacknowledged = book_.unacknowledged();
    return f;
}

} // namespace coppice::client
