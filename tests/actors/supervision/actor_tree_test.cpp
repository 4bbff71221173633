#include "actors/supervision/actor_tree.hpp"

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <thread>

namespace coppice {
namespace {

std::string paths(const std::vector<tree_row>& rows) {
    std::string all;
    for (const tree_row& r : rows) all += (all.empty() ? "" : " ") + r.path + (r.cut ? "(cut)" : "");
    return all;
}

struct grown_tree {
    actor_tree tree{"node"};
    tree_entry journal{tree.root(), "journal", "worker"};
    tree_entry shards{tree.root(), "shards", "supervisor"};
    tree_entry shard{shards.handle(), "shard-3", "shard"};
    tree_entry health{tree.root(), "health", "worker"};
};

} // namespace

BOOST_AUTO_TEST_SUITE(tree)

BOOST_AUTO_TEST_CASE(rows_come_depth_first_in_order_of_coming) {
    grown_tree grown;
    BOOST_TEST(paths(grown.tree.snapshot("", 100)) ==
               "node node/journal node/shards node/shards/shard-3 node/health");
    BOOST_TEST(grown.tree.snapshot("", 100)[3].depth == 2U);
}

BOOST_AUTO_TEST_CASE(a_prefix_selects_a_part_of_the_tree) {
    grown_tree grown;
    BOOST_TEST(paths(grown.tree.snapshot("node/shards", 100)) == "node/shards node/shards/shard-3");
    BOOST_TEST(paths(grown.tree.snapshot("node/shards/sh", 100)) == "node/shards/shard-3");
    BOOST_TEST(paths(grown.tree.snapshot("elsewhere", 100)) == "");
}

BOOST_AUTO_TEST_CASE(a_snapshot_that_was_cut_says_so_and_where) {
    grown_tree grown;
    BOOST_TEST(paths(grown.tree.snapshot("", 3)) == "node node/journal node/shards node/shards/shard-3(cut)");
    BOOST_TEST(paths(grown.tree.snapshot("", 4)) ==
               "node node/journal node/shards node/shards/shard-3 node/health(cut)");
    BOOST_TEST(paths(grown.tree.snapshot("", 5)) ==
               "node node/journal node/shards node/shards/shard-3 node/health");
}

BOOST_AUTO_TEST_CASE(a_row_tells_what_was_published) {
    grown_tree grown;
    const tree_handle card = grown.journal.handle();
    card.node()->incarnation_started(from_us(5'000'000));
    card.state("committing 384");
    card.memory(4096);
    for (int i = 0; i < 5; ++i) card.node()->message_enqueued();
    card.node()->message_handled();
    card.node()->count_restart();
    card.node()->incarnation_failed("disk full", from_us(6'000'000));
    card.node()->message_enqueued();
    const tree_row row = grown.tree.snapshot("node/journal", 1)[0];
    BOOST_TEST(row.state == "committing 384");
    BOOST_TEST(row.memory_bytes == 4096U);
    BOOST_TEST(row.handled == 1U);
    BOOST_TEST(row.mailbox == 1U);
    BOOST_TEST(row.restarts == 1U);
    BOOST_TEST(row.last_failure == "disk full");
    BOOST_TEST((row.last_failure_at == from_us(6'000'000)));
    BOOST_TEST((row.started_at == from_us(5'000'000)));
}

BOOST_AUTO_TEST_CASE(a_row_goes_when_its_entry_goes) {
    grown_tree grown;
    const tree_handle kept = grown.shard.handle();
    grown.shard = {};
    kept.state("still mine to write, though nobody reads it");
    grown.journal = {};
    BOOST_TEST(paths(grown.tree.snapshot("", 100)) == "node node/shards node/health");
}

BOOST_AUTO_TEST_CASE(an_empty_handle_takes_everything_and_does_nothing) {
    const tree_handle none;
    none.state("x");
    const tree_entry below{none, "child", "worker"};
    BOOST_TEST(!below.handle());
}

BOOST_AUTO_TEST_CASE(readers_and_comers_and_goers_do_not_disturb_each_other) {
    actor_tree tree{"node"};
    std::atomic<bool> done{false};
    std::vector<std::jthread> writers;
    for (int t = 0; t < 2; ++t)
        writers.emplace_back([&tree, &done, t] {
            tree_entry parent{tree.root(), "jobs-" + std::to_string(t), "supervisor"};
            for (int i = 0; i < 20'000; ++i) {
                const tree_entry job{parent.handle(), "job-" + std::to_string(i), "job"};
                job.handle().state("running");
                job->message_enqueued();
            }
            done = true;
        });
    std::size_t rows = 0;
    do rows += tree.snapshot("", 1000).size();
    while (!done);
    BOOST_TEST(rows > 0U);
    writers.clear();
    BOOST_TEST(paths(tree.snapshot("", 100)) == "node");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
