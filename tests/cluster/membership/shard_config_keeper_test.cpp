// Shard configurations and members as they are followed in a control store, and changed in it.
#include "cluster/membership/shard_config_keeper.hpp"

#include "cluster/membership/member_keeper.hpp"
#include "cluster/membership/shard_record.hpp"
#include "persistence/memory_store.hpp"
#include "tests/cluster/control/control_backends.hpp"

namespace coppice::testing {
namespace {

using answer = replica_machine::answer;
using proposal_answer = std::pair<answer, std::optional<shard_config>>;

constexpr shard_id shard{0};
const std::vector<node_id> three{node_id{1}, node_id{2}, node_id{3}};

// What was told, in order.
class told_configs {
  public:
    shard_config_keeper::told_function sink() {
        return [this](shard_id s, const shard_config& c) {
            const std::lock_guard guard{mutex_};
            heard_.emplace_back(s, c);
        };
    }
    std::vector<std::pair<shard_id, shard_config>> heard() const {
        const std::lock_guard guard{mutex_};
        return heard_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::pair<shard_id, shard_config>> heard_;
};

class noted_refusals {
  public:
    std::function<void(const std::string&, const failure&)> sink() {
        return [this](const std::string& key, const failure& why) {
            const std::lock_guard guard{mutex_};
            keys_.push_back(key + " " + std::string{to_string(why.code)});
        };
    }
    std::vector<std::string> keys() const {
        const std::lock_guard guard{mutex_};
        return keys_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<std::string> keys_;
};

proposal_answer propose(shard_config_keeper& keeper, const shard_config& next) {
    return answer_of<proposal_answer>([&](auto done) {
        keeper.propose(shard, next, [done](answer how, std::optional<shard_config> there) {
            done({how, std::move(there)});
        });
    });
}

expected<void> create(shard_config_keeper& keeper, std::vector<node_id> replicas, std::vector<shard_id> shards) {
    return answer_of<expected<void>>(
        [&](auto done) { keeper.create(std::move(replicas), std::move(shards), done); });
}

std::unique_ptr<shard_config_keeper> keeper_of(control_store& store, noted_refusals* noted = nullptr,
                                               std::shared_ptr<control_rows> rows = nullptr) {
    return must(shard_config_keeper::start(
        {&store, std::move(rows),
         noted != nullptr ? noted->sink() : std::function<void(const std::string&, const failure&)>{}}));
}

shard_config next_of(const shard_config& c, node_id primary) {
    shard_config next = c;
    ++next.epoch;
    next.primary = primary;
    next.in_sync = {primary};
    return next;
}

member sample_member(std::uint32_t number) {
    member m;
    m.number = {number};
    m.name = "node-" + std::to_string(number);
    m.peer = {"127.0.0.1", 7500};
    m.rpc = {"127.0.0.1", 7400};
    m.state = member_state::active;
    m.fingerprint = std::string(64, static_cast<char>('0' + number));
    m.first_seen = from_us(1'700'000'000'000'000);
    return m;
}

BOOST_AUTO_TEST_SUITE(shard_config_keeper_suite)

BOOST_AUTO_TEST_CASE(the_first_configurations_are_written_once_and_told_with_their_versions) {
    etcd_backend etcd;
    const auto keeper = keeper_of(*etcd);
    told_configs told;
    keeper->on_config(told.sink());
    must(create(*keeper, {node_id{3}, node_id{1}, node_id{2}},
                {shard_id{0}, shard_id{1}, shard_id{2}, shard_id{3}}));
    wait_until([&] { return told.heard().size() == 4; }, "four configurations are told");
    std::vector<node_id> primaries;
    for (const auto& [s, c] : told.heard()) {
        BOOST_TEST(c.epoch == 0U);
        BOOST_TEST((c.replicas == three));
        BOOST_TEST((c.in_sync == std::vector<node_id>{c.primary}));
        BOOST_TEST(c.version == must(get(*etcd, shard_key(s)))->revision);
        primaries.push_back(c.primary);
    }
    BOOST_TEST((primaries == std::vector<node_id>{node_id{1}, node_id{2}, node_id{3}, node_id{1}}));

    must(create(*keeper, {node_id{7}}, {shard_id{0}, shard_id{4}}));
    wait_until([&] { return told.heard().size() == 5; }, "the new one alone is told");
    BOOST_TEST((keeper->config(shard_id{0})->replicas == three));
    BOOST_TEST(keeper->configs().size() == 5U);
    BOOST_TEST(to_string(create(*keeper, {}, {shard_id{0}}).error().code) == "invalid_argument");
    BOOST_TEST(to_string(create(*keeper, {node_id{1}}, {shard_id{4096}}).error().code) == "invalid_argument");
}

BOOST_AUTO_TEST_CASE(of_two_proposals_on_one_version_one_is_accepted_and_the_other_learns_what_is_there) {
    etcd_backend etcd;
    const auto keeper = keeper_of(*etcd), other = keeper_of(*etcd);
    must(create(*keeper, three, {shard}));
    wait_until([&] { return keeper->config(shard) && other->config(shard); }, "both know it");
    const shard_config first = *keeper->config(shard);
    const auto won = propose(*keeper, next_of(first, node_id{1}));
    BOOST_TEST((won.first == answer::accepted));
    BOOST_REQUIRE(won.second);
    BOOST_TEST(won.second->epoch == 1U);
    BOOST_TEST(won.second->version > first.version);
    const auto lost = propose(*other, next_of(first, node_id{2}));
    BOOST_TEST((lost.first == answer::conflict));
    BOOST_TEST((lost.second == won.second));
    wait_until([&] { return other->config(shard) == won.second; }, "the other follows");
}

BOOST_AUTO_TEST_CASE(who_is_told_hears_each_change_once_and_in_order) {
    etcd_backend etcd;
    const auto writer = keeper_of(*etcd);
    must(create(*writer, three, {shard}));
    wait_until([&] { return writer->config(shard).has_value(); }, "it is known");
    const auto keeper = keeper_of(*etcd);
    told_configs told;
    shard_config last = *writer->config(shard);
    for (std::uint64_t i = 1; i <= 30; ++i) {
        if (i == 10) keeper->on_config(told.sink());
        const auto done = propose(*writer, next_of(last, three[i % 3]));
        BOOST_REQUIRE((done.first == answer::accepted));
        last = *done.second;
    }
    wait_until([&] { return !told.heard().empty() && told.heard().back().second == last; }, "the last is told");
    const auto heard = told.heard();
    for (std::size_t i = 1; i < heard.size(); ++i)
        BOOST_TEST(heard[i].second.epoch == heard[i - 1].second.epoch + 1);
}

BOOST_AUTO_TEST_CASE(a_store_that_is_away_did_not_do_it_or_may_have_and_says_which) {
    etcd_process etcd;
    const auto store = must(make_etcd_control_store(quick_options({etcd.endpoint()})));
    const auto rows = make_memory_store();
    const auto shared = std::make_shared<control_rows>(*rows);
    shard_config known;
    {
        const auto keeper = keeper_of(*store, nullptr, shared);
        must(create(*keeper, three, {shard}));
        wait_until([&] { return keeper->config(shard).has_value(); }, "it is known");
        known = *keeper->config(shard);
        etcd.pause(); // takes the request, and never says what came of it
        const auto asked = propose(*keeper, next_of(known, node_id{1}));
        BOOST_TEST((asked.first == answer::unknown));
        BOOST_TEST(!asked.second);
        etcd.resume();
    }
    etcd.kill();
    const auto keeper = keeper_of(*store, nullptr, shared);
    told_configs told;
    keeper->on_config(told.sink());
    BOOST_REQUIRE(told.heard().size() == 1U);
    BOOST_TEST(told.heard()[0].second.version >= known.version);
    const auto refused = propose(*keeper, next_of(known, node_id{1}));
    BOOST_TEST((refused.first == answer::refused));
    BOOST_TEST(!refused.second);
}

BOOST_AUTO_TEST_CASE(a_proposal_that_is_no_configuration_does_not_reach_the_store) {
    local_backend local;
    const auto keeper = keeper_of(*local);
    for (const shard_config& bad : {shard_config{}, shard_config{1, 1, node_id{2}, {node_id{1}}, {node_id{1}}},
                                    shard_config{0, 1, node_id{1}, {node_id{1}}, {node_id{1}}}}) {
        const auto answered = propose(*keeper, bad);
        BOOST_TEST((answered.first == answer::refused));
        BOOST_TEST(!answered.second);
    }
    BOOST_TEST(must(list(*local, "")).entries.empty());
}

BOOST_AUTO_TEST_CASE(a_hostile_value_is_reported_and_the_last_configuration_goes_on) {
    etcd_backend etcd;
    noted_refusals noted;
    const auto keeper = keeper_of(*etcd, &noted);
    told_configs told;
    keeper->on_config(told.sink());
    must(create(*keeper, three, {shard}));
    must(put(*etcd, "/shards/0", R"({"epoch":1,"format":1,"in_sync":[],"primary":1,"replicas":[1]})"));
    must(put(*etcd, "/shards/not-a-number", "{}"));
    must(put(*etcd, "/shards/1", std::string(100'000, '[')));
    must(erase(*etcd, "/shards/1"));
    wait_until([&] { return noted.keys().size() == 4; }, "four refusals");
    BOOST_TEST(told.heard().size() == 1U);
    BOOST_TEST(noted.keys()[3] == "/shards/1 not_found");
    // A proposal against it meets what cannot be read.
    shard_config next = next_of(told.heard()[0].second, node_id{2});
    const auto answered = propose(*keeper, next);
    BOOST_TEST((answered.first == answer::conflict));
    BOOST_TEST(!answered.second);
}

BOOST_AUTO_TEST_CASE(members_are_followed_and_written_over_the_revision_that_was_read) {
    etcd_backend etcd;
    noted_refusals noted;
    const auto keeper = must(member_keeper::start({etcd.operator->(), nullptr, noted.sink()}));
    std::atomic<std::size_t> told = 0;
    keeper->on_members([&](const std::vector<kept_member>& all) { told = all.size(); });
    const auto put_member = [&](const member& m, std::uint64_t revision) {
        return answer_of<expected<std::uint64_t>>([&](auto done) { keeper->put_member(m, revision, done); });
    };
    const auto revision = must(put_member(sample_member(2), 0));
    must(put_member(sample_member(1), 0));
    wait_until([&] { return told == 2; }, "both are told");
    BOOST_TEST((keeper->members()[1] == kept_member{sample_member(2), revision}));
    BOOST_TEST(to_string(put_member(sample_member(2), 0).error().code) == "conflict");
    const member draining = must(changed(sample_member(2), member_state::draining));
    must(put_member(draining, revision));
    wait_until([&] { return keeper->members()[1].what == draining; }, "the change is seen");
    must(put(*etcd, "/members/3", encode(sample_member(4))));
    wait_until([&] { return noted.keys().size() == 1; }, "another's number is refused");
    BOOST_TEST(keeper->members().size() == 2U);
    member nameless = sample_member(5);
    nameless.name = "";
    BOOST_TEST(to_string(put_member(nameless, 0).error().code) == "invalid_argument");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace coppice::testing
