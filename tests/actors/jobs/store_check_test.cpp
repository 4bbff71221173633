// The check finds what is wrong, and nothing where nothing is.
#include "tests/actors/jobs/damaged_world.hpp"

namespace coppice::testing {
namespace {

// After the damage there are findings, and one of them says both words.
void finds(const std::function<void(populated&)>& damage, const std::function<job_id(populated&)>& about,
           const std::string& what) {
    populated w;
    BOOST_REQUIRE(w.check().findings.empty());
    damage(w);
    const auto findings = w.check().findings;
    const std::string id = about ? to_string(about(w)) : "";
    const bool found = std::ranges::any_of(findings, [&](const std::string& f) {
        return f.find(what) != std::string::npos && f.find(id) != std::string::npos;
    });
    std::string all;
    for (const auto& f : findings) all += f + "\n";
    BOOST_TEST(found, "wanted \"" << what << "\", found:\n" << all);
}

const auto queued = [](populated& w) { return w.queued; };
const auto running = [](populated& w) { return w.running; };
const auto scheduled = [](populated& w) { return w.scheduled; };
const auto blocked = [](populated& w) { return w.blocked; };
const auto succeeded = [](populated& w) { return w.succeeded; };
const auto failed = [](populated& w) { return w.failed; };
const auto rejected = [](populated& w) { return w.rejected; };

} // namespace

BOOST_AUTO_TEST_SUITE(checking_a_store)

BOOST_AUTO_TEST_CASE(a_sound_store_gives_no_findings_and_every_row_is_looked_at) {
    populated w;
    const check_report r = w.check();
    BOOST_TEST(r.findings.empty());
    std::uint64_t rows = 0;
    for (const table t : {table::tenants, table::types, table::counters, table::jobs, table::payloads,
                          table::results, table::queue, table::running, table::timers, table::dependents,
                          table::idempotency, table::logs, table::evidence, table::events})
        rows += w.rows(t);
    BOOST_TEST(r.rows == rows);
    BOOST_TEST(check_store(*w.data().begin_read(), shard_id{6}).rows == 0U);
}

BOOST_AUTO_TEST_CASE(a_missing_index_row_is_found) {
    finds([](populated& w) { w.erase_first(table::queue); }, queued, "not in the queue");
    finds([](populated& w) { w.erase_first(table::running); }, running, "without a running row");
    finds([](populated& w) { w.erase_first(table::dependents); }, blocked, "blocked with 1");
    finds([](populated& w) { w.erase_first(table::dependents); }, running, "1 children in its row, 0");
    finds(
        [](populated& w) {
            const auto due = from_us(w.job(w.scheduled).due_us);
            w.damage(
                [&](tables& t) { t.erase(table::timers, keys::timer(due, keys::timer_kind::ready, w.scheduled)); });
        },
        scheduled, "without a ready timer");
}

BOOST_AUTO_TEST_CASE(an_index_row_that_does_not_fit_is_found) {
    finds([](populated& w) { w.change(w.queued, [](auto row) { row.setPriority(1); }); }, queued,
          "a place that is not its own");
    finds(
        [](populated& w) {
            w.change(w.running, [](auto row) {
                row.setAttempt(2);
                row.setTries(1);
            });
        },
        running, "says something else");
    finds([](populated& w) { w.change(w.running, [](auto row) { row.setWorker(77); }); }, running,
          "says something else");
    finds([](populated& w) { w.change(w.scheduled, [](auto row) { row.setDueUs(row.getDueUs() + 1); }); },
          scheduled, "not scheduled for it");
    finds(
        [](populated& w) {
            w.damage([&](tables& t) {
                t.put(table::timers, keys::timer(w.now(), keys::timer_kind::resolve_children, w.running), {});
            });
        },
        running, "it has not ended");
    finds(
        [](populated& w) {
            w.damage([&](tables& t) { t.put(table::queue, keys::queue(w.failed, type_id{1}, 7), {}); });
        },
        failed, "in the queue at a place that is not its own");
    finds(
        [](populated& w) {
            w.damage([&](tables& t) { t.put(table::dependents, keys::dependent(w.queued, w.failed), {}); });
        },
        failed, "did not name");
    finds(
        [](populated& w) {
            w.damage([&](tables& t) { t.put(table::queue, keys::queue(w.new_id(), type_id{1}, 7), {}); });
        },
        {}, "no such job");
}

BOOST_AUTO_TEST_CASE(a_state_that_was_changed_by_hand_is_found) {
    finds([](populated& w) { w.change(w.queued, [](auto row) { row.setState(job_state::BLOCKED); }); }, queued,
          "blocked with 0 parents");
    finds([](populated& w) { w.change(w.queued, [](auto row) { row.setState(job_state::SUCCEEDED); }); }, queued,
          "ended without evidence");
    finds([](populated& w) { w.change(w.succeeded, [](auto row) { row.setState(job_state::FAILED); }); }, succeeded,
          "says something else than its row");
    finds([](populated& w) { w.change(w.succeeded, [](auto row) { row.setState(job_state::QUEUED); }); }, succeeded,
          "not ended, but with evidence");
    finds([](populated& w) { w.change(w.queued, [](auto row) { row.setState(static_cast<job_state>(99)); }); },
          queued, "no known number");
    finds([](populated& w) { w.change(w.queued, [](auto row) { row.setCancelRequested(true); }); }, queued,
          "told to stop");
}

BOOST_AUTO_TEST_CASE(counters_that_do_not_count_are_found) {
    finds([](populated& w) { w.change(w.queued, [](auto row) { row.setType(9); }); }, {}, "jobs, but no counters");
    finds([](populated& w) { w.change(w.queued, [](auto row) { row.setType(9); }); }, queued,
          "type is not declared");
    finds([](populated& w) { w.change(w.failed, [](auto row) { row.setState(job_state::CANCELLED); }); }, {},
          "1 jobs counted as failed, there are 0");
    finds([](populated& w) { w.erase_first(table::counters); }, {}, "jobs, but no counters");
}

BOOST_AUTO_TEST_CASE(attempt_numbers_that_do_not_add_up_are_found) {
    finds([](populated& w) { w.change(w.running, [](auto row) { row.setTries(5); }); }, running, "after 5 tries");
    finds([](populated& w) { w.change(w.failed, [](auto row) { row.getHistory()[0].setAttempt(9); }); }, failed,
          "don't grow");
}

BOOST_AUTO_TEST_CASE(missing_or_other_evidence_and_events_are_found) {
    finds([](populated& w) { w.erase_first(table::evidence); }, succeeded, "ended without evidence");
    finds([](populated& w) { w.change(w.failed, [](auto row) { row.setEvidence(1); }); }, failed,
          "that the job does not name");
    finds(
        [](populated& w) { w.damage([](tables& t) { t.erase(table::evidence, keys::evidence(test_shard, 2)); }); },
        {}, "a gap in the evidence");
    finds([](populated& w) { w.damage([](tables& t) { t.erase(table::events, keys::event(test_shard, 2)); }); }, {},
          "don't tell the same end");
    finds([](populated& w) { w.damage([](tables& t) { t.erase(table::events, keys::event(test_shard, 4)); }); },
          rejected, "don't tell the same end");
    finds(
        [](populated& w) {
            for (int i = 0; i < 4; ++i) w.erase_first(table::events);
        },
        rejected, "the event feed is empty");
}

BOOST_AUTO_TEST_CASE(bytes_and_keys_that_lead_nowhere_are_found) {
    finds([](populated& w) { w.damage([&](tables& t) { t.erase(table::payloads, keys::job(w.queued)); }); }, queued,
          "payload is not where");
    finds([](populated& w) { w.erase_first(table::results); }, succeeded, "its result has 0 bytes");
    finds([](populated& w) { w.damage([&](tables& t) { t.put(table::results, keys::job(w.failed), {}); }); },
          failed, "a result apart that no job has");
    finds([](populated& w) { w.change(w.succeeded, [](auto row) { row.setIdempotencyKey("other"); }); }, succeeded,
          "not its own");
    finds([](populated& w) { w.damage([&](tables& t) { t.put(table::logs, keys::log(w.failed, 9, 0), {}); }); },
          failed, "attempt 9, which it never had");
}

BOOST_AUTO_TEST_CASE(a_row_that_can_not_be_read_is_a_finding) {
    finds(
        [](populated& w) {
            w.damage([&](tables& t) {
                t.put(table::jobs, keys::job(w.queued), as_bytes_view("\xff\xff\xff\x7f 1234567"));
            });
        },
        {}, "can't be read");
}

BOOST_AUTO_TEST_CASE(findings_are_bounded) {
    populated w;
    for (int i = 0; i < 20; ++i)
        w.damage([&](tables& t) { t.put(table::queue, keys::queue(w.new_id(), type_id{1}, 7), {}); });
    BOOST_TEST(check_store(*w.data().begin_read(), test_shard, 5).findings.size() == 5U);
    BOOST_TEST(w.check().findings.size() == 20U);
}

// Bytes of any row turned at random: the check ends, and does not throw.
BOOST_AUTO_TEST_CASE(no_damage_to_a_row_stops_the_check) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    std::mt19937_64 random{seed};
    populated w;
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
        for (int round = 0; round < 3000; ++round) {
            const auto t = w.data().begin_write();
            static constexpr std::array damaged{table::jobs,   table::running,    table::evidence,
                                                table::events, table::counters,   table::tenants,
                                                table::types,  table::idempotency};
            const table of = damaged[random() % damaged.size()];
            auto r = t->seek(of, keys::shard(test_shard));
            for (std::size_t skip = random() % 8; skip > 0 && r; --skip) r = t->next(of);
            if (!r) continue;
            const bytes key{r->key.begin(), r->key.end()};
            bytes value{r->value.begin(), r->value.end()};
            if (random() % 4 == 0) value.resize(1 + random() % value.size());
            for (std::size_t n = 1 + random() % 8; n > 0 && !value.empty(); --n)
                value[random() % value.size()] = static_cast<std::byte>(random() % 4 == 0 ? 255 : random());
            t->put(of, key, value);
            check_store(*t, test_shard);
        }
    }
    BOOST_TEST(w.check().findings.empty()); // none of it was committed
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
