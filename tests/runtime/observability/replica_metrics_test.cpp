// What a node says of its replicas, from a board as the journal leaves it.
#include "runtime/observability/replica_metrics.hpp"

#include <boost/test/unit_test.hpp>

namespace coppice {
namespace {

const instant some_time = from_us(5'000'000'000);

bool page_has(const std::string& page, const std::string& line) {
    return ("\n" + page).find("\n" + line + "\n") != std::string::npos;
}

struct board_of_two {
    replica_board board{{shard_id{0}, shard_id{1}}};
    replica_face& leads = *board.face(shard_id{0});
    replica_face& follows = *board.face(shard_id{1});

    board_of_two() {
        leads.role = replica_role::serving;
        follows.role = replica_role::secondary;
    }
    health_answer judged(microseconds later) const { return judge_replicas(board, some_time + later); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(replica_metrics, board_of_two)

BOOST_AUTO_TEST_CASE(a_replica_that_stands_still_for_too_long_is_not_ready_until_it_moves) {
    BOOST_TEST(judged(microseconds{0}).ok);
    follows.applied = 7;
    follows.committed = 9;
    follows.stands_since_us = to_us(some_time);
    BOOST_TEST(judged(limits::replica_standstill_max).ok);
    const health_answer still = judged(limits::replica_standstill_max + microseconds{1});
    BOOST_TEST(!still.ok);
    BOOST_TEST(still.text == "shard 1: stands still at entry 7 of 9");
    follows.stands_since_us = 0;
    BOOST_TEST(judged(limits::replica_standstill_max * 2).ok);
}

BOOST_AUTO_TEST_CASE(a_replica_that_is_none_yet_is_not_ready) {
    for (const replica_role role : {replica_role::learner, replica_role::candidate, replica_role::settling}) {
        leads.role = role;
        BOOST_TEST(!judged(microseconds{0}).ok);
    }
    leads.role = replica_role::out; // it holds nothing, and need not
    BOOST_TEST(judged(microseconds{0}).ok);
}

BOOST_AUTO_TEST_CASE(every_number_is_told_with_its_shard) {
    leads.last = 20;
    leads.takeovers = 3;
    leads.followers[0].node = 2;
    leads.followers[0].match = 15;
    leads.followers[1].node = 3;
    leads.followers[1].match = 25; // it has more than this log's end, for a moment
    leads.snapshots_sent = 4;
    follows.snapshots_installed = 1;
    const std::string page = replica_metrics_text(board);
    BOOST_TEST(page_has(page, "coppice_replica_serving{shard=\"0\"} 1"));
    BOOST_TEST(page_has(page, "coppice_replica_serving{shard=\"1\"} 0"));
    BOOST_TEST(page_has(page, "# TYPE coppice_replica_takeovers_total counter"));
    BOOST_TEST(page_has(page, "coppice_replica_takeovers_total{shard=\"0\"} 3"));
    BOOST_TEST(page_has(page, "coppice_replica_lag_entries{shard=\"0\",node=\"2\"} 5"));
    BOOST_TEST(page_has(page, "coppice_replica_lag_entries{shard=\"0\",node=\"3\"} 0"));
    BOOST_TEST(page.find("coppice_replica_lag_entries{shard=\"1\"") == std::string::npos);
    BOOST_TEST(page_has(page, "coppice_replica_snapshots_sent_total{shard=\"0\"} 4"));
    BOOST_TEST(page_has(page, "coppice_replica_snapshots_installed_total{shard=\"1\"} 1"));
}

BOOST_AUTO_TEST_CASE(every_link_is_told_with_its_node) {
    const std::string page = peer_metrics_text({{.node = node_id{2}, .up = true, .bytes_out = 100, .flaps = 3},
                                                {.node = node_id{3}, .bulk_in_use = 7, .failures = 5}});
    BOOST_TEST(page_has(page, "coppice_peer_links 1"));
    BOOST_TEST(page_has(page, "coppice_peer_up{node=\"2\"} 1"));
    BOOST_TEST(page_has(page, "coppice_peer_up{node=\"3\"} 0"));
    BOOST_TEST(page_has(page, "coppice_peer_flaps_total{node=\"2\"} 3"));
    BOOST_TEST(page_has(page, "coppice_peer_failures_total{node=\"3\"} 5"));
    BOOST_TEST(page_has(page, "coppice_peer_bytes_sent_total{node=\"2\"} 100"));
    BOOST_TEST(page_has(page, "coppice_peer_window_bytes{node=\"3\"} 7"));
}

BOOST_AUTO_TEST_CASE(what_calls_of_the_control_store_cost_is_summed) {
    control_meter meter;
    meter.answered(std::chrono::milliseconds{1500}, true);
    meter.answered(std::chrono::milliseconds{500}, false);
    const std::string page = control_metrics_text(meter);
    BOOST_TEST(page_has(page, "coppice_control_call_seconds_count 2"));
    BOOST_TEST(page_has(page, "coppice_control_call_seconds_sum 2.000000"));
    BOOST_TEST(page_has(page, "coppice_control_failures_total 1"));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
