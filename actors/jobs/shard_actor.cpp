#include "actors/jobs/shard_actor.hpp"

#include <algorithm>
#include <caf/send.hpp>
#include <unordered_set>

#include "actors/jobs/running_attempts.hpp"
#include "actors/jobs/shard_actor_growth.hpp"
#include "actors/journal/entry_builder.hpp"

namespace coppice {
namespace {

constexpr milliseconds shard_retry_pause{500};
constexpr std::size_t lost_per_proposal = 1000;

// ---- deadlines
// ----------------------------------------------------------------------------------------------------

void arrange_wake(shard_pointer self, const shard_options& options) {
    shard_state& s = self->state;
    if (s.deadlines.empty()) return;
    const instant first = s.deadlines.begin()->first;
    if (s.wake_at != never && s.wake_at <= first) return;
    s.wake_at = first;
    self->delayed_send(self, std::max(first - options.clock(), microseconds{0}), shard_wake{});
}

void set_deadline(shard_pointer self, const shard_options& options, const attempt_ref& ref, instant at) {
    shard_state& s = self->state;
    const auto found = s.live.find(ref);
    if (found == s.live.end()) return;
    if (found->second.deadline != never) s.deadlines.erase({found->second.deadline, ref});
    found->second.deadline = at;
    s.deadlines.emplace(at, ref);
    arrange_wake(self, options);
}

void wake_overdue(shard_pointer self, const shard_options_ptr& options) {
    shard_state& s = self->state;
    s.wake_at = never;
    const instant now = options->clock();
    while (!s.deadlines.empty() && s.deadlines.begin()->first <= now) {
        const attempt_ref ref = s.deadlines.begin()->second;
        s.deadlines.erase(s.deadlines.begin());
        auto& live = s.live.at(ref);
        live.deadline = never;
        if (live.actor) {
            self->send(live.actor, deadline_reached{});
        } else { // look again, lest its actor can't be started
            live.overdue = true;
            set_deadline(self, *options, ref, now + shard_retry_pause);
            grow_now(self, options, live.watch->tenant, {ref});
        }
    }
    arrange_wake(self, *options);
}

executor_handle executor_of(const shard_state& s, worker_id worker) {
    const auto found = s.executors.find(worker);
    return found == s.executors.end() ? executor_handle{} : found->second;
}

void watch_attempt(shard_pointer self, const shard_options& options, std::shared_ptr<attempt_watch> watch) {
    const attempt_ref ref = watch->ref;
    const auto deadline = attempt_guard{watch->deadlines}.next_deadline();
    auto& live = self->state.live[ref];
    live.worker = watch->worker;
    live.watch = std::move(watch);
    if (deadline) set_deadline(self, options, ref, *deadline);
}

// ---- what commits ask for
// -----------------------------------------------------------------------------------------

// Goes to its executor when the results of its parents have come from the result store.
void complete(shard_pointer self, const shard_options& options, const start_effect& start) {
    const caf::weak_actor_ptr me = self->ctrl();
    complete_start(options.results, start, [me](start_effect whole, std::optional<failure> why_not) {
        const auto shard = caf::actor_cast<shard_handle>(me.lock());
        if (!shard) return;
        auto batch = std::make_shared<batch_output>();
        batch->starts.push_back(std::move(whole));
        caf::anon_send(shard, start_completed{std::move(batch), std::move(why_not)});
    });
}

// It never came to its executor: ends here, or goes back.
void propose_unstarted(shard_pointer self, const shard_options& options, const start_completed& what,
                       cmd::Report::Outcome outcome, const failure& why) {
    const start_effect& start = what.batch->starts.front();
    const caf::weak_actor_ptr me = self->ctrl();
    caf::actor_system& system = self->system();
    const auto done = [me, what, &system](std::span<command_result> results) {
        if (const auto strong = me.lock(); strong && describe(results.front().code).retryable)
            system.clock().schedule_message(system.clock().now() + shard_retry_pause, strong,
                                            caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, what));
    };
    options.journal.propose(make_proposal(options.shard, 1, false, done, [&](auto commands) {
        write_ending(start.work.ref, outcome, why.code, why.detail, commands[0].initReport());
    }));
}

void start_complete(shard_pointer self, const shard_options& options, const start_completed& what) {
    using outcome = cmd::Report::Outcome;
    const auto found = self->state.live.find(what.batch->starts.front().work.ref);
    if (found == self->state.live.end() || found->second.over) return;
    if (found->second.cancelled)
        return propose_unstarted(self, options, what, outcome::CANCELLED,
                                 {errc::cancelled, "it had not been started", 0});
    if (what.why_not) return propose_unstarted(self, options, what, outcome::LOST, *what.why_not);
    if (const auto executor = executor_of(self->state, found->second.worker))
        self->send(executor, assign{what.batch, {0}});
}

void start_attempts(shard_pointer self, const shard_options_ptr& options,
                    const std::shared_ptr<const batch_output>& batch) {
    shard_state& s = self->state;
    std::unordered_map<worker_id, std::vector<std::uint32_t>> by_worker;
    std::unordered_map<tenant_id, std::vector<attempt_ref>> by_tenant;
    for (std::uint32_t i = 0; i < batch->starts.size(); ++i) {
        const start_effect& start = batch->starts[i];
        if (is_complete(start)) by_worker[start.worker].push_back(i);
        if (s.live.contains(start.work.ref)) continue; // read from its row when the shard rebuilt itself
        auto watch = std::make_shared<attempt_watch>();
        watch->ref = start.work.ref;
        watch->worker = start.worker;
        watch->tenant = start.work.tenant_number;
        watch->tenant_name = start.work.tenant;
        watch->deadlines = {start.started_at, start.work.attempt_timeout, start.work.heartbeat_timeout};
        watch->cancel_grace = start.work.cancel_grace;
        by_tenant[watch->tenant].push_back(watch->ref);
        watch_attempt(self, *options, std::move(watch));
    }
    for (const start_effect& start : batch->starts)
        if (!is_complete(start)) complete(self, *options, start);
    for (auto& [worker, indexes] : by_worker) {
        if (const auto executor = executor_of(s, worker))
            self->send(executor, assign{batch, std::move(indexes)});
        else
            self->send(self, worker_expired{worker});
    }
    for (auto& [tenant, refs] : by_tenant) grow_later(self, options, tenant, std::move(refs));
}

void end_attempts(shard_pointer self, const batch_output& batch) {
    shard_state& s = self->state;
    for (const end_effect& end : batch.ends) {
        if (end.revoke)
            if (const auto executor = executor_of(s, end.worker)) self->send(executor, revoke_attempt{end.ref});
        const auto found = s.live.find(end.ref);
        if (found == s.live.end()) continue;
        if (found->second.starting) {
            found->second.over = true;
            continue;
        }
        if (found->second.actor) self->send(found->second.actor, attempt_over{end.ref});
        forget_attempt(s, end.ref);
    }
}

void cancel_attempts(shard_pointer self, const shard_options_ptr& options, const batch_output& batch) {
    std::unordered_map<tenant_id, std::vector<attempt_ref>> without_actor;
    for (const cancel_effect& cancel : batch.cancels) {
        const auto found = self->state.live.find(cancel.ref);
        if (found == self->state.live.end()) continue;
        found->second.cancelled = true;
        if (found->second.actor)
            self->send(found->second.actor, attempt_cancelled{cancel.ref});
        else
            without_actor[cancel.tenant].push_back(cancel.ref);
    }
    for (auto& [tenant, refs] : without_actor) grow_now(self, options, tenant, std::move(refs));
}

void adopt_attempts(shard_pointer self, const batch_output& batch) {
    for (const adopt_effect& adopt : batch.adopts) {
        const auto found = self->state.live.find(adopt.ref);
        if (found != self->state.live.end()) found->second.worker = adopt.worker;
    }
}

// ---- the result store
// ---------------------------------------------------------------------------------------------------

// One object an attempt at a time. Where that fails the lines wait in the tables, and its next lines ask again.
void tell_result_store(shard_pointer self, const shard_options& options, const batch_output& batch) {
    const result_port& port = options.results;
    if (port.drop && !batch.dropped_results.empty()) port.drop(batch.dropped_results);
    if (port.drop_lines && !batch.dropped_lines.empty()) port.drop_lines(batch.dropped_lines);
    if (!port.store_lines) return;
    for (const store_lines_effect& each : batch.lines_to_store) {
        if (!self->state.storing.insert(each.ref).second) continue;
        port.store_lines(each.ref, each.below,
                         [me = caf::weak_actor_ptr{self->ctrl()}, ref = each.ref](expected<stored_lines> what) {
                             if (const auto shard = caf::actor_cast<shard_handle>(me.lock()))
                                 caf::anon_send(shard, lines_were_stored{ref, std::move(what)});
                         });
    }
}

void propose_stored(shard_pointer self, const shard_options& options, const lines_were_stored& stored) {
    const attempt_ref ref = stored.ref;
    self->state.storing.erase(ref);
    if (!stored.what) return;
    // A job that was erased meanwhile leaves nothing there.
    const auto done = [ref, drop = options.results.drop_lines](std::span<command_result> results) {
        if (results.front().code == errc::not_found) drop({&ref.job, 1});
    };
    options.journal.propose(make_proposal(options.shard, 1, false, done, [&](auto commands) {
        auto told = commands[0].initLinesStored();
        write_id(ref.job, told.initJob());
        told.setAttempt(ref.attempt);
        told.setBelow(stored.what->below);
        told.setBytes(stored.what->bytes);
    }));
}

// ---- workers that are gone
// ----------------------------------------------------------------------------------------

void propose_lost(shard_pointer self, const shard_options& options, worker_id worker,
                  std::span<const attempt_ref> refs) {
    caf::weak_actor_ptr me = self->ctrl();
    caf::actor_system& system = self->system();
    const auto done = [me, worker, &system](std::span<command_result> results) {
        const bool again =
            std::ranges::any_of(results, [](const command_result& r) { return describe(r.code).retryable; });
        if (const auto strong = me.lock(); again && strong)
            system.clock().schedule_message(
                system.clock().now() + shard_retry_pause, strong,
                caf::make_mailbox_element(nullptr, caf::make_message_id(), {}, worker_expired{worker}));
    };
    options.journal.propose(make_proposal(options.shard, refs.size(), false, done, [&](auto commands) {
        for (unsigned i = 0; i < refs.size(); ++i) {
            auto report = commands[i].initReport();
            write_ending(refs[i], cmd::Report::Outcome::LOST, errc::worker_lost, "its worker is gone", report);
            // Stale when another session was told meanwhile that it keeps the attempt.
            report.setWorker(worker.value);
        }
    }));
}

// All that runs under the worker's name, but for those that it holds.
void lose_attempts_of(shard_pointer self, const shard_options& options, worker_id worker,
                      const std::unordered_set<attempt_ref>& but = {}) {
    std::vector<attempt_ref> refs;
    for (const running_attempt& r : running_attempts(*options.data, options.shard))
        if (r.worker == worker && !but.contains(r.ref)) refs.push_back(r.ref);
    for (std::size_t at = 0; at < refs.size(); at += lost_per_proposal)
        propose_lost(self, options, worker,
                     std::span{refs}.subspan(at, std::min(lost_per_proposal, refs.size() - at)));
}

// What runs under its name and it does not hold ended with the incarnation before it, or never came to it; what it
// holds and is not its own any more is taken from it.
void meet_executor(shard_pointer self, const shard_options& options, const executor_up& who) {
    self->state.executors[who.worker] = who.handle;
    if (!who.holds) return;
    const std::unordered_set<attempt_ref> held{who.holds->begin(), who.holds->end()};
    lose_attempts_of(self, options, who.worker, held);
    for (const attempt_ref& ref : held) {
        const auto found = self->state.live.find(ref);
        if (found == self->state.live.end() || found->second.worker != who.worker)
            self->send(who.handle, revoke_attempt{ref});
    }
}

// A shard that starts grows its job actors from the tables, and gives the workers of an earlier life time to
// return.
void rebuild(shard_pointer self, const shard_options_ptr& options) {
    shard_state& s = self->state;
    s.book = tenant_book{options->shard};
    s.book.load(*options->data->begin_read());
    std::set<worker_id> absent;
    std::unordered_map<tenant_id, std::vector<attempt_ref>> by_tenant;
    for (const running_attempt& r : running_attempts(*options->data, options->shard)) {
        absent.insert(r.worker);
        const tenant_entry* tenant = s.book.tenant(r.ref.job.tenant());
        const type_entry* type = s.book.type(r.type);
        if (tenant == nullptr || type == nullptr) continue;
        auto watch = std::make_shared<attempt_watch>();
        watch->ref = r.ref;
        watch->worker = r.worker;
        watch->tenant = tenant->id;
        watch->tenant_name = tenant->spec.name;
        watch->deadlines = {r.started, type->spec.timeouts.attempt, type->spec.timeouts.heartbeat};
        watch->cancel_grace = type->spec.timeouts.cancel_grace;
        watch->incarnations = 1; // so that the job actor reads its row
        by_tenant[tenant->id].push_back(r.ref);
        watch_attempt(self, *options, std::move(watch));
    }
    for (auto& [tenant, refs] : by_tenant) grow_now(self, options, tenant, std::move(refs));
    for (const worker_id worker : absent)
        self->delayed_send(self, is_local(worker) ? options->local_grace : options->reattach_grace,
                           worker_expired{worker});
}

} // namespace

