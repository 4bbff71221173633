// A cluster of several shards: tenants live on different ones, whose primaries are different nodes; clients and
// workers see one system.
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/end_to_end/cluster_fixture.hpp"
#include "tests/end_to_end/slow_line.hpp"

namespace coppice::end_to_end {
namespace {

// With acme, which is there: tenants 1, 2 and 3, on shards 1, 2 and 0.
constexpr std::string_view more_tenants = R"(kind: Tenant
metadata: {name: bolt}
spec: {types: [parked, echo, worked, slow]}
---
kind: Tenant
metadata: {name: cork}
spec: {types: [parked, echo, worked, slow]}
---
kind: JobType
metadata: {name: slow}
spec: {executor: exec, argv: [sh, -c, "echo begun >&2; sleep 3"], attempts_max: 3}
)";
const std::vector<std::string> tenants{"acme", "bolt", "cork"};

// A tenant and a job type of that name.
std::string declared_as(const std::string& name) {
    return "kind: Tenant\nmetadata: {name: " + name +
           "}\nspec: {types: ['*']}\n---\nkind: JobType\nmetadata: {name: " + name +
           "}\nspec: {executor: exec, argv: [sleep, '0.1']}\n";
}

template <class T>
std::string why_not(const expected<T>& outcome) {
    return outcome ? "" : to_string(outcome.error());
}

// What etcd says comes to the last node as late as the line is told.
struct late_last_node {
    late_last_node() {
        c.restart_with(2, c.etcd().endpoint(), line.endpoint());
        require_all_in_sync(c, 3);
    }
    cluster_under_test c;
    slow_line line{c.etcd().endpoint()};
};

class grove {
  public:
    grove() {
        const scratch_directory files;
        const auto applied = c.run(0, {"apply", "-f", files.write("more.yaml", more_tenants)});
        BOOST_REQUIRE_MESSAGE(applied.status == 0, applied.err);
    }
    std::string submit(std::size_t at, const std::string& tenant, const std::string& type) const {
        const auto ran = c.run(at, {"job", "submit", "--tenant", tenant, "--type", type, "--payload", "\"x\""});
        BOOST_REQUIRE_MESSAGE(ran.status == 0, ran.err);
        return ran.out.substr(0, ran.out.find('\n'));
    }
    nlohmann::json job(std::size_t at, const std::string& id) const {
        const auto got = c.run(at, {"job", "get", id, "-o", "json"});
        return got.status == 0 ? nlohmann::json::parse(got.out) : nlohmann::json{};
    }
    // Jobs of everybody's, in pages that end within shards.
    std::set<std::string> listed(std::size_t at) const {
        std::set<std::string> ids;
        for (std::string cursor;;) {
            std::vector<std::string> asked{"job", "list", "--type", "parked", "--limit", "4", "-o", "json"};
            if (!cursor.empty()) asked.insert(asked.end(), {"--cursor", cursor});
            const auto page = c.run(at, asked);
            BOOST_REQUIRE_MESSAGE(page.status == 0, page.err);
            const auto answer = nlohmann::json::parse(page.out);
            for (const auto& job : answer["jobs"]) ids.insert(job["id"]);
            if (answer["cursor"].is_null()) return ids;
            cursor = answer["cursor"];
        }
    }
    bool comes_to(const std::string& id, const std::string& status) const {
        return eventually([&] { return job(0, id).value("status", "") == status; });
    }
    void spread() const {
        BOOST_REQUIRE(eventually([&] {
            std::set<std::size_t> leaders;
            for (std::uint16_t shard = 0; shard < 3; ++shard) leaders.insert(c.primary(shard));
            return leaders.size() == 3;
        }));
    }

    cluster_under_test c;
};

} // namespace

// As the suite `cluster`.
BOOST_FIXTURE_TEST_SUITE(cluster_shards, grove, *boost::unit_test::enable_if<!sanitized>())

