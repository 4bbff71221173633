// What nodes declare through etcd: together, against each other, without etcd, and against what others put there.
#include "cluster/declared/declared_record.hpp"
#include "schema/limits.hpp"
#include "tests/cluster/declared/declaring_node.hpp"

namespace coppice::testing {
namespace {

struct two_nodes {
    etcd_process etcd;
    system_config config{2};
    caf::actor_system system{config};
    test_shard_journal shard{system};
    etcd_options options = [this] {
        etcd_options o = quick_options({etcd.endpoint()});
        o.call_timeout = patience; // a busy machine is not what these tests are about
        return o;
    }();
    declaring_node a{system, options, shard};
    declaring_node b{system, options, shard};
};

std::uint64_t version_at(const declaring_node& node, const std::string& tenant) {
    const auto board = node.board->get();
    const auto* found = board->tenant(tenant);
    return found == nullptr ? 0 : found->version;
}

void wait_for_version(const declaring_node& node, const std::string& tenant, std::uint64_t version) {
    wait_until([&] { return version_at(node, tenant) == version; }, "the board follows");
}

BOOST_AUTO_TEST_SUITE(cluster_control_suite)

BOOST_FIXTURE_TEST_CASE(who_is_answered_finds_it_on_the_board_and_in_the_shard, two_nodes) {
    const auto done = a.apply({type_document("build", R"({"type":"object"})"), tenant_document("acme")});
    BOOST_TEST(words(done) == "created created");
    BOOST_TEST(version_at(a, "acme") == 1U);
    BOOST_TEST(a.board->get()->type("build")->schema.has_value());
    BOOST_TEST((shard.tenants() == std::set<std::string>{"acme:1@1"}));
    BOOST_TEST((shard.types() == std::set<std::string>{"build:1@1"}));
    wait_for_version(b, "acme", 1);
    const auto rows = b.copy->rows(tenant_kind);
    BOOST_REQUIRE(rows.size() == 1U);
    BOOST_TEST(rows[0].name == "acme");
    BOOST_TEST(rows[0].changed_by == "ann");
    BOOST_TEST(rows[0].spec == tenant_document("acme").spec);
    BOOST_TEST(b.copy->rows("").size() == 2U);
    BOOST_TEST(words(b.apply({tenant_document("acme", 7)})) == "updated");
    BOOST_TEST((shard.tenants() == std::set<std::string>{"acme:1@2"}));
    wait_for_version(a, "acme", 2);
}

BOOST_FIXTURE_TEST_CASE(the_same_spec_again_changes_nothing, two_nodes) {
    BOOST_TEST(words(a.apply({tenant_document("acme"), tenant_document("oak")})) == "created created");
    const auto before = must(list(*a.store, "/"));
    BOOST_TEST(words(b.apply({tenant_document("acme"), tenant_document("oak")})) == "unchanged unchanged");
    BOOST_TEST(words(a.apply({})) == "");
    BOOST_TEST((must(list(*a.store, "/")).entries == before.entries));
    BOOST_TEST(words(a.apply({tenant_document("acme"), tenant_document("oak", 2)})) == "unchanged updated");
}

BOOST_FIXTURE_TEST_CASE(a_dry_run_says_what_would_be_and_changes_nothing, two_nodes) {
    BOOST_TEST(words(a.apply({tenant_document("acme")}, true)) == "created");
    BOOST_TEST(must(list(*a.store, "/")).entries.empty());
    BOOST_TEST(words(a.apply({tenant_document("acme")})) == "created");
    BOOST_TEST(words(b.apply({tenant_document("acme", 3)}, true)) == "updated");
    BOOST_TEST(version_at(a, "acme") == 1U);
}

BOOST_FIXTURE_TEST_CASE(nodes_that_apply_at_the_same_time_both_succeed_and_no_number_is_given_twice, two_nodes) {
    constexpr int rounds = 12;
    std::vector<std::future<declaring_node::answer>> answers;
    for (int i = 0; i < rounds; ++i) {
        answers.push_back(
            a.begin({tenant_document("a" + std::to_string(i)), type_document("s" + std::to_string(i))}));
        answers.push_back(
            b.begin({tenant_document("b" + std::to_string(i)), type_document("s" + std::to_string(i))}));
    }
    for (auto& each : answers) {
        BOOST_REQUIRE((each.wait_for(2 * patience) == std::future_status::ready));
        const auto done = each.get();
        BOOST_TEST((words(done) == "created created" || words(done) == "created unchanged"), words(done));
    }
    for (declaring_node* node : {&a, &b})
        wait_until(
            [&] {
                const auto board = node->board->get();
                return board->tenants.size() == 2 * rounds && board->types.size() == rounds &&
                       board->tenants_by_id.size() == 2 * rounds && board->types_by_id.size() == rounds;
            },
            "both see all, each under a number of its own");
    std::set<std::uint32_t> numbers;
    for (const declared_row& row : a.copy->rows(tenant_kind)) numbers.insert(row.number);
    BOOST_TEST(*numbers.rbegin() == 2U * rounds); // nor was one skipped
    BOOST_TEST(shard.tenants().size() == 2U * rounds);
    BOOST_TEST(must(get(*a.store, "/counters/Tenant"))->value == std::to_string(2 * rounds));
}

BOOST_FIXTURE_TEST_CASE(a_number_is_not_given_again, two_nodes) {
    must(a.apply({tenant_document("acme"), tenant_document("oak")}));
    must(erase(*a.store, declared_key("Tenant", "oak")));
    wait_until([&] { return version_at(a, "oak") == 0; }, "it is gone");
    must(a.apply({tenant_document("elm")}));
    BOOST_TEST(a.board->get()->tenant("elm")->id.value == 3U);
    must(erase(*a.store, "/counters/Tenant")); // by hand; what is in use still is not given again
    must(b.apply({tenant_document("ash")}));
    BOOST_TEST(b.board->get()->tenant("ash")->id.value == 4U);
}

BOOST_FIXTURE_TEST_CASE(a_shard_that_cannot_take_it_now_is_told_again, two_nodes) {
    shard.close(errc::not_primary);
    auto answered = a.begin({tenant_document("acme")});
    wait_until([&] { return shard.refused() >= 3; }, "it is tried again");
    BOOST_TEST((answered.wait_for(std::chrono::seconds{0}) == std::future_status::timeout));
    shard.close(errc::unavailable);
    const auto before = shard.refused();
    wait_until([&] { return shard.refused() >= before + 2; }, "and again");
    shard.open();
    BOOST_REQUIRE((answered.wait_for(patience) == std::future_status::ready));
    BOOST_TEST(words(answered.get()) == "created");
    BOOST_TEST(shard.tenants().count("acme:1@1") == 1U);
    shard.close(errc::invalid_argument); // for good
    BOOST_TEST(words(a.apply({tenant_document("oak")})) == "invalid_argument");
}

BOOST_FIXTURE_TEST_CASE(a_request_that_is_too_large_for_one_transaction_is_refused_whole, two_nodes) {
    std::vector<document> many;
    for (std::size_t i = 0; i <= limits::control_txn_operations_max; ++i)
        many.push_back(tenant_document("t" + std::to_string(i)));
    const auto refused = a.apply(many);
    BOOST_TEST(words(refused) == "payload_too_large");
    BOOST_TEST(refused.error().detail.find("apply fewer documents at a time") != std::string::npos);
    BOOST_TEST(must(list(*a.store, "/")).entries.empty());
    many.resize(limits::control_txn_operations_max - 2); // and two counters
    BOOST_TEST(words(a.apply(many)).starts_with("created created"));
    BOOST_TEST(a.board->get()->tenants.size() == many.size());
    many.push_back(tenant_document("one-more")); // what does not change needs no room
    BOOST_TEST(words(a.apply(many)).ends_with("unchanged created"));
}

BOOST_FIXTURE_TEST_CASE(a_spec_that_cannot_be_read_is_never_written, two_nodes) {
    BOOST_TEST(words(a.apply({tenant_document("acme"), {"Tenant", "oak", "{}x"}})) == "document_invalid");
    BOOST_TEST(words(a.apply({type_document("t", R"({"type":"nonsense"})")})) == "schema_invalid");
    BOOST_TEST(words(a.apply({{"Route", "oak", "{}"}})) == "invalid_argument");
    BOOST_TEST(words(a.apply({{"Tenant", "../x", "{}"}})) == "invalid_argument");
    BOOST_TEST(words(a.apply({tenant_document("oak"), tenant_document("oak")})) == "invalid_argument");
    BOOST_TEST(must(list(*a.store, "/")).entries.empty());
}

BOOST_FIXTURE_TEST_CASE(hostile_values_are_refused_and_reported_and_the_others_stay_in_force, two_nodes) {
    must(a.apply({tenant_document("acme"), type_document("build")}));
    const std::string good = must(get(*a.store, "/declared/Tenant/acme"))->value;
    const std::vector<std::pair<std::string, std::string>> hostile{
        {"/declared/Tenant/twin", good}, // another's number
        {"/declared/Tenant/garbage", std::string(100'000, '[')},
        {"/declared/Tenant/binary", std::string("\0\xff\n", 3)},
        {"/declared/Tenant/UPPER", good},
        {"/declared/Tenant/a/b", good},
        {"/declared/", good},
        {"/declared/JobType/nonsense", R"({"changed_at":"2026-01-01T00:00:00.000000Z","changed_by":"x","format":1,)"
                                       R"("number":9,"spec":"{\"schema\":1}","version":1})"},
        {"/declared/Tenant/zero", R"({"changed_at":"2026-01-01T00:00:00.000000Z","changed_by":"x","format":1,)"
                                  R"("number":0,"spec":"{}","version":1})"}};
    for (const auto& [key, value] : hostile) must(put(*a.store, key, value));
    for (declaring_node* node : {&a, &b}) {
        wait_until([&] { return node->refused().size() >= hostile.size(); }, "all are reported");
        BOOST_TEST(version_at(*node, "acme") == 1U);
        BOOST_TEST(node->board->get()->tenants.size() == 1U);
        BOOST_TEST(node->board->get()->type("build")->version == 1U);
    }
    BOOST_TEST(words(a.apply({tenant_document("garbage")})) == "store_damaged");
    BOOST_TEST(words(a.apply({tenant_document("twin", 5)})) == "store_damaged");
    BOOST_TEST(words(a.apply({tenant_document("acme", 5)})) == "store_damaged"); // until the twin is gone
    must(erase(*a.store, "/declared/Tenant/twin"));
    wait_until([&] { return a.copy->rows(tenant_kind).size() == 1U; }, "the twin is gone");
    BOOST_TEST(words(a.apply({tenant_document("acme", 5), tenant_document("oak")})) == "updated created");
    wait_for_version(b, "acme", 2);
    BOOST_TEST(a.refused().size() == hostile.size()); // each was reported once
    must(put(*a.store, "/counters/Tenant", "-1"));
    BOOST_TEST(words(a.apply({tenant_document("elm")})) == "store_damaged");
}

BOOST_FIXTURE_TEST_CASE(only_what_changed_is_read_again_and_told_again, two_nodes) {
    must(a.apply({type_document("build", R"({"type":"object"})"), type_document("test", R"({"type":"array"})")}));
    const auto read = a.compiled();
    const type_ptr before = a.board->get()->types.at("test");
    wait_until([&] { return shard.commands() >= 4; }, "both nodes have told it");
    const auto told = shard.commands();
    must(a.apply({tenant_document("acme")}));
    BOOST_TEST(a.compiled() == read);
    BOOST_TEST((a.board->get()->types.at("test") == before));
    wait_for_version(b, "acme", 1);
    wait_until([&] { return shard.commands() >= told + 2; }, "both nodes have told it");
    BOOST_TEST(shard.commands() == told + 2);
}

BOOST_AUTO_TEST_CASE(without_etcd_an_apply_is_unavailable_and_what_was_in_force_stays_even_over_a_restart) {
    etcd_process etcd;
    system_config config{2};
    caf::actor_system system{config};
    test_shard_journal shard{system};
    const auto rows = make_memory_store();
    const auto shared = std::make_shared<control_rows>(*rows);
    const auto options = quick_options({etcd.endpoint()});
    {
        declaring_node node{system, options, shard, shared};
        wait_until(
            [&] {
                return words(node.apply({tenant_document("acme"), type_document("build")})) != "unavailable";
            },
            "etcd is quick enough");
        BOOST_REQUIRE(version_at(node, "acme") == 1U);
        etcd.kill();
        BOOST_TEST(words(node.apply({tenant_document("oak")})) == "unavailable");
        BOOST_TEST(words(node.apply({tenant_document("acme")})) == "unavailable"); // it cannot know
        BOOST_TEST(version_at(node, "acme") == 1U);
    }
    declaring_node node{system, options, shard, shared};
    BOOST_TEST(version_at(node, "acme") == 1U);
    BOOST_TEST(node.board->get()->type("build")->version == 1U);
    BOOST_TEST(node.copy->rows("").size() == 2U);
    BOOST_TEST(words(node.apply({tenant_document("oak")})) == "unavailable");
    etcd.start();
    wait_until([&] { return words(node.apply({tenant_document("oak")})) != "unavailable"; }, "etcd is back");
    BOOST_TEST(version_at(node, "oak") == 1U);
    BOOST_TEST(node.board->get()->tenant("oak")->id.value == 2U);
}

BOOST_AUTO_TEST_CASE(an_apply_that_etcd_never_answered_is_said_to_be_unknown_or_not_to_have_happened) {
    etcd_process etcd;
    system_config config{2};
    caf::actor_system system{config};
    test_shard_journal shard{system};
    declaring_node node{system, quick_options({etcd.endpoint()}), shard};
    must(node.apply({tenant_document("acme")}));
    etcd.pause();
    const std::string said = words(node.apply({tenant_document("oak")}));
    BOOST_TEST((said == "unavailable" || said == "unknown_outcome"), said);
    etcd.resume();
    wait_until(
        [&] { return words(node.apply({tenant_document("oak")})).find("un") != 0 || version_at(node, "oak") == 1; },
        "the same again");
    BOOST_TEST(version_at(node, "oak") == 1U);
    BOOST_TEST(node.board->get()->tenants_by_id.size() == 2U);
}

BOOST_FIXTURE_TEST_CASE(a_commit_whose_answer_was_lost_is_found_and_told_as_what_it_did, two_nodes) {
    using loses = lossy_store::loses;
    std::uint32_t number = 0;
    for (const loses what : {loses::answer, loses::request}) {
        const std::string name = "t" + std::to_string(++number);
        a.store->lose_next(what);
        BOOST_TEST(words(a.apply({tenant_document(name)})) == "created");
        a.store->lose_next(what);
        BOOST_TEST(words(a.apply({type_document("build"), tenant_document(name, 9)})).ends_with("updated"));
        a.store->lose_next(what);
        BOOST_TEST(words(a.apply({type_document("build"), type_document(name)})) == "unchanged created");
        BOOST_TEST(version_at(a, name) == 2U); // once, not twice
        BOOST_TEST(a.board->get()->tenant(name)->id.value == number);
        wait_for_version(b, name, 2);
    }
}

BOOST_FIXTURE_TEST_CASE(too_many_applies_at_a_time_are_refused, two_nodes) {
    etcd.pause();
    std::vector<std::future<declaring_node::answer>> answers;
    for (std::size_t i = 0; i < limits::declare_requests_max + 5; ++i)
        answers.push_back(a.begin({tenant_document("t" + std::to_string(i))}));
    BOOST_REQUIRE((answers.back().wait_for(patience) == std::future_status::ready));
    BOOST_TEST(words(answers.back().get()) == "overloaded");
    etcd.resume();
    BOOST_REQUIRE((answers.front().wait_for(2 * patience) == std::future_status::ready));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace coppice::testing
