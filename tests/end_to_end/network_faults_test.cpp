// A real cluster whose network, processes and etcd fail. COPPICE_PARTITION_SECONDS and COPPICE_FAULT_SECONDS make
// two of these cases last longer.
#include <boost/test/unit_test.hpp>
#include <functional>
#include <random>

#include "tests/end_to_end/keyed_load.hpp"

namespace coppice::end_to_end {
namespace {

std::chrono::seconds seconds_of(const char* variable, long otherwise) {
    const char* given = std::getenv(variable);
    return std::chrono::seconds{given == nullptr ? otherwise : std::strtol(given, nullptr, 10)};
}

void require_more(const network_cluster& c, const keyed_load& load, std::size_t client, std::size_t count) {
    if (!load.more(client, count))
        BOOST_FAIL("client " << client << " got nothing more; last: " << load.last_refusal(client) << c.account());
}

// Faults drawn from a seed; each ends by itself.
class network_faults {
  public:
    network_faults(network_cluster& c, std::uint64_t seed) : c_(c), random_(seed) {}

    void one() {
        const unsigned victim = node(), other = victim % network_cluster::nodes + 1;
        switch (below(8)) {
        case 0:
        case 1:
            c_.kill(victim);
            pause(50, 3000);
            return c_.start(victim);
        case 2:
            c_.signal(victim, SIGSTOP);
            pause(300, 3000);
            return c_.signal(victim, SIGCONT);
        case 3:
            c_.link(victim, false);
            pause(300, 4000);
            return c_.link(victim, true);
        case 4:
            c_.cut(victim, other); // one way
            return heal_later();
        case 5:
            for (const unsigned each : {victim % 3 + 1, (victim + 1) % 3 + 1}) c_.cut_both(victim, each);
            return heal_later(); // from the other nodes, not from etcd
        case 6:
            c_.cut_both(victim, network_cluster::etcd);
            return heal_later();
        default:
            c_.kill_etcd();
            pause(300, 4000);
            return c_.start_etcd();
        }
    }
    void pause(int least_ms, int most_ms) {
        std::this_thread::sleep_for(std::chrono::milliseconds{least_ms + below(most_ms - least_ms)});
    }

  private:
    int below(int n) { return std::uniform_int_distribution{0, n - 1}(random_); }
    unsigned node() { return static_cast<unsigned>(below(network_cluster::nodes)) + 1; }
    void heal_later() {
        pause(300, 4000);
        c_.heal_all();
    }

    network_cluster& c_;
    std::mt19937_64 random_;
};

} // namespace

// An etcd and three nodes that a sanitizer slows down tenfold do not keep the leases' times on two processors.
BOOST_AUTO_TEST_SUITE(network_faults_suite, *boost::unit_test::enable_if<!sanitized>() *
                                                boost::unit_test::precondition(may_make_networks))

BOOST_AUTO_TEST_CASE(a_primary_cut_off_from_the_others_acknowledges_and_reads_nothing_until_the_network_is_whole) {
    network_cluster c;
    keyed_load::declare(c);
    const unsigned alone = c.primary(1);
    BOOST_REQUIRE(alone != 0U);
    const std::vector<unsigned> others{alone % 3 + 1, (alone + 1) % 3 + 1};
    keyed_load load(c, {{alone}, others});
    require_more(c, load, 0, 20);
    for (const unsigned other : others) c.cut_both(alone, other);
    c.cut_both(alone, network_cluster::etcd);
    require_more(c, load, 1, 60); // the others have gone on with every shard
    const std::size_t at_cut = load.acknowledged(0);
    const auto until = std::chrono::steady_clock::now() + seconds_of("COPPICE_PARTITION_SECONDS", 6);
    while (std::chrono::steady_clock::now() < until) {
        require_more(c, load, 1, 20);
        BOOST_TEST(c.run({alone}, {"job", "list", "--tenant", "acme"}).status != 0);
    }
    BOOST_TEST(load.acknowledged(0) == at_cut);
    c.heal_all();
    require_more(c, load, 0, 60);
    load.stop();
    c.require_whole();
    load.require_sound();
}

BOOST_AUTO_TEST_CASE(the_oldest_node_killed_and_back_in_two_seconds_leaves_no_shard_without_an_answer_for_ten) {
    network_cluster c;
    keyed_load::declare(c);
    keyed_load load(c, {{2, 3}, {3, 2}});
    require_more(c, load, 0, 20);
    c.kill(1);
    const auto begin = std::chrono::steady_clock::now();
    std::this_thread::sleep_for(std::chrono::seconds{2});
    c.start(1);
    require_more(c, load, 0, 9); // three of each shard
    require_more(c, load, 1, 9);
    BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds{10}));
    load.stop();
    c.require_whole();
    load.require_sound();
}

BOOST_AUTO_TEST_CASE(whatever_fails_a_key_is_one_job_that_is_not_lost_and_no_attempt_runs_twice) {
    const char* given = std::getenv("COPPICE_SEED");
    const std::uint64_t seed = given == nullptr ? std::random_device{}() : std::strtoull(given, nullptr, 10);
    BOOST_TEST_CONTEXT("COPPICE_SEED=" << seed) {
        network_cluster c;
        keyed_load::declare(c);
        keyed_load load(c, {{1, 2, 3}, {2, 3, 1}, {3, 1, 2}});
        network_faults faults(c, seed);
        const auto until = std::chrono::steady_clock::now() + seconds_of("COPPICE_FAULT_SECONDS", 12);
        while (std::chrono::steady_clock::now() < until) {
            faults.one();
            faults.pause(100, 1500);
        }
        for (const std::size_t client : {0U, 1U, 2U}) require_more(c, load, client, 30);
        load.stop();
        c.require_whole();
        load.require_sound();
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
