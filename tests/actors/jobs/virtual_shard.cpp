#include "tests/actors/jobs/virtual_shard.hpp"

#include "actors/journal/entry_builder.hpp"

namespace coppice::testing {
namespace {

struct session_start {
    std::shared_ptr<worker_session_link> link;
    std::shared_ptr<worker_diary> diary;
};

executor_handle::behavior_type session_actor(executor_handle::pointer self, const session_start& start) {
    // As the exec actor does: whatever it was given ended with its last incarnation.
    const auto holds = is_local(start.link->worker) ? std::optional{std::vector<attempt_ref>{}} : std::nullopt;
    self->send(start.link->shard, executor_up{start.link->worker, self, holds});
    // An executor of the node's own has no edge that would say so.
    if (!is_local(start.link->worker))
        self->attach_functor([link = start.link] { link->close(limits::worker_reattach_grace); });
    return {
        [diary = start.diary](const assign& message) {
            for (const std::uint32_t i : message.indexes)
                diary->assigned.push_back(message.batch->starts[i].work.ref);
        },
        [diary = start.diary](const cancel_attempt& message) { diary->cancelled.push_back(message.ref); },
        [self, start](const revoke_attempt& message) {
            start.diary->revoked.push_back(message.ref);
            // This worker is well, whatever became of one attempt: its edge offers it again (worker_link).
            if (start.link->offer.slots > 0) self->send(start.link->journal, start.link->offer);
        },
        [](const present_attempts&) {}, // one shard, and no other primary
    };
}

dynamic_spec session_supervisor() {
    return {.start = dynamic_start<session_start>([](supervised_context& context, const session_start& start) {
                return start_result{context.spawn(session_actor, start)};
            }),
            .restart = restart_type::temporary,
            .kind = "session"};
}

std::string session_name(worker_id worker) { return "session-" + std::to_string(worker.value); }

// Far more than any test needs: actors that never come to rest fail the test instead of hanging it.
constexpr int rest_bound = 1'000'000;

} // namespace

void worker_session_link::close(milliseconds grace) {
    if (std::exchange(closed, true)) return;
    caf::anon_send(journal, worker_detached{worker});
    caf::anon_send(shard, executor_down{worker, grace});
}

virtual_shard::virtual_shard(const std::vector<job_type_spec>& types, backoff_spec job_actor_backoff,
                             milliseconds grow_after) {
    supervision s = *environment;
    s.wall_clock = [this] { return now(); };
    environment = std::make_shared<const supervision>(std::move(s));
    grow(tree(job_actor_backoff, grow_after));
    std::vector<op> ops{tenant_op{.tenant = tenant_id{1}, .spec = {.name = "acme", .types = {"*"}}},
                        tenant_op{.tenant = tenant_id{2}, .spec = {.name = "bolt", .types = {"*"}}}};
    for (const job_type_spec& type : types) {
        type_names_.push_back(type.name);
        ops.push_back(type_op{.type = type_id{static_cast<std::uint32_t>(type_names_.size())}, .spec = type});
    }
    propose(ops);
    settle();
}

// Before the store and the relays go, so that no actor looks at what is not there any more.
virtual_shard::~virtual_shard() {
    caf::anon_send_exit(root, caf::exit_reason::kill);
    settle();
}

// The order of runtime/node/node_tree.cpp, with `workers` for what is outside.
supervisor_spec virtual_shard::tree(backoff_spec job_actor_backoff, milliseconds grow_after) {
    const auto clock = [this] { return now(); };
    const auto journal_clock = [this] {
        if (fault == journal_fault::before_commit) {
            fault = journal_fault::none;
            throw std::runtime_error("the journal was told to fail before its commit");
        }
        return now();
    };
    const journal_options commit{.data = data.get(),
                                 .shard = test_shard,
                                 .clock = journal_clock,
                                 .on_commit = [this](const commit_report& report) { note(report); }};
    const auto jobs = std::make_shared<const job_actor_options>(
        job_actor_options{port(), shard.as<shard_handle>(), data.get(), clock, true, job_actor_backoff});
    const shard_options scheduler{.data = data.get(),
                                  .shard = test_shard,
                                  .journal = port(),
                                  .clock = clock,
                                  .tenants = tenants,
                                  .grow_after = grow_after};
    return {.strategy = strategy::rest_for_one,
            .intensity = {10, milliseconds{60'000}},
            .children = {
                {.id = "journal",
                 .start = detached_actor_of(journal_actor, commit, shard.as<shard_handle>()),
                 .address = journal},
                {.id = "shard",
                 .start = supervisor_of(shard_tree(scheduler, jobs, shard)),
                 .kind = child_kind::supervisor},
                {.id = "workers",
                 .start = dynamic_of(session_supervisor()),
                 .kind = child_kind::supervisor,
                 .address = sessions},
            }};
}

void virtual_shard::note(const commit_report& report) {
    machine = &report.machine;
    commit_note& n = commits.emplace_back();
    for (const start_effect& start : report.output.starts) n.started.push_back(start.work.ref);
    n.ended = report.output.ends;
    n.stale = report.output.stale_reports;
    if (fault != journal_fault::after_commit) return;
    fault = journal_fault::none;
    throw std::runtime_error("the journal was told to fail after its commit");
}

// ---- time
// ---------------------------------------------------------------------------------------------------------

instant virtual_shard::now() const {
    const auto since = scheduler.clock().now().time_since_epoch();
    return test_start + std::chrono::floor<microseconds>(since);
}

void virtual_shard::pass(microseconds time) {
    settle();
    const auto& clock = scheduler.clock();
    const auto end = clock.current_time + time;
    for (int rounds = 0; !clock.schedule().empty() && clock.schedule().begin()->first <= end; ++rounds) {
        if (rounds == rest_bound) BOOST_FAIL("the actors never come to rest");
        const auto due = std::max(clock.schedule().begin()->first, clock.current_time);
        scheduler.advance_time(due - clock.current_time);
        settle();
    }
    scheduler.advance_time(end - clock.current_time);
    settle();
}

void virtual_shard::drain(std::mt19937_64& random) {
    int steps = 0;
    while (step(random))
        if (++steps == rest_bound) BOOST_FAIL("the actors never come to rest");
}

bool virtual_shard::step(std::mt19937_64& random) {
    scheduler.advance_time(caf::timespan{0}); // what was asked for at once, or at a time that is over
    auto& jobs = scheduler.jobs;
    if (jobs.empty()) return false;
    const auto drawn = static_cast<std::ptrdiff_t>(random() % jobs.size());
    std::rotate(jobs.begin(), jobs.begin() + drawn, jobs.begin() + drawn + 1);
    scheduler.run_once();
    return true;
}

// ---- clients
// ------------------------------------------------------------------------------------------------------

heard_ptr virtual_shard::propose(const std::vector<op>& ops) {
    auto heard = std::make_shared<heard_answer>();
    const auto done = [heard](std::span<command_result> results) {
        ++heard->times;
        heard->results.assign(results.begin(), results.end());
    };
    port().propose(std::make_shared<proposal>(entry_of(ops), ops.size(), false, done));
    return heard;
}

job_id virtual_shard::new_id(tenant_id tenant) { return ids_.next(to_ms(now()), test_shard, tenant, 7); }

job_id virtual_shard::submit(type_id type, tenant_id tenant) {
    const job_id id = new_id(tenant);
    const auto answer = propose({submit_op{.job = id, .type = type}});
    settle();
    BOOST_REQUIRE_MESSAGE(answer->code() == errc::ok, to_string(answer->code()));
    return id;
}

errc virtual_shard::cancel(const job_id& id) {
    const auto answer = propose({cancel_op{id, ""}});
    settle();
    return answer->code();
}

// ---- workers
// ------------------------------------------------------------------------------------------------------

// The order is the edge's (runtime/edge/worker_service.cpp): known to the shard, then what it still runs, and only
// then its slots.
heard_ptr virtual_shard::attach(worker_id worker, std::uint32_t slots, const std::vector<attempt_ref>& running) {
    auto& diary = diaries[worker];
    diary = std::make_shared<worker_diary>();
    auto& link = links_[worker];
    link = std::make_shared<worker_session_link>(
        worker_session_link{worker, journal.as<journal_handle>(), shard.as<shard_handle>()});
    caf::anon_send(sessions.handle(), start_children{{{session_name(worker), session_start{link, diary}}}});
    settle();
    const std::set<std::string> types(type_names_.begin(), type_names_.end());
    heard_ptr answer = std::make_shared<heard_answer>();
    if (!running.empty()) {
        caf::anon_send(port().journal(), worker_attached{worker, types, 0});
        std::vector<op> ops;
        for (const attempt_ref& ref : running) ops.push_back(adopt_op{ref.job, ref.attempt, worker});
        answer = propose(ops);
        settle();
    }
    link->offer = {worker, types, slots};
    caf::anon_send(port().journal(), link->offer);
    settle();
    return answer;
}

void virtual_shard::hang_up(worker_id worker, milliseconds grace) {
    links_.at(worker)->close(grace);
    if (const caf::actor session = session_of(worker))
        caf::anon_send_exit(session, caf::exit_reason::user_shutdown);
}

caf::actor virtual_shard::session_of(worker_id worker) { return find_in(sessions.handle(), session_name(worker)); }

heard_ptr virtual_shard::report(worker_id worker, const attempt_ref& ref, outcome what) {
    return propose({report_op{.job = ref.job, .attempt = ref.attempt, .what = what, .worker = worker}});
}

void virtual_shard::heartbeat(const attempt_ref& ref) {
    caf::anon_send(shard.as<shard_handle>(), attempt_heard{ref});
    settle();
}

// ---- what there is
// ------------------------------------------------------------------------------------------------

void virtual_shard::require_sound() {
    const auto answer = propose({tick_op{}}); // the journal that lives now says which machine is its own
    settle();
    BOOST_REQUIRE_EQUAL(answer->times, 1);
    testing::require_sound(*data->begin_read(), *machine);
}

job_view virtual_shard::job(const job_id& id) {
    const auto found = read_job(*data->begin_read(), id);
    BOOST_REQUIRE(found.has_value());
    return *found;
}

std::string virtual_shard::path_of(const job_id& id) const {
    return "node/shard/tenants/" + std::string{id.tenant() == tenant_id{1} ? "acme" : "bolt"} + "/job-" +
           to_string(id);
}

caf::actor virtual_shard::job_actor_of(const job_id& id) {
    const caf::actor tenant = find_in(tenants.handle(), id.tenant() == tenant_id{1} ? "acme" : "bolt");
    return tenant ? find_in(tenant, "job-" + to_string(id)) : nullptr;
}

bool virtual_shard::fail_job_actor(const job_id& id) {
    const caf::actor guard = job_actor_of(id);
    if (guard) caf::anon_send(caf::actor_cast<job_handle>(guard), fail_on_purpose{});
    settle();
    return static_cast<bool>(guard);
}

} // namespace coppice::testing
