// One tenant against another, call by call: what is another's is answered as what never was.
#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/hostile_support.hpp"

namespace coppice::end_to_end {
namespace {

constexpr const char* two_tenants = R"(
kind: JobType
metadata: {name: hold}
spec: {executor: worker}
---
kind: Tenant
metadata: {name: acme}
spec: {types: [exec, hold]}
---
kind: Tenant
metadata: {name: birch}
spec: {types: [exec, hold]}
)";

constexpr const char* secret = "the-secret-of-birch";

struct two_houses {
    two_houses() {
        declare(n, two_tenants);
        const auto payload = [](const std::string& script) {
            return nlohmann::json{{"argv", {"sh", "-c", script}}}.dump();
        };
        session owner(n, operator_token(n));
        done = submit_one(owner, {.tenant = "birch",
                                  .payload = payload(std::string{"echo "} + secret + "; echo " + secret + " >&2"),
                                  .key = secret})
                   .id;
        waiting = submit_one(owner, {.tenant = "birch", .payload = payload("true"), .delay_ms = 3'600'000}).id;
        never = done;
        never.bytes[15] ^= 1;
        auto watch = owner.jobs().watchRequest();
        write_id(done, watch.initId());
        watch.setRevision(1'000'000);
        watch.setTimeoutMs(30'000);
        BOOST_REQUIRE(watch.send().wait(owner.scope()).getJob().getState() == rec::State::SUCCEEDED);
    }
    node n;
    job_id done, waiting, never;
};

// The failure of each call that names a job, with the id taken out of it.
std::vector<std::string> answers_about(session& s, const job_id& id) {
    std::vector<std::string> all;
    const auto note = [&](const char* call, api::Failure::Reader f) {
        std::string detail = text_of(f.getDetail());
        const std::string shown = to_string(id);
        if (const auto at = detail.find(shown); at != std::string::npos) detail.replace(at, shown.size(), "ID");
        all.push_back(std::string{call} + ' ' + name_of(f) + ' ' + detail);
    };
    const auto ask = [&](auto call) {
        write_id(id, call.initId());
        return call.send().wait(s.scope());
    };
    const auto got = ask(s.jobs().getRequest());
    BOOST_TEST(got.getJob().getPayload().size() == 0U);
    note("get", got.getFailure());
    const auto logs = ask(s.jobs().logsRequest());
    BOOST_TEST(logs.getLines().size() == 0U);
    note("logs", logs.getFailure());
    const auto result = ask(s.jobs().resultRequest());
    BOOST_TEST(result.getResult().size() == 0U);
    note("result", result.getFailure());
    note("watch", ask(s.jobs().watchRequest()).getFailure());
    auto cancel = s.jobs().cancelRequest();
    write_id(id, cancel.initIds(1)[0]);
    note("cancel", cancel.send().wait(s.scope()).getResults()[0]);
    const submit_answer child = submit_one(s, {.tenant = "acme", .after = {id}});
    std::string detail = child.detail;
    if (const auto at = detail.find(to_string(id)); at != std::string::npos) detail.replace(at, 36, "ID");
    all.push_back("after " + std::string{to_string(child.code)} + ' ' + detail);
    return all;
}

} // namespace

BOOST_AUTO_TEST_SUITE(hostile_tenancy)

BOOST_AUTO_TEST_CASE(anothers_job_is_told_as_one_that_never_was) {
    const two_houses houses;
    for (const char* role : {"project-maintainer", "service"}) {
        session s(houses.n, token_for(houses.n, role, "acme"));
        const auto about_done = answers_about(s, houses.done);
        const auto about_never = answers_about(s, houses.never);
        const auto about_waiting = answers_about(s, houses.waiting);
        BOOST_TEST(about_done == about_never, boost::test_tools::per_element());
        BOOST_TEST(about_waiting == about_never, boost::test_tools::per_element());
        for (const std::string& each : about_done) {
            BOOST_TEST(!contains(each, secret));
            BOOST_TEST((contains(each, " not_found ") || contains(each, " dependency_unknown ")));
        }
    }
    session owner(houses.n, operator_token(houses.n));
    auto still = owner.jobs().getRequest();
    write_id(houses.waiting, still.initId());
    BOOST_TEST((still.send().wait(owner.scope()).getJob().getState() == rec::State::SCHEDULED));
}

BOOST_AUTO_TEST_CASE(lists_feeds_and_submissions_stay_in_the_tenant) {
    const two_houses houses;
    for (const char* role : {"project-maintainer", "service"}) {
        session s(houses.n, token_for(houses.n, role, "acme"));
        const auto own = s.jobs().listRequest().send().wait(s.scope());
        for (const auto job : own.getJobs()) BOOST_TEST(text_of(job.getTenant()) == "acme");
        auto foreign = s.jobs().listRequest();
        foreign.initFilter().setTenant("birch");
        BOOST_TEST(name_of(foreign.send().wait(s.scope()).getFailure()) == "permission_denied");
        auto none = s.jobs().listRequest();
        none.initFilter().setTenant("no-such");
        BOOST_TEST(name_of(none.send().wait(s.scope()).getFailure()) == "permission_denied");
        // Cursors are anybody's to make up.
        for (const std::string& cursor :
             {std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8), std::string(1, '\0'), std::string(60, '\xff'),
              std::string(200, '\x7f'), std::string("\0\0\0\0\0\2", 6)}) {
            auto call = s.jobs().listRequest();
            call.setCursor({reinterpret_cast<const kj::byte*>(cursor.data()), cursor.size()});
            const auto page = call.send().wait(s.scope());
            for (const auto job : page.getJobs()) BOOST_TEST(text_of(job.getTenant()) == "acme");
        }
        for (const std::uint64_t after :
             {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, ~std::uint64_t{0} - 1}) {
            auto follow = s.jobs().followRequest();
            follow.initAfter(1).set(0, after);
            const auto events = follow.send().wait(s.scope());
            for (const auto event : events.getEvents())
                BOOST_TEST((read_id(event.getJob()).tenant() != houses.done.tenant()));
        }
        for (const char* tenant : {"birch", "default", "no-such"}) {
            const submit_answer o = submit_one(s, {.tenant = tenant});
            BOOST_TEST(to_string(o.code) == "permission_denied");
        }
        // A key that another tenant used is new here.
        const submit_answer keyed = submit_one(s, {.tenant = "acme", .key = secret + std::string{role}});
        BOOST_TEST(to_string(keyed.code) == "ok");
        BOOST_TEST((keyed.id.tenant() != houses.done.tenant()));
        if (s.grant().hasPlatform()) {
            auto tenants = s.platform().getRequest();
            tenants.setKind("Tenant");
            const auto shown = tenants.send().wait(s.scope());
            BOOST_TEST(shown.getDocuments().size() == 1U);
            BOOST_TEST(text_of(shown.getDocuments()[0].getName()) == "acme");
        }
        // What follows is refused, or is a capability that is not there.
        for (const auto& command : std::vector<std::vector<std::string>>{{"tree"},
                                                                         {"metrics"},
                                                                         {"check"},
                                                                         {"doctor", "--repair", "all"},
                                                                         {"node", "pause"},
                                                                         {"top", "--count", "1"},
                                                                         {"get", "tenant", "birch"},
                                                                         {"job", "list", "--tenant", "birch"}}) {
            const outcome o = houses.n.run_as(with_token(houses.n, token_for(houses.n, role, "acme")), command);
            BOOST_TEST_CONTEXT(command[0] << ": " << o.out << o.err) {
                BOOST_TEST(o.status == 1);
                BOOST_TEST(o.out.empty());
                BOOST_TEST((contains(o.err, "permission_denied") || contains(o.err, "not_found")));
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(a_role_does_what_it_is_for_and_nothing_else) {
    const two_houses houses;
    const scratch_directory files;
    const std::string file =
        files.write("tenant.yaml", "kind: Tenant\nmetadata: {name: mine}\nspec: {weight: 1000}\n");
    const auto denied = [&](const std::string& token, const std::vector<std::string>& command) {
        const outcome o = houses.n.run_as(with_token(houses.n, token), command);
        BOOST_TEST_CONTEXT(command[0] << ": " << o.out << o.err) {
            BOOST_TEST(o.status == 1);
            BOOST_TEST(contains(o.err, "permission_denied"));
        }
    };
    const std::string worker = token_for(houses.n, "worker");
    denied(worker, {"job", "list"});
    denied(worker, {"job", "get", to_string(houses.done)});
    denied(worker, {"job", "submit", "--tenant", "birch", "--type", "exec", "--payload", R"({"argv":["true"]})"});
    denied(worker, {"apply", "-f", file});
    denied(worker, {"tree"});
    for (const char* role : {"service", "project-maintainer"}) {
        denied(token_for(houses.n, role, "acme"), {"apply", "-f", file});
        denied(token_for(houses.n, role, "acme"), {"tree"});
        denied(token_for(houses.n, role, "acme"), {"worker", "--types", "hold", "--", "true"});
    }
    denied(token_for(houses.n, "sre"), {"apply", "-f", file}); // tenants are the owner's
    denied(token_for(houses.n, "security-officer"), {"job", "cancel", to_string(houses.waiting)});
    BOOST_TEST(houses.n.run({"get", "tenant", "mine"}).status == 1);
}

// What a worker is handed are payloads. Birch's job waits longer, and is passed over for acme's all the same.
BOOST_AUTO_TEST_CASE(a_worker_whose_token_is_bound_to_a_tenant_is_handed_that_tenants_attempts_alone) {
    const two_houses houses;
    const job_id foreign = [&] {
        session owner(houses.n, operator_token(houses.n));
        return submit_one(owner, {.tenant = "birch", .type = "hold", .payload = "1"}).id;
    }();
    for (const char* role : {"worker", "sre", "platform-owner"}) {
        process bound({.argv = {program(), "worker", "--types", "hold", "--slots", "8", "--", "cat"},
                       .env = with_token(houses.n, token_for(houses.n, role, "acme"))});
        const outcome own =
            houses.n.run({"job", "submit", "--tenant", "acme", "--type", "hold", "--payload", "2", "--wait"});
        BOOST_TEST_CONTEXT(own.err << bound.err()) BOOST_TEST(own.status == 0);
        BOOST_TEST(bound.kill(SIGTERM) == 0);
    }
    const outcome shown = houses.n.run({"job", "get", to_string(foreign), "-o", "json"});
    BOOST_TEST(nlohmann::json::parse(shown.out)["status"] == "queued");

    session nobody(houses.n, token_for(houses.n, "worker", "not-declared"));
    auto attach = nobody.workers().attachRequest();
    attach.initTypes(1).set(0, "hold");
    attach.setSlots(8);
    BOOST_TEST(name_of(attach.send().wait(nobody.scope()).getFailure()) == "unknown_tenant");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
