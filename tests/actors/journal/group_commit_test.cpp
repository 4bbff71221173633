#include "actors/journal/group_commit.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <random>
#include <thread>

#include "actors/jobs/store_check.hpp"
#include "tests/actors/journal/commit_bench.hpp"

namespace coppice::testing {

BOOST_AUTO_TEST_SUITE(group_committing)

BOOST_AUTO_TEST_CASE(each_proposal_gets_its_own_results_in_order_and_once) {
    commit_bench b;
    std::vector<std::pair<std::vector<op>, std::shared_ptr<heard>>> proposals;
    for (std::size_t n = 0; n < 20; ++n) {
        std::vector<op> ops;
        for (std::size_t i = 0; i < n % 5; ++i) ops.push_back(b.submission());
        if (n % 3 == 0) ops.push_back(cancel_op{b.submission().job, ""}); // of no job
        proposals.emplace_back(ops, b.propose(ops));
    }
    BOOST_REQUIRE(b.run() != nullptr);
    for (const auto& [ops, h] : proposals) {
        BOOST_TEST(h->answers == 1);
        BOOST_REQUIRE(h->results.size() == ops.size());
        for (std::size_t i = 0; i < ops.size(); ++i) {
            const auto* s = std::get_if<submit_op>(&ops[i]);
            BOOST_TEST((h->results[i].code == (s != nullptr ? errc::ok : errc::not_found)));
            if (s != nullptr) BOOST_TEST((h->results[i].job == s->job));
        }
    }
}

BOOST_AUTO_TEST_CASE(nobody_is_answered_before_the_commit) {
    commit_bench b;
    const submit_op s = b.submission();
    bool observed = false, answered = false;
    b.job_options.on_commit = [&](const commit_report& report) {
        observed = true;
        BOOST_TEST(!answered);
        BOOST_TEST(report.proposals == 1U);
        BOOST_TEST(report.commands == 1U);
    };
    b.commits = std::make_unique<group_commit>(b.job_options);
    std::vector<op> ops{s};
    b.waiting.push_back(std::make_shared<proposal>(entry_of(ops), 1, true, [&](std::span<command_result>) {
        answered = true;
        BOOST_TEST(observed);
        BOOST_TEST(b.has(s.job)); // in a transaction begun now: it was committed
    }));
    b.run();
    BOOST_TEST(answered);
}

BOOST_AUTO_TEST_CASE(a_proposal_that_is_dropped_is_answered_unknown_outcome_once) {
    commit_bench b;
    const auto h = b.propose({b.submission(), b.submission()});
    BOOST_TEST(h->answers == 0);
    b.waiting.clear();
    BOOST_TEST(h->answers == 1);
    BOOST_REQUIRE(h->results.size() == 2U);
    BOOST_TEST((h->results[1].code == errc::unknown_outcome));

    const auto answered = b.propose({b.submission()});
    b.run();
    BOOST_TEST(answered->answers == 1); // its end afterwards is not a second answer
}

BOOST_AUTO_TEST_CASE(a_job_is_submitted_and_started_in_one_commit_when_a_slot_is_free) {
    commit_bench b;
    b.commits->machine().attach_worker(worker_id{1}, {"build"}, 1);
    const submit_op s = b.submission();
    b.propose({s});
    const auto out = b.run();
    BOOST_REQUIRE(out != nullptr);
    BOOST_REQUIRE(out->starts.size() == 1U);
    BOOST_TEST((out->starts[0].work.ref == attempt_ref{s.job, 1}));
    b.require_sound();
}

BOOST_AUTO_TEST_CASE(without_proposals_a_run_starts_what_waits_or_changes_nothing) {
    commit_bench b;
    b.propose({b.submission()});
    b.run();
    BOOST_TEST(b.run() == nullptr);
    b.commits->machine().attach_worker(worker_id{1}, {"build"}, 1);
    const auto out = b.run();
    BOOST_REQUIRE(out != nullptr);
    BOOST_TEST(out->starts.size() == 1U);
    BOOST_TEST(b.run() == nullptr);
    b.require_sound();
}

BOOST_AUTO_TEST_CASE(it_says_when_the_next_timer_is_due) {
    commit_bench b;
    BOOST_TEST(!b.commits->next_due().has_value());
    submit_op s = b.submission();
    s.not_before_us = to_us(b.now + std::chrono::minutes{5});
    b.propose({s});
    b.run();
    BOOST_TEST((b.commits->next_due() == b.now + std::chrono::minutes{5}));
    BOOST_TEST((group_commit{b.job_options}.next_due() == b.now + std::chrono::minutes{5}));
    b.now += std::chrono::minutes{5};
    b.propose({tick_op{}}, false);
    b.run();
    BOOST_TEST(!b.commits->next_due().has_value());
}

BOOST_AUTO_TEST_CASE(a_full_store_refuses_new_work_and_keeps_reports) {
    commit_bench b{{.bytes_max = 60'000}};
    b.commits->machine().attach_worker(worker_id{1}, {"build"}, 10);
    std::vector<job_id> running;
    for (int i = 0; i < 10; ++i) {
        const submit_op s = b.submission();
        b.propose({s});
        const auto out = b.run();
        BOOST_REQUIRE((out != nullptr && out->starts.size() == 1U));
        running.push_back(s.job);
    }
    std::shared_ptr<heard> last;
    for (int i = 0; i < 1000 && (!last || last->results.at(0).code == errc::ok); ++i) {
        submit_op s = b.submission();
        s.payload = std::string(400, 'p');
        last = b.propose({s});
        b.run();
        BOOST_REQUIRE(last->answers == 1);
    }
    BOOST_TEST((last->results[0].code == errc::storage_full));
    BOOST_TEST(last->results[0].retry_after_ms > 0U);
    b.require_sound();
    // In one batch with new work that is refused, what must be recorded is.
    const auto refused = b.propose({b.submission()});
    const auto report = b.propose({report_op{.job = running[0]}}, false);
    const auto cancel = b.propose({cancel_op{running[1], ""}}, false);
    BOOST_TEST(b.run() != nullptr);
    BOOST_TEST((refused->results.at(0).code == errc::storage_full));
    BOOST_TEST((report->results.at(0).code == errc::ok));
    BOOST_TEST((cancel->results.at(0).code == errc::ok));
    BOOST_TEST((read_job(*b.data->begin_read(), running[0])->state == job_state::SUCCEEDED));
    b.require_sound();
}

// Above the reserve's line there is no room; below it a batch may still not fit.
BOOST_AUTO_TEST_CASE(a_batch_that_does_not_fit_is_tried_again_without_what_grows) {
    commit_bench b{{.bytes_max = 60'000}};
    b.commits->machine().attach_worker(worker_id{1}, {"build"}, 1);
    const submit_op first = b.submission();
    b.propose({first});
    b.run();
    submit_op large = b.submission();
    large.payload = std::string(100'000, 'p');
    const auto grows = b.propose({large});
    const auto report = b.propose({report_op{.job = first.job, .result = "kept"}}, false);
    const auto out = b.run();
    BOOST_REQUIRE(out != nullptr);
    BOOST_TEST(out->results.size() == 1U);
    BOOST_TEST((grows->results.at(0).code == errc::storage_full));
    BOOST_TEST((report->results.at(0).code == errc::ok));
    BOOST_TEST(!b.has(large.job));
    BOOST_TEST(b.commits->starts_held_back()); // so the journal comes back without being asked
    b.require_sound();
}

BOOST_AUTO_TEST_CASE(when_not_even_reports_fit_everybody_is_refused_and_the_next_batch_tries_again) {
    commit_bench b{{.failing_commits = {3, 4, 6}}};
    b.commits->machine().attach_worker(worker_id{1}, {"build"}, 2);
    const submit_op first = b.submission();
    b.propose({first});
    b.run(); // the second commit; the declarations were the first
    const auto grows = b.propose({b.submission()});
    const auto report = b.propose({report_op{.job = first.job}}, false);
    BOOST_TEST(b.run() == nullptr); // commits 3 and 4 fail
    BOOST_TEST((grows->results.at(0).code == errc::storage_full));
    BOOST_TEST((report->results.at(0).code == errc::storage_full));
    BOOST_TEST((grows->answers == 1 && report->answers == 1));
    BOOST_TEST((read_job(*b.data->begin_read(), first.job)->state == job_state::RUNNING));
    b.require_sound();
    const auto again = b.propose({report_op{.job = first.job}}, false);
    BOOST_TEST(b.run() != nullptr);
    BOOST_TEST((again->results.at(0).code == errc::ok));
    b.require_sound();
    const auto shed = b.propose({b.submission()}); // commit 6 fails, and without it nothing is left to commit
    BOOST_TEST(b.run() == nullptr);
    BOOST_TEST(shed->answers == 1);
    const auto taken = b.propose({b.submission()});
    b.run(); // the store says once that it has no room
    BOOST_TEST((taken->results.at(0).code == errc::storage_full));
    const auto at_last = b.propose({b.submission()});
    BOOST_TEST(b.run() != nullptr);
    BOOST_TEST((at_last->results.at(0).code == errc::ok));
    BOOST_TEST(!b.commits->starts_held_back());
    b.require_sound();
}

BOOST_AUTO_TEST_CASE(starts_of_a_commit_that_failed_are_made_again) {
    commit_bench b{{.failing_commits = {3}}};
    b.propose({b.submission()});
    b.run();
    b.commits->machine().attach_worker(worker_id{1}, {"build"}, 1);
    BOOST_TEST(b.run() == nullptr); // the third commit
    b.require_sound();
    BOOST_TEST(b.commits->machine().pool().has_free());
    b.run(); // no room, the store says once
    const auto out = b.run();
    BOOST_REQUIRE(out != nullptr);
    BOOST_TEST(out->starts.size() == 1U);
    b.require_sound();
}

// Everything at its bound at once is still within what a reader may look at.
BOOST_AUTO_TEST_CASE(the_largest_commands_are_read_whole) {
    commit_bench b;
    const submit_op parent = b.submission();
    b.propose({parent});
    b.run();
    submit_op s = b.submission();
    s.key = std::string(limits::idempotency_key_size_max, 'k');
    const auto key_alone = b.propose({s});
    submit_op full = b.submission();
    full.key = std::string(limits::idempotency_key_size_max, 'l');
    full.payload = std::string(limits::payload_size_max, 'p');
    full.after.assign(limits::parents_max, parent.job);
    full.submitter = std::string(limits::token_size_max, 's');
    const auto all = b.propose({full});
    const auto again = b.propose({full});
    full.body = 1;
    const auto conflict = b.propose({full});
    BOOST_TEST(b.run() != nullptr);
    BOOST_TEST((key_alone->results.at(0).code == errc::ok));
    BOOST_TEST((all->results.at(0).code == errc::ok));
    BOOST_TEST(again->results.at(0).existing);
    BOOST_TEST((conflict->results.at(0).code == errc::conflict));
    report_op r{.job = s.job, .what = outcome::NONE, .message = std::string(100'000, 'm')};
    for (std::uint64_t n = 0; n < 2000; ++n) r.lines.push_back(n);
    b.commits->machine().attach_worker(worker_id{1}, {"build"}, 9);
    b.run();
    const auto report = b.propose({r}, false);
    b.run();
    BOOST_TEST((report->results.at(0).code == errc::ok));
}

BOOST_AUTO_TEST_CASE(an_entry_with_another_number_of_commands_is_refused_alone) {
    commit_bench b;
    const submit_op hidden = b.submission();
    const std::vector<op> one{hidden}, two{b.submission(), b.submission()};
    const auto before = b.propose({b.submission()});
    const auto few = b.propose_bytes(entry_of(one), 2);
    const auto many = b.propose_bytes(entry_of(two), 1);
    const auto after = b.propose({b.submission()});
    BOOST_TEST(b.run() != nullptr);
    BOOST_TEST((few->results.at(0).code == errc::message_invalid));
    BOOST_TEST((many->results.at(0).code == errc::message_invalid));
    BOOST_TEST((before->results.at(0).code == errc::ok));
    BOOST_TEST((after->results.at(0).code == errc::ok));
    BOOST_TEST(!b.has(hidden.job));
    b.require_sound();
}

// Random bytes, and real entries with bytes turned, cut or repeated, between good ones.
BOOST_AUTO_TEST_CASE(hostile_entries_never_crash_nor_harm_their_neighbours) {
    const std::uint64_t seed = seed_or(std::random_device{}());
    std::mt19937_64 random{seed};
    commit_bench b;
    std::vector<job_id> jobs;
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
        for (int round = 0; round < 1500; ++round) {
            if (round % 20 == 0)
                b.commits->machine().attach_worker(worker_id{1 + random() % 3}, {"build"}, random() % 9);
            const auto any = [&] { return jobs.empty() ? b.submission().job : jobs[random() % jobs.size()]; };
            std::vector<op> ops;
            for (std::size_t n = 1 + random() % 3; n > 0; --n) {
                switch (random() % 7) {
                case 0:
                    ops.push_back(report_op{.job = any(), .result = "r", .message = "m", .lines = {1, 2}});
                    break;
                case 1:
                    ops.push_back(cancel_op{any(), "why"});
                    break;
                case 2:
                    ops.push_back(adopt_op{any(), 1, worker_id{2}});
                    break;
                case 3:
                    ops.push_back(tick_op{});
                    break;
                case 4:
                    ops.push_back(prune_op{random() % 100, 5});
                    break;
                case 5:
                    ops.push_back(tenant_op{.version = static_cast<std::uint64_t>(round),
                                            .spec = {.name = "acme", .queued_max = 100, .types = {"*"}}});
                    break;
                default: {
                    submit_op s = b.submission();
                    s.key = "key";
                    s.payload = std::string(random() % 800, 'p');
                    s.after = {any()};
                    s.body = random() % 2;
                    ops.push_back(s);
                }
                }
            }
            auto entry = entry_of(ops);
            auto raw = entry.asBytes();
            if (round % 5 == 0) {
                for (auto& byte : raw) byte = static_cast<kj::byte>(random());
            } else {
                for (std::size_t n = 1 + random() % 6; n > 0; --n)
                    raw[random() % std::min<std::size_t>(raw.size(), random() % 2 == 0 ? 64 : raw.size())] =
                        static_cast<kj::byte>(random() % 3 == 0 ? 255 : random());
            }
            if (round % 7 == 0) {
                auto cut = kj::heapArray<capnp::word>(random() % entry.size());
                std::memcpy(cut.begin(), entry.begin(), cut.asBytes().size());
                entry = kj::mv(cut);
            }
            const submit_op good = b.submission();
            const auto hostile = b.propose_bytes(std::move(entry), ops.size(), false);
            const auto neighbour = b.propose({good});
            b.run();
            BOOST_REQUIRE_EQUAL(hostile->answers, 1);
            BOOST_REQUIRE_EQUAL(hostile->results.size(), ops.size());
            BOOST_REQUIRE_EQUAL(neighbour->answers, 1);
            BOOST_REQUIRE(neighbour->results.at(0).code != errc::message_invalid);
            if (neighbour->results[0].code == errc::ok) jobs.push_back(good.job);
            if (round % 25 == 0) b.require_sound();
        }
        b.require_sound();
    }
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(the_inflight_gate)

BOOST_AUTO_TEST_CASE(proposals_beyond_the_bound_are_refused_until_others_leave) {
    const auto gate = std::make_shared<inflight_gate>();
    std::vector<proposal_ptr> held;
    const auto make = [] { return std::make_shared<proposal>(kj::heapArray<capnp::word>(1), 1, true, nullptr); };
    for (std::size_t i = 0; i < limits::inflight_proposals_max; ++i) {
        held.push_back(make());
        BOOST_REQUIRE(held.back()->enter(gate));
    }
    BOOST_TEST(!make()->enter(gate));
    BOOST_TEST(gate->refused() == 1U);
    BOOST_TEST(gate->count() == limits::inflight_proposals_max);
    held.pop_back();
    held.push_back(make());
    BOOST_TEST(held.back()->enter(gate));
    held.clear();
    BOOST_TEST(gate->count() == 0U);
}

BOOST_AUTO_TEST_CASE(bytes_beyond_the_bound_are_refused_until_others_leave) {
    inflight_gate gate;
    BOOST_TEST(gate.enter(limits::inflight_bytes_max));
    BOOST_TEST(!gate.enter(1));
    gate.leave(limits::inflight_bytes_max);
    BOOST_TEST(gate.enter(1));
}

BOOST_AUTO_TEST_CASE(many_threads_leave_nothing_in_the_gate_and_never_exceed_it) {
    inflight_gate gate;
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            std::size_t mine = 0;
            for (int i = 0; i < 50'000; ++i) {
                if (i % 3 != 0 || mine == 0)
                    mine += gate.enter(100) ? 1 : 0;
                else
                    gate.leave(100), --mine;
            }
            for (; mine > 0; --mine) gate.leave(100);
        });
    for (auto& t : threads) t.join();
    BOOST_TEST(gate.count() == 0U);
    BOOST_TEST(gate.refused() > 0U); // the bound was met
    BOOST_TEST(gate.enter(1));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
