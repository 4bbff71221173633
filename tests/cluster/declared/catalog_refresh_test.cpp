// Whether a name is declared, asked at a node that hears of it late or not at all.
#include "tests/cluster/declared/declaring_node.hpp"

namespace coppice::testing {
namespace {

struct asking_nodes {
    etcd_process etcd;
    system_config config{2};
    caf::actor_system system{config};
    test_shard_journal shard{system};
    declaring_node a{system, quick_options({etcd.endpoint()}), shard};
    declaring_node b{system, quick_options({etcd.endpoint()}), shard};
};

// An answer that may not be there yet.
class question {
  public:
    explicit question(const declaring_node& at) {
        at.refresh->ask([told = told_, board = at.board] {
            if (board->get()->tenant("acme") != nullptr) told->found = true;
            told->times.fetch_add(1);
        });
    }
    int answered() const { return told_->times.load(); }
    bool found() const { return told_->found; } // the tenant acme, when it was answered

  private:
    struct state {
        std::atomic<int> times{0};
        std::atomic<bool> found{false};
    };
    std::shared_ptr<state> told_ = std::make_shared<state>();
};

void wait_for_answer(const question& asked) {
    wait_until([&] { return asked.answered() > 0; }, "the question is answered");
}

BOOST_AUTO_TEST_SUITE(catalog_refresh_suite)

BOOST_FIXTURE_TEST_CASE(who_asks_is_told_when_all_that_was_declared_is_on_the_board, asking_nodes) {
    b.store->hold_watches_up(true);
    BOOST_TEST(words(a.apply({tenant_document("acme")})) == "created");
    std::vector<question> asked;
    for (int i = 0; i < 5; ++i) asked.emplace_back(b);
    // The counter was read for them: so says an answer at the node that has heard.
    const question heard{a};
    wait_for_answer(heard);
    BOOST_TEST(heard.found());
    for (const question& each : asked) BOOST_TEST(each.answered() == 0);
    b.store->hold_watches_up(false);
    for (const question& each : asked) {
        wait_for_answer(each);
        BOOST_TEST(each.found());
        BOOST_TEST(each.answered() == 1);
    }
}

BOOST_FIXTURE_TEST_CASE(a_question_takes_no_part_in_a_reading_that_began_before_it, asking_nodes) {
    const question before{b}; // at this moment nothing is declared
    BOOST_TEST(words(a.apply({tenant_document("acme")})) == "created");
    const question after{b};
    wait_for_answer(before);
    wait_for_answer(after);
    BOOST_TEST(after.found());
}

BOOST_FIXTURE_TEST_CASE(while_the_control_store_is_away_what_is_known_here_must_do, asking_nodes) {
    BOOST_TEST(words(a.apply({tenant_document("acme")})) == "created");
    const question first{b};
    wait_for_answer(first);
    etcd.kill();
    const question asked{b};
    wait_for_answer(asked);
    BOOST_TEST(asked.found());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace coppice::testing