dynamic_spec tenant_supervisors(const std::shared_ptr<const job_actor_options>& options) {
    dynamic_spec jobs{
        .start = dynamic_start<attempt_watch_ptr>(
            [options](supervised_context& context, const attempt_watch_ptr& watch) -> start_result {
                return context.spawn(job_actor, options, watch);
            }),
        .restart = restart_type::transient,
        // Backoff, not this bound, holds back a job actor that keeps failing; the bound is for a storm of many.
        .intensity = {100'000, milliseconds{60'000}},
        .backoff = options->backoff,
        .kind = "job"};
    return {.start = [jobs](supervised_context& context, const std::any&) { return dynamic_of(jobs)(context); },
            .restart = restart_type::temporary, // the shard starts it anew, and grows its jobs from what it knows
            .kind = "tenant"};
}

supervisor_spec shard_tree(const shard_options& scheduler, const std::shared_ptr<const job_actor_options>& jobs,
                           const relay_ptr& address) {
    return {.strategy = strategy::rest_for_one,
            .intensity = {0, milliseconds{60'000}},
            .children = {
                {.id = "tenants",
                 .start = dynamic_of(tenant_supervisors(jobs)),
                 .kind = child_kind::supervisor,
                 .address = scheduler.tenants},
                {.id = "scheduler", .start = actor_of(shard_actor, scheduler), .address = address},
            }};
}

shard_handle::behavior_type shard_actor(shard_pointer self, tree_handle card, shard_options given) {
    const auto options = std::make_shared<const shard_options>(std::move(given));
    self->state.card = std::move(card);
    self->set_down_handler([self, options](const caf::down_msg& down) { regrow_tenant(self, options, down); });
    rebuild(self, options);
    return {
        [self, options](const committed& message) {
            adopt_attempts(self, *message.what);
            end_attempts(self, *message.what);
            cancel_attempts(self, options, *message.what);
            start_attempts(self, options, message.what);
            tell_result_store(self, *options, *message.what);
        },
        [self, options](const executor_up& message) { meet_executor(self, *options, message); },
        [self](const executor_down& message) {
            self->state.executors.erase(message.worker);
            self->delayed_send(self, message.grace, worker_expired{message.worker});
        },
        [self, options](const worker_expired& message) {
            if (!self->state.executors.contains(message.worker)) lose_attempts_of(self, *options, message.worker);
        },
        [self](const attempt_heard& message) {
            const auto found = self->state.live.find(message.ref);
            if (found == self->state.live.end()) return;
            found->second.heard = true;
            if (found->second.actor) self->send(found->second.actor, message);
        },
        [self](const job_up& message) {
            const auto found = self->state.live.find(message.ref);
            if (found == self->state.live.end())
                self->send(message.handle, attempt_over{message.ref});
            else
                found->second.actor = message.handle;
        },
        [self, options](const deadline_wanted& message) { set_deadline(self, *options, message.ref, message.at); },
        [self](const cancel_attempt& message) {
            const auto found = self->state.live.find(message.ref);
            if (found == self->state.live.end()) return;
            if (const auto executor = executor_of(self->state, found->second.worker)) self->send(executor, message);
        },
        [self, options](shard_wake) { wake_overdue(self, options); },
        [self, options](growth_due) { grow_due(self, options); },
        [self, options](const lines_were_stored& message) { propose_stored(self, *options, message); },
        [self, options](const start_completed& message) { start_complete(self, *options, message); },
    };
}

} // namespace coppice
