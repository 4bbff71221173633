// A cluster one of whose nodes is of an older version: what that one does not know is refused, everything else goes
// on, and is done as soon as the node is upgraded.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <future>
#include <nlohmann/json.hpp>
#include <set>

#include "cluster/control/etcd_control_store.hpp"
#include "cluster/membership/own_version.hpp"
#include "tests/end_to_end/cluster_fixture.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

// What an older version says of itself: the node's record without these features. The node does not run, so it
// does not say otherwise.
void make_older(cluster_under_test& c, std::uint32_t node, const std::set<std::string>& without) {
    auto store = make_etcd_control_store({.endpoints = {c.etcd().endpoint()}, .prefix = "/coppice/grove/"});
    BOOST_REQUIRE(store);
    std::promise<expected<control_listing>> listed;
    (*store)->list(member_key(node_id{node}), [&](expected<control_listing> r) { listed.set_value(std::move(r)); });
    const auto found = listed.get_future().get();
    BOOST_REQUIRE((found && found->entries.size() == 1U));
    json record = json::parse(found->entries.front().value);
    json kept = json::array();
    for (const json& each : record["features"])
        if (!without.contains(each.get<std::string>())) kept.push_back(each);
    BOOST_REQUIRE(kept.size() < record["features"].size());
    record["features"] = kept;
    std::promise<bool> written;
    (*store)->commit({.compares = {}, .puts = {{member_key(node_id{node}), record.dump()}}, .erases = {}},
                     [&](auto r) { written.set_value(r.has_value()); });
    BOOST_REQUIRE(written.get_future().get());
}

} // namespace

BOOST_AUTO_TEST_SUITE(cluster_versions, *boost::unit_test::enable_if<!sanitized>())

BOOST_AUTO_TEST_CASE(what_an_older_node_does_not_know_is_refused_until_it_is_upgraded) {
    cluster_under_test c;
    BOOST_REQUIRE(c.all_in_sync(3));
    c.kill(2, SIGKILL);
    make_older(c, 3,
               {std::string{feature::job_slots}, std::string{feature::log_bounds}, std::string{feature::repairs},
                std::string{feature::hard_sticky}, std::string{feature::stored_lines}});
    const auto apply = [&](const std::string& spec) {
        return c.run(0, {"apply", "-f",
                         c.files().write("type.yaml", "kind: JobType\nmetadata: {name: new}\nspec: {executor: "
                                                      "worker, " +
                                                          spec + "}\n")});
    };
    const auto refuses = [&](const outcome& o, std::string_view feature) {
        return o.status != 0 && contains(o.err, "of a version without \"" + std::string{feature} + "\"");
    };
    BOOST_TEST(eventually([&] { return refuses(apply("slots: 2"), feature::job_slots); }), apply("slots: 2").err);
    BOOST_TEST(refuses(apply("logs: {lines: 10}"), feature::log_bounds));
    BOOST_TEST(refuses(apply("logs: {stored: 10MiB}"), feature::log_bounds)); // the first that is missing
    BOOST_TEST(refuses(apply("concurrency: {by: k, running_max: 1}, workers: {sticky: true}"), feature::repairs));
    BOOST_TEST(
        refuses(apply("concurrency: {by: k, running_max: 1}, workers: {sticky: hard}"), feature::hard_sticky));
    const std::vector<std::string> submit{"job", "submit", "--tenant", "acme", "--type", "echo"};
    auto labelled = submit;
    labelled.insert(labelled.end(), {"--label", "a=b"});
    BOOST_TEST(refuses(c.run(0, labelled), feature::repairs));
    BOOST_TEST(refuses(c.run(1, {"doctor", "--repair", "all"}), feature::repairs));
    // What every version knows goes on.
    BOOST_TEST(eventually([&] { return c.run(0, submit).status == 0; }));
    BOOST_TEST(apply("running_max: 2").status == 0);

    c.start(2); // as it is today
    BOOST_TEST(eventually([&] { return apply("slots: 2").status == 0; }), apply("slots: 2").err);
    BOOST_TEST(eventually([&] { return c.run(0, labelled).status == 0; }));
    BOOST_REQUIRE(c.all_in_sync(3));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
