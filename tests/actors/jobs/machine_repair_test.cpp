// Repairs: after any damage to rows that are derived from others, what the check finds is put right, and work goes
// on.
#include <map>

#include "schema/wire_ids.hpp"
#include "tests/actors/jobs/damaged_world.hpp"
#include "tests/actors/jobs/random_history.hpp"

namespace coppice::testing {
namespace {

using damage_to = std::function<void(populated&)>;

std::string all_of(const std::vector<std::string>& findings) {
    std::string all;
    for (const std::string& each : findings) all += each + "\n";
    return all;
}

// After the repair nothing is found, and the machine knows what a new one would.
void mends(const std::string& what, const damage_to& damage) {
    BOOST_TEST_CONTEXT(what) {
        populated w;
        damage(w);
        BOOST_TEST(!w.check().findings.empty());
        w.repair();
        BOOST_TEST(w.check().findings.empty(), all_of(w.check().findings));
        require_sound(*w.data().begin_read(), w.machine());
        BOOST_TEST((w.evidence().back().kind == rec::EvidenceRow::Kind::REPAIRED));
        const auto rows = w.evidence().size();
        w.repair(); // nothing is left to do
        BOOST_TEST(w.evidence().size() == rows);
    }
}

damage_to erasing(table of) {
    return [of](populated& w) { w.erase_first(of); };
}
damage_to putting(table of, const std::function<row_key(populated&)>& key) {
    return [of, key](populated& w) { w.damage([&](tables& t) { t.put(of, key(w), {}); }); };
}

// The states in which a world of one worker leaves its jobs, once all have ended.
std::map<job_state, int> run_to_the_end(populated& w) {
    w.attach(worker_id{9}, {"build"}, 4);
    for (int round = 0; round < 20; ++round) {
        w.pass(std::chrono::minutes{1});
        w.upkeep();
        for (const job_id& id : {w.running, w.queued, w.scheduled, w.blocked})
            if (w.exists(id) && w.job(id).state == job_state::RUNNING) w.report(id, outcome::SUCCEEDED);
    }
    std::map<job_state, int> ended;
    for (const job_id& id : {w.running, w.queued, w.scheduled, w.blocked}) ++ended[w.job(id).state];
    return ended;
}

} // namespace

BOOST_AUTO_TEST_SUITE(machine_repair)

BOOST_AUTO_TEST_CASE(rows_that_are_missing_are_made_anew) {
    for (const table of : {table::queue, table::running, table::timers, table::dependents, table::counters})
        mends("erased of " + std::string{to_string(of)}, erasing(of));
    mends("all timers", [](populated& w) {
        while (w.rows(table::timers) > 0) w.erase_first(table::timers);
    });
}

BOOST_AUTO_TEST_CASE(rows_that_lead_nowhere_are_erased) {
    mends("a place of an ended job",
          putting(table::queue, [](populated& w) { return keys::queue(w.failed, type_id{1}, 7); }));
    mends("a second place",
          putting(table::queue, [](populated& w) { return keys::queue(w.queued, type_id{1}, 7); }));
    mends("a place of no job",
          putting(table::queue, [](populated& w) { return keys::queue(w.new_id(), type_id{1}, 7); }));
    mends("a place of a job that is rejected",
          putting(table::queue, [](populated& w) { return keys::queue(w.rejected, type_id{1}, 7); }));
    for (const auto kind :
         {keys::timer_kind::ready, keys::timer_kind::queued_timeout, keys::timer_kind::job_timeout,
          keys::timer_kind::resolve_children, keys::timer_kind::forget_idempotency})
        mends("a timer",
              putting(table::timers, [kind](populated& w) { return keys::timer(w.now(), kind, w.running); }));
    mends("a bond that neither named",
          putting(table::dependents, [](populated& w) { return keys::dependent(w.queued, w.failed); }));
    mends("a bond to no job",
          putting(table::dependents, [](populated& w) { return keys::dependent(w.new_id(), w.blocked); }));
    for (const table of : {table::running, table::payloads, table::results, table::checkpoints}) {
        mends("a row of no job in " + std::string{to_string(of)},
              putting(of, [](populated& w) { return keys::job(w.new_id()); }));
        mends("a row of a job that has none in " + std::string{to_string(of)},
              putting(of, [](populated& w) { return keys::job(w.failed); }));
    }
    for (const table of : {table::queue, table::timers, table::running, table::idempotency})
        mends("a short key of " + std::string{to_string(of)},
              putting(of, [](populated&) { return keys::shard(test_shard).u8(1); }));
    for (const table of : {table::running, table::idempotency, table::unique, table::batches})
        mends("a row of " + std::string{to_string(of)} + " that can't be read", [of](populated& w) {
            w.damage([&](tables& t) {
                t.put(of, row_key{}.u16(test_shard.value).u32(1).id(w.succeeded), as_bytes_view("12345678901"));
            });
        });
    mends("lines of no job", putting(table::logs, [](populated& w) { return keys::log(w.new_id(), 1, 1); }));
}

BOOST_AUTO_TEST_CASE(a_row_that_says_something_else_is_made_anew_from_the_job) {
    mends("another priority", [](populated& w) { w.change(w.queued, [](auto row) { row.setPriority(1); }); });
    mends("another worker", [](populated& w) { w.change(w.running, [](auto row) { row.setWorker(77); }); });
    mends("another time",
          [](populated& w) { w.change(w.scheduled, [](auto row) { row.setDueUs(row.getDueUs() + 1); }); });
    mends("another number of children",
          [](populated& w) { w.change(w.running, [](auto row) { row.setChildren(7); }); });
    mends("another number of parents",
          [](populated& w) { w.change(w.blocked, [](auto row) { row.setParentsPending(7); }); });
    mends("another size", [](populated& w) { w.change(w.running, [](auto row) { row.setCheckpointSize(7); }); });
    mends("another key",
          [](populated& w) { w.change(w.succeeded, [](auto row) { row.setIdempotencyKey("other"); }); });
}

BOOST_AUTO_TEST_CASE(what_was_stuck_goes_on) {
    const std::vector<std::pair<std::string, damage_to>> stuck{
        {"queue", erasing(table::queue)},
        {"running", erasing(table::running)},
        {"dependents", erasing(table::dependents)},
        {"timers",
         [](populated& w) {
             w.damage([&](tables& t) {
                 t.erase(table::timers,
                         keys::timer(from_us(w.job(w.scheduled).due_us), keys::timer_kind::ready, w.scheduled));
             });
         }},
        {"parents", [](populated& w) { w.change(w.blocked, [](auto row) { row.setParentsPending(2); }); }}};
    for (const auto& [what, damage] : stuck) BOOST_TEST_CONTEXT(what) {
            populated w;
            damage(w);
            BOOST_TEST(!w.check().findings.empty());
            w.repair();
            BOOST_TEST(run_to_the_end(w)[job_state::SUCCEEDED] == 4);
        }
}

BOOST_AUTO_TEST_CASE(a_callback_waits_for_those_that_have_not_ended) {
    for (const int pending : {0, 1, 9}) BOOST_TEST_CONTEXT(pending) {
            populated w;
            graph_op graph{.jobs = {w.spec(), w.spec(), w.spec()}, .has_callback = true};
            for (submit_op& each : graph.jobs) each.version = 2;
            const job_id first = graph.jobs[0].job, callback = graph.jobs[2].job;
            w.one(graph);
            w.one(cancel_op{graph.jobs[1].job, ""});
            w.damage([&](tables& t) {
                record_writer<rec::BatchRow> row;
                write_id(callback, row.init().initCallback());
                row.get().setPending(static_cast<std::uint32_t>(pending));
                if (pending == 0)
                    t.erase(table::batches, keys::job(first));
                else
                    row.put(t, table::batches, keys::job(first));
            });
            if (pending != 1) BOOST_TEST(!w.check().findings.empty());
            w.repair();
            BOOST_TEST(w.check().findings.empty(), all_of(w.check().findings));
            BOOST_TEST((w.job(callback).state == job_state::BLOCKED));
            w.one(cancel_op{first, ""});
            BOOST_TEST((w.job(callback).state == job_state::QUEUED));
        }
}

BOOST_AUTO_TEST_CASE(counters_are_counted_anew_whatever_became_of_them_meanwhile) {
    populated w;
    w.erase_first(table::counters);
    w.must_be_sound = false;
    w.submit({.version = 2}); // writes those that the machine has in memory
    w.must_be_sound = true;
    w.run({repair_op{.counters = tenant_id{1}}, repair_op{.counters = tenant_id{1}}}, false);
    BOOST_TEST(w.check().findings.empty(), all_of(w.check().findings));
    w.erase_first(table::counters);
    w.reload();
    w.repair();
    BOOST_TEST(w.check().findings.empty(), all_of(w.check().findings));
    BOOST_TEST(w.evidence().back().detail == "counters of tenant acme: found by the check");
}

BOOST_AUTO_TEST_CASE(evidence_says_who_repaired_what_and_why) {
    populated w;
    w.erase_first(table::queue);
    w.repair();
    const auto last = w.evidence().back();
    BOOST_TEST((last.kind == rec::EvidenceRow::Kind::REPAIRED));
    BOOST_TEST(last.detail == "its place in the queue: found by the check");
}

BOOST_AUTO_TEST_CASE(a_repair_of_what_is_right_changes_nothing) {
    populated w;
    std::vector<op> ops;
    w.data().begin_read();
    for (const table of : {table::queue, table::timers, table::dependents, table::idempotency}) {
        const auto t = w.data().begin_read();
        for (auto r = t->seek(of, keys::shard(test_shard)); r && has_prefix(r->key, keys::shard(test_shard));
             r = t->next(of))
            ops.push_back(repair_op{.job = w.queued, .rows = {{of, {r->key.begin(), r->key.end()}}}});
    }
    for (const job_id& id :
         {w.succeeded, w.failed, w.running, w.queued, w.scheduled, w.blocked, w.cancelled, w.rejected})
        ops.push_back(repair_op{.job = id});
    BOOST_REQUIRE(ops.size() > 12U);
    const auto before = make_memory_store();
    const auto rows = w.evidence().size();
    const auto timers = w.rows(table::timers);
    w.run(ops, false);
    BOOST_TEST(w.evidence().size() == rows);
    BOOST_TEST(w.rows(table::timers) == timers);
    BOOST_TEST(w.check().findings.empty());
}

BOOST_AUTO_TEST_CASE(a_parent_that_is_named_twice_is_waited_for_once) {
    world w;
    w.declare_usual();
    w.attach(worker_id{1}, {"build"}, 1);
    const job_id parent = w.submit();
    const job_id child = w.submit(w.spec({parent, parent}));
    const auto rows = w.evidence().size();
    w.run({repair_op{.job = child}});
    BOOST_TEST(w.evidence().size() == rows);
    w.report(parent, outcome::SUCCEEDED);
    BOOST_TEST((w.job(child).state == job_state::RUNNING));
}

BOOST_AUTO_TEST_CASE(what_is_no_repair_is_refused_or_does_nothing) {
    populated w;
    const job_id elsewhere = job_id::make(1, shard_id{6}, tenant_id{1}, 1);
    BOOST_TEST((w.one(repair_op{.job = elsewhere}).code == errc::invalid_argument));
    repair_op many{.job = w.queued};
    many.rows.resize(limits::repair_rows_max + 1, {table::queue, bytes(8)});
    BOOST_TEST((w.one(many).code == errc::invalid_argument));
    BOOST_TEST((w.one(repair_op{.counters = tenant_id{77}}).code == errc::invalid_argument));
    for (const table of : {table::jobs, table::evidence, table::tenants, static_cast<table>(200)}) {
        const auto t = w.data().begin_read();
        const auto r = t->seek(table::jobs, keys::shard(test_shard));
        w.one(repair_op{.job = w.queued, .rows = {{of, {r->key.begin(), r->key.end()}}}});
    }
    BOOST_TEST(w.check().findings.empty(), all_of(w.check().findings));
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_left_and_told) {
    populated w;
    w.damage([&](tables& t) {
        t.put(table::jobs, keys::job(w.running), as_bytes_view("\xff\xff\xff\x7f 1234567"));
        t.erase(table::dependents, keys::dependent(w.running, w.blocked));
    });
    w.must_be_sound = false;
    for (const job_id& id : {w.running, w.blocked}) // itself, and the one that it waits for
        BOOST_TEST((w.one(repair_op{.job = id}, false).code == errc::store_damaged));
    w.damage([&](tables& t) { t.put(table::running, keys::job(w.queued), as_bytes_view("1234567")); });
    BOOST_TEST((w.one(repair_op{.job = w.queued}, false).code == errc::ok));
    BOOST_TEST(!w.data().begin_read()->get(table::running, keys::job(w.queued)).has_value());
    BOOST_TEST((w.one(repair_op{.counters = tenant_id{1}}, false).code == errc::ok)); // all but that one
}

// Rows of every derived table erased, moved and made up at random: what the check finds, a repair puts right.
BOOST_AUTO_TEST_CASE(any_damage_to_derived_rows_is_put_right) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
        for (std::uint64_t round = 0; round < 60; ++round) {
            std::mt19937_64 random{seed + round};
            populated w;
            for (std::size_t more = random() % 6; more > 0; --more)
                w.submit({.version = 2,
                          .after = random() % 2 == 0 ? std::vector{w.queued} : std::vector{w.blocked, w.running}});
            static constexpr std::array derived{table::queue,      table::running,  table::timers,
                                                table::dependents, table::counters, table::payloads,
                                                table::checkpoints};
            for (std::size_t n = 1 + random() % 6; n > 0; --n) {
                const table of = derived[random() % derived.size()];
                const bool erases = random() % 2 == 0 && of != table::payloads;
                w.damage([&](tables& t) {
                    auto r = t.seek(of, keys::shard(test_shard));
                    for (std::size_t skip = random() % 8; skip > 0 && r; --skip) r = t.next(of);
                    if (!r || !has_prefix(r->key, keys::shard(test_shard))) return;
                    const bytes key{r->key.begin(), r->key.end()}, value{r->value.begin(), r->value.end()};
                    if (erases) t.erase(of, key);
                    if (erases || of == table::counters) return;
                    bytes other = key;
                    other[2 + random() % (other.size() - 2)] ^= std::byte{1}; // of the same shard
                    t.put(of, other, value);
                });
            }
            for (int again = 0; again < 4 && !w.check().findings.empty(); ++again) w.repair();
            BOOST_TEST(w.check().findings.empty(), "round " << round << ":\n" << all_of(w.check().findings));
            require_sound(*w.data().begin_read(), w.machine());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
