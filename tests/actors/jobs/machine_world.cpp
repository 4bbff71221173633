#include "tests/actors/jobs/machine_world.hpp"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "actors/journal/batch_rules.hpp"

namespace coppice::testing {
namespace {

constexpr std::array every_table{
    table::meta,        table::declared,  table::tenants,  table::types,   table::counters,    table::jobs,
    table::payloads,    table::results,   table::queue,    table::running, table::timers,      table::dependents,
    table::idempotency, table::logs,      table::evidence, table::events,  table::checkpoints, table::unique,
    table::graphs,      table::schedules, table::batches};

bool same(bytes_view a, bytes_view b) { return std::ranges::equal(a, b); }

} // namespace

std::uint64_t seed_or(std::uint64_t otherwise) {
    const char* given = std::getenv("COPPICE_SEED");
    return given == nullptr ? otherwise : std::strtoull(given, nullptr, 10);
}

std::optional<job_view> read_job(read_tables& from, const job_id& id) {
    const auto stored = from.get(table::jobs, keys::job(id));
    if (!stored) return std::nullopt;
    record_reader<rec::JobRow> reader;
    const auto r = reader.read(*stored);
    job_view v{.state = r.getState(),
               .attempt = r.getAttempt(),
               .tries = r.getTries(),
               .lost = r.getLost(),
               .children = r.getChildren(),
               .parents_pending = r.getParentsPending(),
               .code = errc_from_number(r.getErrorCode()),
               .message = r.getErrorMessage().cStr(),
               .result = {reinterpret_cast<const char*>(r.getResult().begin()), r.getResult().size()},
               .ready_us = r.getReadyUs(),
               .due_us = r.getDueUs(),
               .started_us = r.getStartedUs(),
               .finished_us = r.getFinishedUs(),
               .evidence = r.getEvidence(),
               .worker = r.getWorker(),
               .revision = r.getRevision(),
               .result_size = r.getResultSize(),
               .cancel_requested = r.getCancelRequested(),
               .history = r.getHistory().size()};
    if (v.history > 0) v.last_end = r.getHistory()[r.getHistory().size() - 1].getMessage().cStr();
    return v;
}

std::uint64_t count_rows(read_tables& from, table t, bytes_view prefix) {
    std::uint64_t n = 0;
    for (auto r = from.seek(t, prefix); r && has_prefix(r->key, prefix); r = from.next(t)) ++n;
    return n;
}

std::string difference(read_tables& a, read_tables& b) {
    for (const table t : every_table) {
        if (t == table::meta) continue; // the format version is LMDB's alone
        auto ra = a.seek(t, {});
        auto rb = b.seek(t, {});
        std::uint64_t n = 0;
        for (; ra && rb; ra = a.next(t), rb = b.next(t), ++n)
            if (!same(ra->key, rb->key) || !same(ra->value, rb->value))
                return std::string{to_string(t)} + ", row " + std::to_string(n);
        if (ra || rb) return std::string{to_string(t)} + ": rows that only one has, after " + std::to_string(n);
    }
    return {};
}

void require_sound(read_tables& from, const shard_machine& machine) {
    const check_report report = check_store(from, machine.shard());
    if (!report.findings.empty()) BOOST_FAIL("store check: " + report.findings.front());
    std::map<std::uint64_t, std::uint32_t> running;
    record_reader<rec::RunningRow> reader;
    const row_key prefix = keys::shard(machine.shard());
    std::uint64_t all = 0;
    for (auto r = from.seek(table::running, prefix); r && has_prefix(r->key, prefix);
         r = from.next(table::running)) {
        const auto row = reader.read(r->value);
        running[row.getWorker()] += slots_of(row);
        all += slots_of(row);
    }
    BOOST_REQUIRE_EQUAL(machine.pool().held(), all);
    for (const auto& [worker, held] : running) BOOST_REQUIRE_EQUAL(machine.pool().held(worker_id{worker}), held);
    std::uint64_t free = 0;
    for (const auto& [id, w] : machine.pool().workers()) free += w.free();
    BOOST_REQUIRE_EQUAL(machine.pool().free_slots(), free);
}

const batch_output& world::run(const std::vector<op>& ops, bool plan) {
    const auto transaction = data_->begin_write();
    out_.clear();
    machine_->begin(*transaction, now_, out_);
    const auto flat = entry_of(ops);
    capnp::FlatArrayMessageReader message(flat, {.traversalLimitInWords = std::uint64_t{1} << 30});
    machine_->apply(message.getRoot<cmd::Entry>());
    if (plan) machine_->plan(4096);
    machine_->finish();
    BOOST_REQUIRE(transaction->commit().has_value());
    BOOST_REQUIRE_EQUAL(out_.results.size(), ops.size());
    for (const change_effect& c : out_.changes)
        BOOST_REQUIRE(!c.from ? may_start_in(c.to) : c.from == c.to || may_move(*c.from, c.to));
    if (must_be_sound) require_sound(*data_->begin_read(), *machine_);
    return out_;
}

void world::upkeep() {
    for (int rounds = 0; rounds < 1000; ++rounds) {
        const auto due = machine_->next_due(*data_->begin_read());
        if (!due || *due > now_) return;
        const auto proposals = upkeep_of(*machine_, due, now_, 1'000'000);
        const auto transaction = data_->begin_write();
        out_.clear();
        machine_->begin(*transaction, now_, out_);
        for (const proposal_ptr& p : proposals) BOOST_REQUIRE(apply_proposal(*p, *machine_, out_));
        machine_->plan(4096);
        machine_->finish();
        BOOST_REQUIRE(transaction->commit().has_value());
        require_sound(*data_->begin_read(), *machine_);
    }
    BOOST_FAIL("what is due never ends");
}

void world::declare_usual() {
    job_type_spec build;
    build.name = "build";
    build.retry = {milliseconds{0}, milliseconds{0}};
    run({tenant_op{.spec = {.name = "acme", .types = {"*"}}}, type_op{.spec = build}});
}

job_id world::submit(submit_op s) {
    if (s.job.is_nil()) s.job = new_id();
    const command_result r = one(s);
    BOOST_REQUIRE_MESSAGE(r.code == errc::ok, to_string(r.code) << ": " << r.detail);
    return r.job;
}

command_result world::report(const job_id& id, outcome what, report_op r) {
    r.job = id;
    r.attempt = job(id).attempt;
    r.what = what;
    return one(r);
}

job_view world::job(const job_id& id) {
    const auto found = read_job(*data_->begin_read(), id);
    BOOST_REQUIRE(found.has_value());
    return *found;
}

std::vector<world::proof> world::evidence() {
    std::vector<proof> found;
    const auto tables = data_->begin_read();
    record_reader<rec::EvidenceRow> reader;
    const row_key prefix = keys::shard(test_shard);
    for (auto r = tables->seek(table::evidence, prefix); r && has_prefix(r->key, prefix);
         r = tables->next(table::evidence)) {
        const auto e = reader.read(r->value);
        found.push_back({e.getKind(), e.getState(), errc_from_number(e.getCode()), e.getDetail().cStr()});
    }
    return found;
}

void world::reload() {
    machine_ = std::make_unique<shard_machine>(test_shard);
    machine_->load(*data_->begin_read());
}

} // namespace coppice::testing
