// What holds of every backend of the control store.
#include <boost/mpl/vector.hpp>
#include <future>
#include <thread>

#include "schema/limits.hpp"
#include "tests/cluster/control/control_backends.hpp"

namespace coppice::testing {
namespace {

using backends = boost::mpl::vector<local_backend, etcd_backend>;

// Adds one to the number under `key`, as often as it takes.
void increment(control_store& s, const std::string& key) {
    for (;;) {
        const auto seen = must(get(s, key));
        const int next = (seen ? std::stoi(seen->value) : 0) + 1;
        const auto done = commit(s, {{{key, seen ? seen->revision : 0}}, {{key, std::to_string(next)}}, {}});
        if (done) return;
        if (done.error().why.code != errc::conflict) throw std::runtime_error(to_string(done.error().why));
    }
}

BOOST_AUTO_TEST_SUITE(control_store_suite)

BOOST_AUTO_TEST_CASE_TEMPLATE(what_was_put_is_there_with_its_revision, backend, backends) {
    backend b;
    BOOST_TEST(!must(get(*b, "a")).has_value());
    const std::string value{"\0\xff binary \n", 11};
    const auto revision = must(put(*b, "a", value));
    const auto seen = must(get(*b, "a"));
    BOOST_REQUIRE(seen.has_value());
    BOOST_TEST((*seen == control_entry{"a", value, revision}));
    BOOST_TEST(must(put(*b, "a", "")) > revision);
    BOOST_TEST(must(get(*b, "a"))->value.empty());
    must(erase(*b, "a"));
    BOOST_TEST(!must(get(*b, "a")).has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_stale_revision_is_refused_with_what_is_there, backend, backends) {
    backend b;
    const auto first = must(put(*b, "a", "1"));
    const auto second = must(put(*b, "a", "2"));
    const auto refused = commit(*b, {{{"a", first}, {"nothing", 0}}, {{"a", "3"}, {"b", "3"}}, {}});
    BOOST_REQUIRE(!refused);
    BOOST_TEST(to_string(refused.error().why.code) == to_string(errc::conflict));
    BOOST_REQUIRE(refused.error().now.size() == 2U);
    BOOST_TEST((*refused.error().now[0].entry == control_entry{"a", "2", second}));
    BOOST_TEST(!refused.error().now[1].entry.has_value());
    BOOST_TEST(!must(get(*b, "b")).has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_key_that_must_not_exist_is_made_once, backend, backends) {
    backend b;
    BOOST_TEST(commit(*b, {{{"a", 0}}, {{"a", "1"}}, {}}).has_value());
    BOOST_TEST(!commit(*b, {{{"a", 0}}, {{"a", "2"}}, {}}).has_value());
    BOOST_TEST(must(get(*b, "a"))->value == "1");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_transaction_changes_all_at_one_revision, backend, backends) {
    backend b;
    must(put(*b, "old", "x"));
    const auto revision = must(commit(*b, {{}, {{"a", "1"}, {"b", "2"}}, {"old", "never-was"}}));
    const auto all = must(list(*b, ""));
    BOOST_REQUIRE(all.entries.size() == 2U);
    BOOST_TEST(all.entries[0].revision == revision);
    BOOST_TEST(all.entries[1].revision == revision);
    BOOST_TEST(all.at.revision >= revision);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_list_gives_its_prefix_in_order_over_many_pages, backend, backends) {
    backend b;
    const std::size_t count = 2 * limits::control_page_entries_max + 10;
    control_txn txn;
    for (std::size_t i = 0; i < count; ++i) {
        txn.puts.push_back({"many/" + std::to_string(1000 + i), std::to_string(i)});
        if (txn.puts.size() == limits::control_txn_operations_max) must(commit(*b, std::exchange(txn, {})));
    }
    if (!txn.puts.empty()) must(commit(*b, txn));
    must(put(*b, "many", "not below"));
    must(put(*b, "many0", "not below"));
    const auto all = must(list(*b, "many/"));
    BOOST_REQUIRE(all.entries.size() == count);
    for (std::size_t i = 0; i < count; ++i) BOOST_REQUIRE(all.entries[i].value == std::to_string(i));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_list_of_large_values_comes_in_smaller_pages, backend, backends) {
    backend b;
    const std::string large(limits::control_value_size_max, 'x');
    for (int i = 0; i < 20; ++i) must(put(*b, "large/" + std::to_string(100 + i), large));
    const auto all = must(list(*b, "large/"));
    BOOST_REQUIRE(all.entries.size() == 20U);
    BOOST_TEST((all.entries[19].value == large));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_is_out_of_bounds_is_refused_before_it_is_sent, backend, backends) {
    backend b;
    const auto code = [&](control_txn txn) {
        const auto done = commit(*b, std::move(txn));
        return to_string(done ? errc::ok : done.error().why.code);
    };
    const std::string large(limits::control_value_size_max + 1, 'x');
    BOOST_TEST(code({}) == "invalid_argument");
    BOOST_TEST(code({{}, {{"", "x"}}, {}}) == "invalid_argument");
    BOOST_TEST(code({{}, {{"a b", "x"}}, {}}) == "invalid_argument");
    BOOST_TEST(code({{}, {{"a", "x"}, {"a", "y"}}, {}}) == "invalid_argument");
    BOOST_TEST(code({{}, {{"a", "x"}}, {"a"}}) == "invalid_argument");
    BOOST_TEST(code({{}, {{"a", large}}, {}}) == "payload_too_large");
    BOOST_TEST(code({{}, {{std::string(limits::control_key_size_max + 1, 'k'), "x"}}, {}}) == "payload_too_large");
    control_txn many;
    for (std::size_t i = 0; i <= limits::control_txn_operations_max; ++i) many.erases.push_back(std::to_string(i));
    BOOST_TEST(code(many) == "payload_too_large");
    many.erases.pop_back();
    BOOST_TEST(code(many) == "ok");
    BOOST_TEST(code({{}, {{"a", std::string(limits::control_value_size_max, 'x')}}, {}}) == "ok");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(threads_that_count_together_lose_no_count, backend, backends) {
    backend b;
    constexpr int threads = 8;
    constexpr int rounds = 20;
    std::vector<std::thread> running;
    std::atomic<int> failed = 0;
    for (int i = 0; i < threads; ++i)
        running.emplace_back([&] {
            try {
                for (int r = 0; r < rounds; ++r) increment(*b, "counter");
            } catch (const std::exception&) {
                ++failed;
            }
        });
    for (auto& t : running) t.join();
    BOOST_TEST(failed == 0);
    BOOST_TEST(must(get(*b, "counter"))->value == std::to_string(threads * rounds));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_watcher_hears_every_change_of_its_prefix_once, backend, backends) {
    backend b;
    must(put(*b, "w/before", "0"));
    must(put(*b, "x/other", "0"));
    const auto watcher = std::make_shared<noting_watcher>();
    const auto id = must(b->watch("w/", std::nullopt, watcher));
    wait_until([&] { return watcher->resets() == 1; }, "the first reset");
    BOOST_TEST(watcher->copy().size() == 1U);
    must(put(*b, "w/a", "1"));
    must(put(*b, "x/other", "1"));
    must(commit(*b, {{}, {{"w/b", "2"}, {"x/b", "2"}}, {"w/before"}}));
    const auto last = must(erase(*b, "w/a"));
    wait_until([&] { return watcher->at().revision == last; }, "the last change");
    const auto heard = watcher->heard();
    BOOST_REQUIRE(heard.size() == 4U);
    BOOST_TEST(watcher->in_order());
    BOOST_TEST(watcher->is_connected());
    BOOST_TEST(heard[1].revision == heard[2].revision);
    BOOST_TEST((watcher->copy() == std::map<std::string, std::string>{{"w/b", "2"}}));
    b->unwatch(id);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_watch_goes_on_where_another_ended, backend, backends) {
    backend b;
    must(put(*b, "w/a", "0"));
    const auto from = must(list(*b, "w/")).at;
    for (int i = 1; i <= 5; ++i) must(put(*b, "w/a", std::to_string(i)));
    const auto watcher = std::make_shared<noting_watcher>();
    must(b->watch("w/", from, watcher));
    wait_until([&] { return watcher->heard().size() == 5; }, "five changes");
    BOOST_TEST(watcher->resets() == 0);
    BOOST_TEST(watcher->in_order());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_watch_of_another_history_starts_anew, backend, backends) {
    backend b;
    must(put(*b, "w/a", "0"));
    auto from = must(list(*b, "w/")).at;
    from.history += 1;
    const auto watcher = std::make_shared<noting_watcher>();
    must(b->watch("w/", from, watcher));
    wait_until([&] { return watcher->resets() == 1; }, "the reset");
    BOOST_TEST(watcher->copy().at("w/a") == "0");
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_quiet_watch_gives_signs_of_life, backend, backends) {
    backend b;
    const auto watcher = std::make_shared<noting_watcher>();
    must(b->watch("w/", std::nullopt, watcher));
    wait_until([&] { return watcher->signs() >= 3; }, "three signs of life");
    BOOST_TEST(watcher->resets() == 1);
}

BOOST_AUTO_TEST_CASE_TEMPLATE(what_a_lease_carries_goes_with_it, backend, backends) {
    backend b;
    const auto watcher = std::make_shared<noting_watcher>();
    must(b->watch("members/", std::nullopt, watcher));
    const auto lease = must(grant(*b, std::chrono::seconds{60}));
    must(put(*b, "members/1", "here", lease));
    BOOST_TEST(must(get(*b, "members/1"))->lease == lease);
    wait_until([&] { return watcher->copy().size() == 1; }, "the member");
    BOOST_TEST(revoke(*b, lease).has_value());
    BOOST_TEST(!must(get(*b, "members/1")).has_value());
    wait_until([&] { return watcher->copy().empty(); }, "the member's end");
    BOOST_TEST(revoke(*b, lease).has_value());
    const auto refused = put(*b, "members/1", "here", lease);
    BOOST_REQUIRE(!refused);
    BOOST_TEST(to_string(refused.error().why.code) == to_string(errc::not_found));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_stopped_store_answers_everything_and_nothing_after, backend, backends) {
    backend b;
    std::atomic<int> answers = 0;
    std::atomic<bool> stopped = false;
    std::atomic<int> late = 0;
    constexpr int calls = 200;
    for (int i = 0; i < calls; ++i)
        b->commit({{}, {{"a", std::to_string(i)}}, {}}, [&](const commit_result&) {
            ++answers;
            if (stopped) ++late;
        });
    b->stop();
    stopped = true;
    BOOST_TEST(answers == calls);
    BOOST_TEST(late == 0);
    BOOST_TEST(to_string(put(*b, "a", "x").error().why.code) == to_string(errc::unavailable));
    BOOST_TEST(to_string(get(*b, "a").error().code) == to_string(errc::unavailable));
    BOOST_TEST(!b->watch("", std::nullopt, std::make_shared<noting_watcher>()).has_value());
}

BOOST_AUTO_TEST_CASE_TEMPLATE(calls_beyond_the_bound_are_refused, backend, backends) {
    backend b;
    const std::string large(limits::control_value_size_max, 'x');
    std::atomic<std::size_t> answered = 0;
    std::atomic<std::size_t> overloaded = 0;
    constexpr std::size_t calls = 400;
    // Nothing is answered before all were made: the store's thread stands in the first answer.
    std::promise<void> all_made;
    const std::shared_future<void> made = all_made.get_future().share();
    b->commit({{}, {{"a", "first"}}, {}}, [made](const commit_result&) { made.wait(); });
    for (std::size_t i = 0; i < calls; ++i)
        b->commit({{}, {{"a", large}}, {}}, [&](const commit_result& r) {
            if (!r && r.error().why.code == errc::overloaded) ++overloaded;
            ++answered;
        });
    all_made.set_value();
    wait_until([&] { return answered == calls; }, "all answers");
    BOOST_TEST(overloaded > 0U);
    BOOST_TEST(put(*b, "a", "x").has_value());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(local_control_store_suite)

BOOST_AUTO_TEST_CASE(a_restart_keeps_what_was_committed_and_ends_the_leases) {
    local_backend b;
    const auto lease = must(grant(*b, std::chrono::seconds{60}));
    const auto kept = must(put(*b, "kept", "1"));
    const auto at = must(put(*b, "leased", "1", lease));
    const auto history = must(list(*b, "")).at.history;
    b.reopen();
    const auto all = must(list(*b, ""));
    BOOST_REQUIRE(all.entries.size() == 1U);
    BOOST_TEST((all.entries[0] == control_entry{"kept", "1", kept}));
    BOOST_TEST(all.at.revision > at);
    BOOST_TEST(all.at.history == history);
    const auto watcher = std::make_shared<noting_watcher>();
    must(b->watch("", control_position{history, kept}, watcher));
    wait_until([&] { return watcher->resets() == 1; }, "the reset");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace coppice::testing
