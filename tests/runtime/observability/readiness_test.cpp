#include <boost/test/unit_test.hpp>

#include "persistence/keys.hpp"
#include "persistence/memory_store.hpp"
#include "runtime/observability/readiness.hpp"

namespace coppice {
namespace {

struct probed_node {
    std::unique_ptr<store> data = make_memory_store();
    std::shared_ptr<inflight_gate> gate = std::make_shared<inflight_gate>();
    readiness::time now{};
    readiness judged{*data, gate, [this] { return now; }};
};

} // namespace

BOOST_AUTO_TEST_SUITE(ready)

BOOST_AUTO_TEST_CASE(a_node_is_ready_until_it_stops) {
    probed_node n;
    BOOST_TEST(n.judged.judge().ok);
    n.judged.stopping();
    BOOST_TEST(!n.judged.judge().ok);
}

BOOST_AUTO_TEST_CASE(a_journal_that_hangs_shows_after_a_while_and_no_longer_once_it_commits) {
    probed_node n;
    n.now += std::chrono::hours{1}; // idle for long: no news is good news
    n.gate->enter(100);
    BOOST_TEST(n.judged.judge().ok);
    n.now += limits::commit_stall_max - std::chrono::milliseconds{1};
    BOOST_TEST(n.judged.judge().ok);
    n.now += std::chrono::milliseconds{1};
    const health_answer stuck = n.judged.judge();
    BOOST_TEST(!stuck.ok);
    BOOST_TEST(stuck.text == "1 proposals wait, and nothing was committed for 5 s");
    n.judged.committed();
    BOOST_TEST(n.judged.judge().ok);
    n.now += std::chrono::hours{1};
    BOOST_TEST(!n.judged.judge().ok);
    n.gate->leave(100);
    BOOST_TEST(n.judged.judge().ok);
}

BOOST_AUTO_TEST_CASE(a_busy_journal_is_no_stuck_one) {
    probed_node n;
    n.gate->enter(100);
    for (int i = 0; i < 100; ++i) {
        n.judged.committed();
        n.now += limits::commit_stall_max;
        BOOST_TEST(n.judged.judge().ok);
    }
}

BOOST_AUTO_TEST_CASE(a_full_store_takes_no_work) {
    const auto data = make_memory_store({.failing_commits = {1}});
    readiness judged{*data, std::make_shared<inflight_gate>()};
    const auto transaction = data->begin_write();
    transaction->put(table::meta, row_key{}.u32(1), {});
    BOOST_TEST(!transaction->commit());
    BOOST_TEST(judged.judge().text.starts_with("storage_full"));
    BOOST_TEST(judged.judge().ok);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
