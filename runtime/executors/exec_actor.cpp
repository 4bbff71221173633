#include "runtime/executors/exec_actor.hpp"

#include <caf/send.hpp>
#include <map>

#include "actors/jobs/stored_result.hpp"
#include "actors/journal/entry_builder.hpp"
#include "runtime/executors/argv_template.hpp"

namespace coppice {
namespace {

using pointer = exec_handle::stateful_pointer<exec_state>;
using options_ptr = std::shared_ptr<const exec_actor_options>;
using reports_ptr = std::shared_ptr<std::vector<attempt_report>>;

constexpr milliseconds retry_pause{200};
constexpr milliseconds pause_for_types{50};
constexpr milliseconds patience_for_types{10'000}; // then another node may try

kj::ArrayPtr<const kj::byte> bytes_of(const std::string& text) {
    return {reinterpret_cast<const kj::byte*>(text.data()), text.size()};
}

// What reports are proposed with; copied to wherever they come from.
struct reporting {
    caf::weak_actor_ptr actor;
    caf::actor_system* system;
    options_ptr options;
    std::shared_ptr<held_attempts> held;
};

reporting reporting_of(pointer self, const options_ptr& options) {
    return {self->ctrl(), &self->system(), options, self->state.held};
}

void come_again(const reporting& with, std::vector<attempt_report> reports) {
    if (const auto strong = with.actor.lock(); strong && !reports.empty())
        with.system->clock().schedule_message(
            with.system->clock().now() + retry_pause, strong,
            caf::make_mailbox_element(
                nullptr, caf::make_message_id(), {},
                report_again{std::make_shared<std::vector<attempt_report>>(std::move(reports))}));
}

// Proposes reports of one shard; what is refused for want of room comes back to the actor after a pause.
void propose_to_shard(const reporting& with, shard_id shard, const reports_ptr& reports) {
    const options_ptr& options = with.options;
    const auto done = [with, options, reports](std::span<command_result> results) {
        std::vector<attempt_report> rest;
        for (std::size_t i = 0; i < results.size(); ++i) {
            const attempt_ref ref = (*reports)[i].ref;
            const auto& outcome = (*reports)[i].outcome;
            if (describe(results[i].code).retryable) {
                rest.push_back(std::move((*reports)[i]));
                continue;
            }
            if (results[i].code != errc::ok && outcome && outcome->stored) options->results->drop({&ref, 1});
            if ((*reports)[i].outcome || results[i].code == errc::stale_attempt) with.held->release(ref);
            if (results[i].code == errc::stale_attempt)
                options->log.warn("stale report refused", {{"job", to_string(ref.job)},
                                                           {"attempt", std::uint64_t{ref.attempt}},
                                                           {"detail", results[i].detail}});
        }
        come_again(with, std::move(rest));
    };
    // Left out where a node of the cluster would not keep it; asked only when there is one.
    for (attempt_report& each : *reports)
        if (!each.checkpoint.empty() && options->keeps_checkpoints && !options->keeps_checkpoints())
            each.checkpoint.clear();
    options->journal.propose(make_proposal(shard, reports->size(), false, done, [&](auto commands) {
        for (unsigned i = 0; i < reports->size(); ++i)
            write_report((*reports)[i], options->worker, commands[i].initReport());
    }));
}

// Its result goes to the result store first. One that the store does not take goes into the tables, if it fits.
void store_result(const reporting& with, attempt_report report) {
    const auto held = std::make_shared<attempt_report>(std::move(report));
    const auto bytes = std::make_shared<const std::string>(std::move(held->outcome->result));
    with.options->results->put(held->ref, bytes, [with, held, bytes](const expected<stored_result>& stored) {
        if (stored)
            held->outcome->stored = *stored;
        else
            held->outcome->result = *bytes;
        const shard_id shard = held->ref.job.shard();
        const auto one = std::make_shared<std::vector<attempt_report>>();
        one->push_back(std::move(*held));
        if (stored || bytes->size() <= limits::result_size_max)
            propose_to_shard(with, shard, one);
        else
            come_again(with, std::move(*one));
    });
}

void propose_reports(const reporting& with, std::vector<attempt_report> reports) {
    std::map<shard_id, reports_ptr> by_shard;
    for (attempt_report& each : reports) {
        if (with.options->results && each.outcome && !each.outcome->stored &&
            with.options->results->takes(each.outcome->result.size())) {
            store_result(with, std::move(each));
            continue;
        }
        reports_ptr& of = by_shard[each.ref.job.shard()];
        if (!of) of = std::make_shared<std::vector<attempt_report>>();
        of->push_back(std::move(each));
    }
    for (const auto& [shard, of] : by_shard) propose_to_shard(with, shard, of);
}

// An attempt that was never started ends here: its failure is its report.
void report_end(pointer self, const options_ptr& options, const attempt_ref& ref, outcome_kind kind,
                const failure& why) {
    std::vector<attempt_report> reports;
    attempt_outcome outcome;
    outcome.kind = kind;
    outcome.error = why;
    outcome.permanent = true;
    reports.push_back({.ref = ref, .outcome = std::move(outcome)});
    propose_reports(reporting_of(self, options), std::move(reports));
}

void report_failure(pointer self, const options_ptr& options, const attempt_ref& ref, const failure& why) {
    const bool may_yet = why.code == errc::unavailable || why.code == errc::overloaded;
    report_end(self, options, ref, may_yet ? outcome_kind::lost : outcome_kind::failed, why);
}

void start_attempt(pointer self, const options_ptr& options, assignment work, const declared_type& type) {
    const attempt_ref ref = work.ref;
    if (type.spec.executor == executor_kind::http) {
        if (auto started = self->state.http->start(std::move(work), type.spec.http); !started)
            report_failure(self, options, ref, started.error());
        return;
    }
    auto input = resolve_exec_input(type.spec, work.payload);
    if (!input) return report_failure(self, options, ref, input.error());
    exec_job job{std::move(work), std::move(input->argv), std::move(input->stdin_bytes), {}, options->rlimits};
    if (auto started = self->state.runner->start(std::move(job)); !started)
        report_failure(self, options, ref, started.error());
}

void look_for_types(pointer self) {
    if (!self->state.unstarted.empty()) self->delayed_send(self, pause_for_types, start_again{});
}

void take_attempt(pointer self, const options_ptr& options, assignment work) {
    self->state.held->take(work.ref);
    const catalog_ptr declared = options->board->get();
    if (const declared_type* type = declared->type(work.type_number))
        return start_attempt(self, options, std::move(work), *type);
    const bool is_first = self->state.unstarted.empty();
    const attempt_ref ref = work.ref;
    self->state.unstarted.emplace(
        ref, unstarted_attempt{std::move(work), std::chrono::steady_clock::now() + patience_for_types});
    if (is_first) look_for_types(self);
}

void start_unstarted(pointer self, const options_ptr& options) {
    const catalog_ptr declared = options->board->get();
    const auto now = std::chrono::steady_clock::now();
    for (auto& [ref, each] : std::exchange(self->state.unstarted, {})) {
        if (const declared_type* type = declared->type(each.work.type_number))
            start_attempt(self, options, std::move(each.work), *type);
        else if (now >= each.give_up)
            report_failure(self, options, ref, {errc::unavailable, "this node has not heard of the job type", 0});
        else
            self->state.unstarted.emplace(ref, std::move(each));
    }
    look_for_types(self);
}

// Whether it had not been started, and now never is.
bool drop_unstarted(pointer self, const options_ptr& options, const attempt_ref& ref, outcome_kind kind) {
    if (self->state.unstarted.erase(ref) == 0) return false;
    report_end(self, options, ref, kind, {errc::cancelled, "it had not been started", 0});
    return true;
}

} // namespace

void held_attempts::take(const attempt_ref& ref) {
    const std::lock_guard guard{mutex_};
    refs_.insert(ref);
}

void held_attempts::release(const attempt_ref& ref) {
    const std::lock_guard guard{mutex_};
    refs_.erase(ref);
}

std::vector<attempt_ref> held_attempts::of(shard_id shard) const {
    const std::lock_guard guard{mutex_};
    std::vector<attempt_ref> found;
    for (const attempt_ref& ref : refs_)
        if (ref.job.shard() == shard) found.push_back(ref);
    return found;
}

void write_report(const attempt_report& report, worker_id worker, cmd::Report::Builder to) {
    write_id(report.ref.job, to.initJob());
    to.setAttempt(report.ref.attempt);
    to.setWorker(worker.value);
    to.setProgress(-1);
    if (report.latest_progress) {
        to.setProgress(static_cast<float>(report.latest_progress->fraction));
        to.setProgressText(report.latest_progress->text.c_str());
    }
    if (!report.checkpoint.empty()) to.setCheckpoint(bytes_of(report.checkpoint));
    if (!report.logs.empty()) {
        auto lines = to.initLogs(static_cast<unsigned>(report.logs.size()));
        for (unsigned i = 0; i < lines.size(); ++i) {
            lines[i].setSequence(report.logs[i].sequence);
            lines[i].setAtUs(to_us(report.logs[i].at));
            lines[i].setStream(static_cast<std::uint8_t>(report.logs[i].stream));
            lines[i].setText(report.logs[i].text.c_str());
        }
    }
    if (!report.outcome) return;
    const attempt_outcome& o = *report.outcome;
    using outcome = cmd::Report::Outcome;
    switch (o.kind) {
    case outcome_kind::succeeded:
        to.setOutcome(outcome::SUCCEEDED);
        break;
    case outcome_kind::failed:
        to.setOutcome(outcome::FAILED);
        break;
    case outcome_kind::cancelled:
        to.setOutcome(outcome::CANCELLED);
        break;
    case outcome_kind::lost:
        to.setOutcome(outcome::LOST);
        break;
    }
    if (o.stored) {
        write_stored_result(*o.stored, to);
    } else if (!o.result.empty()) {
        to.setResult(bytes_of(o.result));
    }
    if (o.kind != outcome_kind::succeeded) {
        to.setCode(static_cast<std::uint16_t>(o.error.code));
        to.setMessage(o.error.detail.c_str());
    }
    to.setPermanent(o.permanent);
    if (o.retry_after) to.setRetryAfterMs(o.retry_after->count());
}

exec_handle::behavior_type exec_actor(pointer self, tree_handle card, options_ptr options) {
    self->state.card = std::move(card);
    const report_sink sink = [with = reporting_of(self, options)](std::vector<attempt_report> r) {
        for (const attempt_report& each : r) // a line or progress is the heartbeat that a program here has
            if (!each.outcome) caf::anon_send(with.options->shard, attempt_heard{each.ref});
        propose_reports(with, std::move(r));
    };
    auto runner = exec_runner::open(options->runner, sink);
    if (!runner) throw std::runtime_error("exec executor: " + to_string(runner.error()));
    self->state.runner = std::move(*runner);
    self->state.http = std::make_unique<http_runner>(sink);
    self->state.card.state(std::to_string(options->slots) + " slots");
    self->set_exit_handler([self, options](caf::exit_msg& message) {
        for (const auto& [ref, each] : std::exchange(self->state.unstarted, {}))
            report_end(self, options, ref, outcome_kind::lost, {errc::node_stopping, "this node stops", 0});
        self->state.http->stop();
        self->state.runner->stop(options->stop_grace);
        if (options->results) options->results->settle(options->stop_grace); // what ended is reported
        self->quit(std::move(message.reason));
    });
    self->send(options->shard, executor_up{options->worker, self, std::vector<attempt_ref>{}});
    self->send(options->journal.journal(), worker_attached{options->worker, {}, options->slots});
    return {
        [self, options](const assign& message) {
            for (const std::uint32_t i : message.indexes) {
                assignment work = message.batch->starts[i].work;
                work.result_bytes_max = work.result_bound(options->results != nullptr);
                take_attempt(self, options, std::move(work));
            }
        },
        [self, options](const cancel_attempt& message) {
            if (drop_unstarted(self, options, message.ref, outcome_kind::cancelled)) return;
            self->state.http->cancel(message.ref); // one of the two has it
            self->state.runner->cancel(message.ref, message.grace);
        },
        [self, options](const revoke_attempt& message) {
            if (drop_unstarted(self, options, message.ref, outcome_kind::lost)) return;
            self->state.http->cancel(message.ref);
            self->state.runner->kill(message.ref);
        },
        [held = self->state.held](const present_attempts& message) { message.done(held->of(message.shard)); },
        [self, options](const report_again& message) {
            propose_reports(reporting_of(self, options), std::move(*message.reports));
        },
        [self, options](start_again) { start_unstarted(self, options); },
    };
}

} // namespace coppice
