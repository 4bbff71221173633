// Schedules as a user meets them: declared, shown, paused, run by hand; over a killed node and a killed primary,
// where each time makes one run or is counted as missed, and none makes two.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <nlohmann/json.hpp>

#include "schema/time.hpp"
#include "tests/end_to_end/cluster_fixture.hpp"

namespace coppice::end_to_end {
namespace {

using nlohmann::json;

std::string schedule_text(const std::string& spec) {
    return "---\nkind: Schedule\nmetadata: {name: beat}\nspec: {tenant: default, type: note, " + spec + "}\n";
}
const std::string note_type = "kind: JobType\nmetadata: {name: note}\nspec:\n  executor: exec\n  argv: [\"true\"]\n"
                              "  schema: {type: object, properties: {n: {type: integer}}, required: [n]}\n";

template <class Ran>
json shown(Ran&& ran) {
    const outcome o = ran(std::vector<std::string>{"schedule", "show", "beat", "-o", "json"});
    return o.status == 0 ? json::parse(o.out) : json{};
}

std::int64_t second_of(const json& time) { return to_us(*parse_rfc3339(time.get<std::string>())) / 1'000'000; }

// Every second from the first run on, up to the newest, was a run, or was counted as missed.
void require_each_once(const json& schedule, std::int64_t first, std::size_t jobs) {
    const std::int64_t seconds = second_of(schedule["last_at"]) - first + 1;
    const std::int64_t runs = schedule["runs"], missed = schedule["missed"];
    BOOST_TEST(runs + missed == seconds, schedule.dump());
    BOOST_TEST(static_cast<std::size_t>(runs) == jobs, schedule.dump());
    BOOST_TEST(schedule["refused"] == 0);
}

} // namespace

BOOST_AUTO_TEST_SUITE(schedules_suite)

BOOST_AUTO_TEST_CASE(a_schedule_runs_each_second_once_over_a_killed_node) {
    node n;
    const auto show = [&] { return shown([&](const auto& words) { return n.run(words); }); };
    declare(n, note_type + schedule_text("payload: {n: 1}, every: 1s, overlap: allow"));
    BOOST_REQUIRE(eventually([&] { return show()["runs"] > 0; }));
    const json first = show();
    const std::int64_t began = second_of(first["last_at"]) - first["runs"].get<std::int64_t>() + 1;
    n.kill(SIGKILL);
    n.start_again();
    BOOST_REQUIRE(eventually([&] { return show()["runs"] > first["runs"].get<int>() + 2; }));
    BOOST_TEST(n.run({"schedule", "pause", "beat"}).status == 0);
    const json paused = show();
    BOOST_TEST(paused["paused"] == true);
    BOOST_TEST(paused["times"].empty());
    const json jobs = json::parse(n.run({"job", "list", "--type", "note", "--limit", "1000", "-o", "json"}).out);
    require_each_once(paused, began, jobs["jobs"].size());
    BOOST_TEST(jobs["jobs"][0]["submitter"] == "schedule beat");
    const outcome by_hand = n.run({"schedule", "run", "beat"});
    BOOST_TEST_CONTEXT(by_hand.err) BOOST_REQUIRE_EQUAL(by_hand.status, 0);
    BOOST_TEST(eventually([&] { return job_of(n, first_line(by_hand.out))["status"] == "succeeded"; }));
    BOOST_TEST(n.run({"schedule", "resume", "beat"}).status == 0);
    const json goes_on = show();
    BOOST_TEST(goes_on["missed"] == paused["missed"]); // what passed in the pause is not made up for
    BOOST_TEST(goes_on["times"].size() == 5U);
    BOOST_TEST(eventually([&] { return show()["runs"] > goes_on["runs"].get<int>(); }));
    BOOST_TEST(contains(n.run({"schedule", "list"}).out, "every 1s"));
    BOOST_TEST(contains(n.run({"get", "schedule", "beat", "-o", "yaml"}).out, "overlap: allow"));
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_schedule_is_said_when_it_is_applied) {
    const node n;
    declare(n, note_type);
    const auto says = [&](const std::string& spec, const std::string& part) {
        const outcome refused = n.run({"apply", "-f", "-"}, schedule_text(spec));
        BOOST_TEST(refused.status != 0, spec);
        BOOST_TEST(contains(refused.err, part), refused.err);
    };
    says("payload: {n: 1}", "either cron or every is needed");
    says("payload: {n: 1}, cron: \"* * * * *\", every: 5s", "and not both");
    says("payload: {n: 1}, cron: \"61 * * * *\"", "the minute \"61\"");
    says("payload: {n: 1}, cron: \"0 3 * * *\", timezone: Mars/Olympus", "no time zone \"Mars/Olympus\"");
    says("payload: {n: x}, every: 5s", "spec.payload");
    says("payload: {n: 1}, every: 5s, tenant: nobody", "the key \"tenant\"");
    says("payload: {n: 1}, every: 5s, overlap: never", "must be one of skip, buffer_one, allow, cancel_other");
    const outcome unknown =
        n.run({"apply", "-f", "-"}, "kind: Schedule\nmetadata: {name: beat}\nspec: {tenant: nobody, type: nothing, "
                                    "every: 5s}\n");
    BOOST_TEST(contains(unknown.err, "tenant \"nobody\" is declared neither here nor on the node"), unknown.err);
    BOOST_TEST(contains(unknown.err, "job type \"nothing\" is declared neither here nor on the node"));
    BOOST_TEST(n.run({"schedule", "show", "beat"}).status != 0);
    BOOST_TEST(contains(n.run({"schedule", "run", "beat"}).err, "no schedule \"beat\""));
}

// Nodes that a sanitizer slows down do not keep the leases' times on two processors.
BOOST_AUTO_TEST_CASE(a_schedule_goes_on_over_a_killed_primary, *boost::unit_test::enable_if<!sanitized>()) {
    cluster_under_test c;
    const auto ran_at = [&](std::size_t i) {
        return [&c, i](const std::vector<std::string>& words) { return c.run(i, words); };
    };
    const scratch_directory files;
    const auto applied =
        c.run(0, {"apply", "-f",
                  files.write("beat.yaml", "kind: Schedule\nmetadata: {name: beat}\nspec: {tenant: acme, "
                                           "type: parked, every: 1s, overlap: allow}\n")});
    BOOST_REQUIRE_MESSAGE(applied.status == 0, applied.err);
    require_all_in_sync(c, 3);
    const std::size_t primary = c.primary(), other = (primary + 1) % 3;
    BOOST_REQUIRE(eventually([&] { return shown(ran_at(other))["runs"] > 0; }));
    const json first = shown(ran_at(other));
    const std::int64_t began = second_of(first["last_at"]) - first["runs"].get<std::int64_t>() + 1;
    c.kill(primary, SIGKILL);
    const bool went_on = eventually([&] {
        const json now = shown(ran_at(other));
        return now.contains("runs") && now["runs"] > first["runs"].get<int>() + 3;
    });
    BOOST_REQUIRE_MESSAGE(went_on, c.account());
    BOOST_TEST(c.run(other, {"schedule", "pause", "beat"}).status == 0);
    const json paused = shown(ran_at(other));
    const auto jobs = c.run(other, {"job", "list", "--tenant", "acme", "--limit", "1000", "-o", "json"});
    require_each_once(paused, began, json::parse(jobs.out)["jobs"].size());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
