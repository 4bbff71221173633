// The simulator bites: each of these bugs, planted alone, is found by some checker within so many seeds. What is
// planted are the classic ways to get replication wrong; nothing of the product is changed for it, but what a node
// is told, what it says, or what its disk keeps.
#include "cluster/replication/replica_wire.hpp"
#include "tests/simulation/random_run.hpp"

namespace coppice::testing {
namespace {

constexpr std::uint64_t seeds_max = 400;

// `first`: of a rare one, to be found soon.
void require_found(const char* bug, const random_run_options& options, std::uint64_t first = 1) {
    std::uint64_t seed = first - 1;
    std::string found;
    while (found.empty() && seed < first + seeds_max) found = random_run(++seed, options).found.text();
    BOOST_TEST(!found.empty(), bug << ": " << seeds_max << " seeds did not show it");
    BOOST_TEST_MESSAGE(bug << ": found with seed " << seed << found);
}

// Acknowledgements are rewritten on their way: `claim` says up to where the follower pretends to hold the log.
using claim_function =
    std::function<std::optional<std::uint64_t>(sim_cluster&, node_id from, node_id to, shard_id)>;
std::function<void(sim_cluster&)> lying_about_acks(claim_function claim) {
    return [claim = std::move(claim)](sim_cluster& c) {
        // Not every time: who asks in vain asks at once again, and a run would be nothing but that.
        c.on_wire = [&c, claim, next = instant{}](node_id from, node_id to, bytes& frame) mutable {
            if (c.now() < next) return;
            auto message = replica_message_from_wire(frame);
            if (!message) return;
            auto* ack = std::get_if<ack_message>(&message->what);
            if (ack == nullptr || !c.at(from).journal || !c.at(to).journal) return;
            const auto match = claim(c, from, to, message->shard);
            if (!match || *match <= ack->match) return;
            ack->match = *match;
            next = c.now() + milliseconds{20};
            frame = to_wire(*message);
        };
    };
}

bool has_lost_one(const shard_config& from, const shard_config& to) {
    return from.epoch == to.epoch && to.in_sync.size() < from.in_sync.size();
}

} // namespace

BOOST_AUTO_TEST_SUITE(planted_bugs)

BOOST_AUTO_TEST_CASE(a_reply_before_a_secondary_has_it_on_disk_is_found) {
    random_run_options options;
    options.disk_forgets = 3; // the newest commits of a log are gone after a crash
    require_found("a reply before a secondary's fsync", options);
}

BOOST_AUTO_TEST_CASE(a_takeover_without_the_grace_is_found) {
    random_run_options options;
    options.timing.grace = milliseconds{0};
    require_found("a takeover without the grace", options);
}

BOOST_AUTO_TEST_CASE(a_stale_tail_that_is_acknowledged_beyond_what_was_verified_is_found) {
    random_run_options options;
    options.until_healed = false; // it leads to standstills, too, which take long
    options.plant = lying_about_acks([](sim_cluster& c, node_id from, node_id, shard_id shard) {
        return std::optional{c.slot(from, shard).replica->last().index}; // what it happens to hold
    });
    require_found("a stale tail acknowledged beyond the verified prefix", options, 900);
}

BOOST_AUTO_TEST_CASE(a_secondary_that_is_dropped_after_the_commit_that_skips_it_is_found) {
    random_run_options options;
    options.until_healed = false;
    options.plant = [](sim_cluster& c) { c.told_too_early = has_lost_one; };
    require_found("a secondary dropped after, not before, the commit that skips it", options);
}

BOOST_AUTO_TEST_CASE(a_stale_read_after_a_partition_is_found) {
    random_run_options options;
    options.timing.lease = milliseconds{5000}; // longer than the others wait before one of them takes over
    require_found("a stale read after a partition", options);
}

BOOST_AUTO_TEST_CASE(an_admission_before_the_catch_up_is_durable_is_found) {
    random_run_options options;
    options.until_healed = false; // it leads to standstills, too, which take long
    options.plant = lying_about_acks([](sim_cluster& c, node_id from, node_id to, shard_id shard) {
        const bool learns = c.slot(from, shard).replica->role() == replica_role::learner;
        return learns ? std::optional{c.slot(to, shard).replica->last().index} : std::nullopt;
    });
    require_found("in-sync admission before the catch-up is durable", options);
}

BOOST_AUTO_TEST_CASE(the_same_seeds_find_nothing_in_a_sound_cluster) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) BOOST_TEST(random_run(seed).found.none());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::testing
