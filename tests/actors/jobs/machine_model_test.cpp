// The machine against the model: random histories, on memory and on LMDB in lock-step, with reloads and
// transactions that come to nothing. A third machine is made anew from its store before each batch, and is told the
// starts as commands: what a replica would do.
#include <algorithm>
#include <deque>

#include "tests/actors/jobs/random_history.hpp"
#include "tests/persistence/store_fixture.hpp"

namespace coppice::testing {
namespace {

// A machine, its store, and what it gave last.
struct side {
    std::unique_ptr<store> data;
    std::unique_ptr<shard_machine> machine;
    batch_output out;

    void reload(const std::vector<model_worker>& workers) {
        machine = std::make_unique<shard_machine>(test_shard);
        machine->load(*data->begin_read());
        for (const model_worker& w : workers) {
            machine->attach_worker(w.id, w.types, w.slots);
            if (w.draining) machine->drain_worker(w.id);
        }
    }
    void apply(const std::vector<op>& ops) {
        const auto flat = entry_of(ops);
        capnp::FlatArrayMessageReader message(flat, {.traversalLimitInWords = std::uint64_t{1} << 30});
        machine->apply(message.getRoot<cmd::Entry>());
    }
    void batch(const std::vector<op>& ops, instant now, bool plan, bool keep) {
        const auto transaction = data->begin_write();
        out.clear();
        machine->begin(*transaction, now, out);
        apply(ops);
        if (plan) machine->plan(4096);
        machine->finish();
        if (keep) {
            BOOST_REQUIRE(transaction->commit().has_value());
            return;
        }
        transaction->abort();
        machine->load(*data->begin_read());
    }
};

void compare_with_model(read_tables& rows, const job_model& model) {
    for (const model_job& j : model.jobs()) {
        const auto row = read_job(rows, j.id);
        BOOST_REQUIRE_MESSAGE(row.has_value(), to_string(j.id) << " is missing");
        const bool same = row->state == j.state && row->attempt == j.attempt && row->tries == j.tries &&
                          row->lost == j.lost && row->cancel_requested == j.cancel_requested &&
                          (j.state != job_state::RUNNING || row->worker == j.worker.value) &&
                          (j.state != job_state::SCHEDULED || row->due_us == to_us(j.due)) &&
                          (j.state != job_state::QUEUED || row->ready_us == to_us(j.ready)) &&
                          row->result_size == j.result.size();
        BOOST_REQUIRE_MESSAGE(same, to_string(j.id)
                                        << ": the machine says " << to_string(row->state) << " attempt "
                                        << row->attempt << " tries " << row->tries << " lost " << row->lost
                                        << " due " << row->due_us << " ready " << row->ready_us << "; the model "
                                        << to_string(j.state) << " " << j.attempt << " " << j.tries << " " << j.lost
                                        << " due " << to_us(j.due) << " ready " << to_us(j.ready));
    }
    const row_key shard = keys::shard(test_shard);
    BOOST_REQUIRE_EQUAL(count_rows(rows, table::jobs, shard), model.jobs().size());
    BOOST_REQUIRE_EQUAL(count_rows(rows, table::evidence, shard), model.evidence());
    BOOST_REQUIRE_EQUAL(count_rows(rows, table::timers, shard), model.timers());
}

class lock_step {
  public:
    // With an LMDB store in `directory`, if one is given.
    lock_step(std::uint64_t seed, const std::filesystem::path& directory) {
        h_.random.seed(seed);
        memory_.data = make_memory_store();
        replica_.data = make_memory_store();
        if (!directory.empty()) {
            lmdb_.data = open_or_fail(options_for(directory));
            sides_.push_back(&lmdb_);
        }
        for (side* s : sides_) s->reload({});
        std::vector<op> first;
        for (std::uint32_t n = 1; n <= 3; ++n) first.push_back(h_.a_tenant(n));
        for (std::uint32_t n = 1; n <= 4; ++n) first.push_back(h_.a_type(n));
        commit(first, true);
    }

    void step(int number) {
        h_.pass_time();
        if (h_.one_in(4)) change_workers();
        if (h_.one_in(12)) {
            for (side* s : sides_) s->reload(h_.model.workers());
            h_.model.restarted();
        }
        if (h_.one_in(15)) come_to_nothing();
        std::vector<op> ops;
        for (std::size_t n = h_.one_in(3) ? h_.below(25) : 1 + h_.below(4); n > 0; --n) ops.push_back(h_.any_op());
        commit(ops, !h_.one_in(6));
        if (number % 20 != 0 || !lmdb_.data) return;
        const std::string differs = difference(*memory_.data->begin_read(), *lmdb_.data->begin_read());
        BOOST_REQUIRE_MESSAGE(differs.empty(), "memory and LMDB: " << differs);
    }

    std::array<std::uint64_t, job_state_count> census() const {
        std::array<std::uint64_t, job_state_count> n{};
        for (const model_job& j : h_.model.jobs()) ++n[index_of(j.state)];
        return n;
    }