BOOST_AUTO_TEST_CASE(tenants_of_all_shards_are_one_system_at_every_node) {
    spread();
    std::set<std::string> ids;
    for (std::size_t at = 0; at < 3; ++at)
        for (const std::string& tenant : tenants) ids.insert(submit(at, tenant, "parked"));
    BOOST_TEST(ids.size() == 9U);
    for (std::size_t at = 0; at < 3; ++at) {
        // All of the platform's, in pages that end in the middle of shards.
        BOOST_TEST((listed(at) == ids));
        for (const std::string& tenant : tenants) {
            const auto own = c.run(at, {"job", "list", "--tenant", tenant, "--type", "parked", "-o", "json"});
            BOOST_TEST(nlohmann::json::parse(own.out)["jobs"].size() == 3U);
        }
    }
    for (const std::string& id : ids) {
        const auto cancelled = c.run(2, {"job", "cancel", id});
        BOOST_TEST(cancelled.status == 0, cancelled.err);
    }
}

BOOST_AUTO_TEST_CASE(one_submission_for_several_shards_is_followed_to_its_end) {
    spread();
    std::string lines;
    for (int i = 0; i < 30; ++i)
        lines += R"({"tenant":")" + tenants[i % 3] + R"(","type":"echo","payload":)" + std::to_string(i) + "}\n";
    const scratch_directory files;
    const auto ran = c.run(1, {"job", "submit", "-f", files.write("jobs", lines), "--wait"});
    BOOST_TEST(ran.status == 0, ran.err);
    BOOST_TEST(std::count(ran.out.begin(), ran.out.end(), '\n') == 30);
}

BOOST_AUTO_TEST_CASE(a_worker_of_one_slot_serves_every_shard) {
    spread();
    std::vector<std::string> ids;
    const auto worker = c.begin(0, {"worker", "--types", "worked", "--slots", "1", "--", "/bin/cat"});
    for (int n = 0; n < 5; ++n)
        for (const std::string& tenant : tenants) ids.push_back(submit(n % 3, tenant, "worked"));
    for (const std::string& id : ids) BOOST_TEST(comes_to(id, "succeeded"));
    for (const std::string& id : ids) BOOST_TEST(job(1, id)["attempts"] == 1);
}