  private:
    void change_workers() {
        const std::size_t what = h_.below(4);
        if (what == 3 || (what == 2 && h_.model.workers().size() < 2)) {
            model_worker w{worker_id{++h_.workers_made}, {}, static_cast<std::uint32_t>(h_.below(5)), false};
            for (const std::string& name : type_names)
                if (h_.one_in(2)) w.types.insert(name);
            if (h_.model.workers().size() > 4) detach(h_.model.workers().front().id);
            h_.model.attach(w);
            for (side* s : sides_) s->machine->attach_worker(w.id, w.types, w.slots);
        } else if (what == 2) {
            detach(h_.any_worker());
        } else if (what == 1 && h_.one_in(3)) {
            const worker_id id = h_.any_worker();
            h_.model.drain(id);
            for (side* s : sides_) s->machine->drain_worker(id);
        } else if (!h_.model.workers().empty()) { // an attached worker says anew what it can do
            model_worker w = h_.model.workers()[h_.below(h_.model.workers().size())];
            w.slots = static_cast<std::uint32_t>(h_.below(5));
            h_.model.attach(w);
            for (side* s : sides_) s->machine->attach_worker(w.id, w.types, w.slots);
        }
    }
    void detach(worker_id id) {
        h_.model.detach(id);
        for (side* s : sides_) s->machine->detach_worker(id);
    }

    void come_to_nothing() {
        random_history what_if = h_;
        std::vector<op> ops;
        for (std::size_t n = 1 + h_.below(10); n > 0; --n) ops.push_back(what_if.any_op());
        h_.model.set_clock(h_.clock);
        for (side* s : sides_) s->batch(ops, h_.clock, true, false);
        h_.model.forget_meters();
        require_sound(*memory_.data->begin_read(), *memory_.machine);
    }

    void commit(const std::vector<op>& ops, bool plan) {
        h_.model.set_clock(h_.clock);
        for (side* s : sides_) s->batch(ops, h_.clock, plan, true);
        BOOST_REQUIRE(memory_.machine->now() == h_.model.now());
        BOOST_REQUIRE_EQUAL(memory_.out.results.size(), ops.size());
        for (std::size_t i = 0; i < ops.size(); ++i) {
            const job_model::answer expected = h_.model.apply(ops[i]);
            const command_result& given = memory_.out.results[i];
            BOOST_REQUIRE_MESSAGE(given.code == expected.code && given.existing == expected.existing &&
                                      (expected.job.is_nil() || given.job == expected.job),
                                  "command " << i << " of kind " << ops[i].index() << ": the machine says "
                                             << to_string(given.code) << " (" << given.detail << "), the model "
                                             << to_string(expected.code));
        }
        judge_starts(ops, plan);
        compare_with_model(*memory_.data->begin_read(), h_.model);
        require_sound(*memory_.data->begin_read(), *memory_.machine);
        follow(ops);
    }

    void judge_starts(const std::vector<op>& ops, bool plan) {
        std::size_t commanded = 0; // starts by command come first, and the model did those
        for (std::size_t i = 0; i < ops.size(); ++i)
            if (std::holds_alternative<start_op>(ops[i]) && memory_.out.results[i].code == errc::ok) ++commanded;
        planned_.clear();
        if (plan) h_.model.keep(memory_.machine->pool().kept());
        for (std::size_t i = commanded; i < memory_.out.starts.size(); ++i) {
            const start_effect& s = memory_.out.starts[i];
            const std::string wrong = h_.model.judge_start(s);
            BOOST_REQUIRE_MESSAGE(wrong.empty(), "start of " << to_string(s.work.ref.job) << ": " << wrong);
            planned_.push_back(start_op{s.work.ref.job, s.worker});
        }
        if (!plan) return;
        const std::string wrong = h_.model.judge_kept();
        BOOST_REQUIRE_MESSAGE(wrong.empty(), wrong);
        const job_id forgotten = h_.model.startable();
        BOOST_REQUIRE_MESSAGE(forgotten.is_nil(), to_string(forgotten) << " could start, and nobody started it");
    }

    void follow(std::vector<op> ops) {
        ops.insert(ops.end(), planned_.begin(), planned_.end());
        replica_.reload({});
        replica_.batch(ops, memory_.machine->now(), false, true);
        const std::string differs = difference(*memory_.data->begin_read(), *replica_.data->begin_read());
        BOOST_REQUIRE_MESSAGE(differs.empty(), "the machine and its replica: " << differs);
        require_sound(*replica_.data->begin_read(), *replica_.machine);
    }

    random_history h_;
    side memory_, lmdb_, replica_;
    std::vector<side*> sides_{&memory_};
    std::vector<op> planned_;
};

void run_history(std::uint64_t seed, int steps, const std::filesystem::path& directory = {}) {
    BOOST_TEST_MESSAGE("seed " << seed);
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
        lock_step both{seed, directory};
        for (int i = 1; i <= steps; ++i) BOOST_TEST_CONTEXT("step " << i) both.step(i);
        // A history that never reaches a state proves nothing about it.
        const auto census = both.census();
        for (const job_state s :
             {job_state::SUCCEEDED, job_state::FAILED, job_state::CANCELLED, job_state::REJECTED})
            BOOST_TEST(census[index_of(s)] > 0U, to_string(s));
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(machine_model, *boost::unit_test::label("one_thread"))

BOOST_AUTO_TEST_CASE(the_machine_and_the_model_agree_over_random_histories) {
    if (std::getenv("COPPICE_SEED") != nullptr) return run_history(seed_or(0), 250);
    for (std::uint64_t seed = 1; seed <= 6; ++seed) run_history(seed, 250);
    run_history(std::random_device{}(), 250);
}

BOOST_AUTO_TEST_CASE(the_machine_does_the_same_on_lmdb_row_for_row) {
    const scratch_directory directory;
    run_history(seed_or(std::random_device{}()), 200, directory.path());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