BOOST_AUTO_TEST_CASE(an_attempt_that_runs_goes_on_when_its_shard_gets_another_primary) {
    spread();
    const std::uint16_t shard = c.shard_of_acme();
    const std::size_t first = c.primary(shard), second = (first + 1) % 3;
    // More than one node's executor holds: some run beside the primary, and some elsewhere.
    std::vector<std::string> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(submit(second, "bolt", "slow"));
    for (const std::string& id : ids) BOOST_REQUIRE(comes_to(id, "running"));
    const std::size_t leads_bolt = c.primary(2);
    const auto moved = c.run(first, {"shard", "move", "2", std::to_string((leads_bolt + 1) % 3 + 1)});
    BOOST_REQUIRE_MESSAGE(moved.status == 0, moved.err);
    for (const std::string& id : ids) {
        BOOST_TEST(comes_to(id, "succeeded"));
        BOOST_TEST(job(0, id)["attempts"] == 1);
        BOOST_TEST(c.run(0, {"job", "logs", id}).out.find("begun") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(attempts_of_other_shards_do_not_hear_of_a_primary_that_is_killed) {
    spread();
    const std::size_t victim = c.primary(0), at = (victim + 1) % 3;
    const auto worker = c.begin(at, {"worker", "--types", "worked", "--slots", "4", "--", "/bin/sleep", "3"});
    std::vector<std::string> ids;
    for (const std::string& tenant : tenants) ids.push_back(submit(at, tenant, "worked"));
    for (const std::string& id : ids)
        BOOST_REQUIRE(eventually([&] { return job(at, id).value("status", "") == "running"; }));
    c.kill(victim, SIGKILL);
    for (const std::string& id : ids) {
        BOOST_TEST(eventually([&] { return job(at, id).value("status", "") == "succeeded"; }));
        BOOST_TEST(job(at, id)["attempts"] == 1);
    }
}

BOOST_AUTO_TEST_CASE(a_node_that_believes_in_another_number_of_shards_does_not_serve) {
    BOOST_TEST(c.kill(2, SIGTERM) == 0);
    std::string config = read_file(c.config(2));
    const auto at = config.find("shards: 3");
    BOOST_REQUIRE(at != std::string::npos);
    config.replace(at, 9, "shards: 5");
    const scratch_directory files;
    process wrong({.argv = {program(), "serve", "--config", files.write("node.yaml", config)}});
    BOOST_TEST(wrong.wait() == 1);
    BOOST_TEST(wrong.err().find("the cluster was founded with 3") != std::string::npos, wrong.err());
    BOOST_TEST(c.run(0, {"shard", "list", "-o", "json"}).out.find("\"shard\":3") == std::string::npos);
}

// The last node hears of everything late, and nobody waits for it.
BOOST_FIXTURE_TEST_CASE(what_was_declared_at_one_node_is_known_at_every_other_at_once, late_last_node) {
    client::blocking_client first(c.client_of(0));
    client::client last{first.io(), c.client_of(2)};
    line.delay_answers(std::chrono::milliseconds{300});
    for (int round = 0; round < 3; ++round) {
        const std::string name = "new-" + std::to_string(round);
        const auto applied = first.apply({{"new.yaml", declared_as(name)}});
        BOOST_REQUIRE_MESSAGE(applied, why_not(applied));
        if (round == 0) {
            const auto listed = first.run(last.get_declared("Tenant", name));
            BOOST_CHECK_MESSAGE(listed, why_not(listed));
        } else {
            const auto taken =
                first.run(last.submit(client::job_spec{.tenant = name, .type = name, .payload = "{}"}));
            BOOST_CHECK_MESSAGE(taken, why_not(taken));
        }
    }
    const auto unknown = first.run(last.submit(client::job_spec{.tenant = "nobody", .type = "echo"}));
    BOOST_TEST((!unknown && unknown.error().code == errc::unknown_tenant));
}

// Its executor is given work of a type that it has not heard of yet.
BOOST_FIXTURE_TEST_CASE(an_executor_that_hears_late_of_a_type_runs_its_jobs_when_it_has, late_last_node) {
    client::blocking_client at(c.client_of(0));
    line.delay_answers(std::chrono::milliseconds{300});
    BOOST_REQUIRE(at.apply({{"new.yaml", declared_as("late")}}));
    // More than the others have slots for.
    const std::vector<client::job_spec> wanted(8, {.tenant = "late", .type = "late", .payload = "{}"});
    for (const auto& taken : at.submit(wanted)) {
        BOOST_REQUIRE_MESSAGE(taken, why_not(taken));
        BOOST_TEST(eventually([&] {
            const auto job = at.get(taken->id);
            return job && job->state == job_state::SUCCEEDED && job->attempts == 1;
        }));
    }
}

BOOST_AUTO_TEST_CASE(what_a_node_held_that_is_silent_for_too_long_is_held_by_another) {
    cluster_under_test c{4};
    for (std::size_t i = 0; i < c.size(); ++i) {
        c.restart_with(i, "min_in_sync:", "lost_after: 2s\n  min_in_sync:");
        require_all_in_sync(c, 3);
    }
    const std::size_t lost = c.primary(); // it holds one shard at least, and of three nodes each held all
    c.kill(lost, SIGKILL);
    require_all_in_sync(c, 3);
    const auto worked = c.run(
        lost == 0 ? 1 : 0, {"job", "submit", "--tenant", "acme", "--type", "echo", "--payload", "\"x\"", "--wait"});
    BOOST_TEST(worked.status == 0, worked.err);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
