// Calls beyond every bound, over Cap'n Proto's own client: the right error each, and the node lives on.
#include <capnp/any.h>

#include <boost/test/unit_test.hpp>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "tests/end_to_end/hostile_support.hpp"

namespace coppice::end_to_end {
namespace {

constexpr const char* hostile_types = R"(
kind: JobType
metadata: {name: hold}
spec: {executor: worker, result_max_bytes: 1000}
---
kind: JobType
metadata: {name: picky}
spec:
  executor: worker
  schema: {type: object, properties: {a: {type: array, items: {type: integer}}}, required: [a], additionalProperties: false}
---
kind: Tenant
metadata: {name: default}
spec: {types: ["*"]}
)";

const std::string not_utf8 = "\xff\xfe\xc3(\xed\xa0\x80";

class silent_worker final : public api::Worker::Server {
  public:
    std::vector<std::pair<job_id, std::uint32_t>> given;

  protected:
    kj::Promise<void> assign(AssignContext context) override {
        for (const auto a : context.getParams().getAssignments())
            given.emplace_back(read_id(a.getRef().getJob()), a.getRef().getAttempt());
        return kj::READY_NOW;
    }
    kj::Promise<void> cancel(CancelContext) override { return kj::READY_NOW; }
    kj::Promise<void> revoke(RevokeContext) override { return kj::READY_NOW; }
};

struct fixture {
    fixture() { declare(n, hostile_types); }
    node n;
};

struct attached {
    api::WorkerSession::Client session = nullptr;
    silent_worker* worker = nullptr;
};

attached attach(session& s) {
    auto own = kj::heap<silent_worker>();
    attached a{.worker = own.get()};
    auto call = s.workers().attachRequest();
    call.setName(("w" + not_utf8).c_str());
    call.initTypes(1).set(0, "hold");
    call.setSlots(4);
    call.setWorker(kj::mv(own));
    auto answer = call.send().wait(s.scope());
    BOOST_REQUIRE(name_of(answer.getFailure()) == "ok");
    a.session = answer.getSession();
    return a;
}

template <class Request>
std::string failure_of(session& s, Request call) {
    return name_of(call.send().wait(s.scope()).getFailure());
}

// Reports of the attempt, as `fill` says; the code of the report, or of the call.
std::string reported(session& s, api::WorkerSession::Client to, const std::pair<job_id, std::uint32_t>& attempt,
                     const std::function<void(api::AttemptReport::Builder)>& fill) {
    auto call = to.reportRequest();
    auto report = call.initReports(1)[0];
    write_id(attempt.first, report.initRef().initJob());
    report.getRef().setAttempt(attempt.second);
    fill(report);
    const auto answer = call.send().wait(s.scope());
    if (answer.getFailure().getCode() != 0) return name_of(answer.getFailure());
    return name_of(answer.getResults()[0]);
}

void wait_until(session& s, const std::function<bool()>& is_so) {
    for (int i = 0; i < 3000 && !is_so(); ++i) s.timer().afterDelay(10 * kj::MILLISECONDS).wait(s.scope());
    BOOST_REQUIRE(is_so());
}

} // namespace

BOOST_AUTO_TEST_SUITE(hostile_rpc)

BOOST_FIXTURE_TEST_CASE(submissions_beyond_a_bound_are_refused_by_name, fixture) {
    session s(n, operator_token(n));
    auto many = s.jobs().submitRequest();
    many.initJobs(1001);
    BOOST_TEST(failure_of(s, kj::mv(many)) == "invalid_argument");
    BOOST_TEST(failure_of(s, s.jobs().submitRequest()) == "invalid_argument");
    const auto refused = [&](const job_wish& wish) { return std::string{to_string(submit_one(s, wish).code)}; };
    const std::string large = "\"" + std::string(256 * 1024, 'x') + "\"";
    job_id unknown;
    BOOST_TEST(refused({.type = "hold", .payload = large}) == "payload_too_large");
    BOOST_TEST(refused({.type = "hold", .payload = "{"}) == "payload_invalid");
    BOOST_TEST(refused({.type = "hold", .payload = std::string(10'000, '[')}) == "payload_invalid");
    BOOST_TEST(refused({.type = "hold", .payload = "\"" + not_utf8 + "\""}) == "payload_invalid");
    BOOST_TEST(refused({.after = std::vector<job_id>(1025, unknown)}) == "invalid_argument");
    BOOST_TEST(refused({.after = {unknown}}) == "dependency_unknown");
    BOOST_TEST(refused({.key = std::string(256, 'k')}) == "invalid_argument");
    BOOST_TEST(refused({.priority = 6}) == "invalid_argument");
    BOOST_TEST(refused({.delay_ms = ~std::uint64_t{0}}) == "invalid_argument");
    BOOST_TEST(refused({.delay_ms = std::uint64_t{367} * 24 * 3'600'000}) == "invalid_argument");
    for (const std::string& name : {not_utf8, std::string(100'000, 'n'), std::string("de\0fault", 8)}) {
        BOOST_TEST(refused({.tenant = name}) == "unknown_tenant");
        BOOST_TEST(refused({.type = name}) == "unknown_type");
    }
    const submit_answer picky = submit_one(s, {.type = "picky", .payload = R"({"a":[1,"two"],"b":3})"});
    BOOST_TEST(to_string(picky.code) == "payload_invalid");
    BOOST_TEST_CONTEXT(picky.detail) {
        BOOST_TEST(picky.detail.find("/a/1") != std::string::npos);
        BOOST_TEST(picky.detail.find('b') != std::string::npos);
    }
    BOOST_TEST(n.run({"check"}).status == 0);
}

// A struct of the wire may be larger than its schema says. What is beyond must not get into a row.
BOOST_FIXTURE_TEST_CASE(what_a_schema_does_not_know_is_not_kept, fixture) {
    session s(n, operator_token(n));
    const job_id parent = submit_one(s, {.type = "hold", .delay_ms = 3'600'000}).id;
    auto call = s.jobs().submitRequest();
    auto spec = call.initJobs(1)[0];
    spec.setTenant("default");
    spec.setType("hold");
    constexpr unsigned after_field = 4;
    auto ids = capnp::toAny(spec).getPointerSection()[after_field].initAsListOfAnyStruct(2, 1, 1);
    ids[0].getPointerSection()[0].setAs<capnp::Text>(std::string(1'000'000, 'x').c_str());
    write_id(parent, spec.getAfter()[0]);
    const auto answer = call.send().wait(s.scope());
    BOOST_REQUIRE(name_of(answer.getResults()[0].getFailure()) == "ok");
    auto get = s.jobs().getRequest();
    get.setId(answer.getResults()[0].getId());
    const auto got = get.send().wait(s.scope());
    BOOST_REQUIRE(got.getJob().getAfter().size() == 1U);
    BOOST_TEST((read_id(got.getJob().getAfter()[0]) == parent));
    BOOST_TEST(got.totalSize().wordCount < 1000U);
}

BOOST_FIXTURE_TEST_CASE(reads_beyond_a_bound_are_cut_to_it, fixture) {
    session s(n, operator_token(n));
    auto fill = s.jobs().submitRequest();
    auto specs = fill.initJobs(1000);
    for (auto spec : specs) {
        spec.setTenant("default");
        spec.setType("hold");
        spec.setDelayMs(3'600'000);
    }
    for (int i = 0; i < 2; ++i) {
        auto again = s.jobs().submitRequest();
        again.setJobs(specs.asReader());
        BOOST_TEST(failure_of(s, kj::mv(again)) == "ok");
    }
    auto list = s.jobs().listRequest();
    list.setLimit(~std::uint32_t{0});
    const auto page = list.send().wait(s.scope());
    BOOST_TEST(page.getJobs().size() == 1000U);
    BOOST_TEST(page.getCursor().size() > 0U);
    for (const std::int64_t far :
         {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
        auto between = s.jobs().listRequest();
        auto filter = between.initFilter();
        filter.setTenant("default");
        filter.setSubmittedFromUs(far);
        filter.setSubmittedBeforeUs(far);
        BOOST_TEST(failure_of(s, kj::mv(between)) == "ok");
    }
    auto follow = s.jobs().followRequest();
    follow.setLimit(~std::uint32_t{0});
    BOOST_TEST(follow.send().wait(s.scope()).getEvents().size() <= 1000U);
    auto cancel = s.jobs().cancelRequest();
    cancel.initIds(1001);
    BOOST_TEST(failure_of(s, kj::mv(cancel)) == "invalid_argument");
    for (const unsigned count : {0U, 1001U}) {
        auto redrive = s.jobs().redriveRequest();
        redrive.initIds(count);
        BOOST_TEST(failure_of(s, kj::mv(redrive)) == "invalid_argument");
        auto erase = s.jobs().deleteJobsRequest();
        erase.initIds(count);
        BOOST_TEST(failure_of(s, kj::mv(erase)) == "invalid_argument");
    }
    auto nobody = s.jobs().redriveRequest();
    nobody.initIds(3); // three times the job of no id
    const auto none = nobody.send().wait(s.scope());
    for (const auto each : none.getResults())
        BOOST_TEST(each.getFailure().getCode() == static_cast<std::uint16_t>(errc::not_found));
    auto tree = s.platform().treeRequest();
    tree.setLimit(~std::uint32_t{0});
    tree.setPath(std::string(100'000, '/').c_str());
    BOOST_TEST(failure_of(s, kj::mv(tree)) == "ok");
    BOOST_TEST(n.run({"check"}).status == 0);
}

BOOST_FIXTURE_TEST_CASE(calls_under_way_have_a_bound_on_each_connection, fixture) {
    const quiet_node quiet(n);
    {
        session s(n, operator_token(n));
        const job_id id = submit_one(s, {.type = "hold", .delay_ms = 3'600'000}).id;
        std::size_t answered = 0, overloaded = 0;
        std::vector<kj::Promise<void>> under_way;
        const auto note = [&](api::Failure::Reader f) {
            ++answered;
            if (code_of(f) == errc::overloaded) ++overloaded;
        };
        for (int i = 0; i < 1100; ++i) {
            if (i % 2 == 0) {
                auto watch = s.jobs().watchRequest();
                write_id(id, watch.initId());
                watch.setRevision(1'000'000);
                watch.setTimeoutMs(~std::uint32_t{0});
                under_way.push_back(
                    watch.send().then([&](auto&& r) { note(r.getFailure()); }).eagerlyEvaluate(nullptr));
            } else {
                auto follow = s.jobs().followRequest();
                follow.initAfter(1).set(0, 1'000'000);
                follow.setTimeoutMs(~std::uint32_t{0});
                under_way.push_back(
                    follow.send().then([&](auto&& r) { note(r.getFailure()); }).eagerlyEvaluate(nullptr));
            }
        }
        // Calls are answered in their order, but for those that wait.
        auto get = s.jobs().getRequest();
        write_id(id, get.initId());
        BOOST_TEST(failure_of(s, kj::mv(get)) == "ok");
        BOOST_TEST(answered == 1100U - 1024U);
        BOOST_TEST(overloaded == answered);
        BOOST_TEST(to_string(submit_one(s, {}).code) == "overloaded");
        BOOST_TEST(n.run({"job", "list"}).status == 0); // another connection has its own
        // Who drops a call makes room for another at once.
        under_way.clear();
        wait_until(s, [&] { return submit_one(s, {.type = "hold", .delay_ms = 3'600'000}).code == errc::ok; });
    }
    quiet.check_unharmed();
    BOOST_TEST(n.run({"check"}).status == 0);
}

BOOST_FIXTURE_TEST_CASE(a_worker_attaches_within_bounds, fixture) {
    const quiet_node quiet(n);
    {
        session s(n, token_for(n, "worker"));
        const auto refused = [&](std::uint32_t slots, unsigned types_count, const std::string& type,
                                 unsigned running) {
            auto call = s.workers().attachRequest();
            call.setSlots(slots);
            auto names = call.initTypes(types_count);
            for (unsigned i = 0; i < types_count; ++i) names.set(i, type.c_str());
            call.initRunning(running);
            return failure_of(s, kj::mv(call));
        };
        BOOST_TEST(refused(0, 1, "hold", 0) == "invalid_argument");
        BOOST_TEST(refused(~std::uint32_t{0}, 1, "hold", 0) == "invalid_argument");
        BOOST_TEST(refused(65'537, 1, "hold", 0) == "invalid_argument");
        BOOST_TEST(refused(1, 0, "hold", 0) == "invalid_argument");
        BOOST_TEST(refused(1, 257, "hold", 0) == "invalid_argument");
        BOOST_TEST(refused(1, 1, std::string(100'000, 't'), 0) == "invalid_argument");
        BOOST_TEST(refused(1, 1, "hold", 65'537) == "invalid_argument");
        std::vector<attached> sessions;
        for (int i = 0; i < 8; ++i) sessions.push_back(attach(s));
        BOOST_TEST(refused(1, 1, "hold", 0) == "overloaded");
    }
    quiet.check_unharmed();
}

BOOST_FIXTURE_TEST_CASE(a_worker_that_reports_nonsense_harms_its_own_attempts_at_most, fixture) {
    session s(n, operator_token(n));
    attached a = attach(s), other = attach(s);
    for (int i = 0; i < 6; ++i) BOOST_TEST(to_string(submit_one(s, {.type = "hold"}).code) == "ok");
    wait_until(s, [&] { return a.worker->given.size() + other.worker->given.size() == 6; });
    BOOST_REQUIRE(a.worker->given.size() >= 2);
    BOOST_REQUIRE(!other.worker->given.empty());
    const auto attempt = a.worker->given[0];
    const auto report = [&](const std::function<void(api::AttemptReport::Builder)>& fill) {
        return reported(s, a.session, attempt, fill);
    };
    const auto succeeded = [](api::AttemptReport::Builder r) {
        r.setOutcome(api::AttemptReport::Outcome::SUCCEEDED);
    };
    const auto view = [&] {
        auto get = s.jobs().getRequest();
        write_id(attempt.first, get.initId());
        return get.send().wait(s.scope());
    };
    // Attempts of another worker, of another number, of no job.
    BOOST_TEST(reported(s, a.session, other.worker->given[0], succeeded) == "stale_attempt");
    BOOST_TEST(reported(s, a.session, {attempt.first, 2}, succeeded) == "stale_attempt");
    BOOST_TEST(reported(s, a.session, {attempt.first, 0}, succeeded) == "stale_attempt");
    BOOST_TEST(reported(s, a.session, {job_id{}, 1}, succeeded) == "stale_attempt");
    // Progress that is no fraction.
    for (const float progress : {std::nanf(""), -INFINITY, -2.0F}) {
        BOOST_TEST(report([&](auto r) { r.setProgress(progress); }) == "ok");
        BOOST_TEST(view().getJob().getProgress() == 0.0F);
    }
    for (const float progress : {INFINITY, 1e30F}) {
        BOOST_TEST(report([&](auto r) { r.setProgress(progress); }) == "ok");
        BOOST_TEST(view().getJob().getProgress() == 1.0F);
    }
    BOOST_TEST(report([&](auto r) {
                   r.setProgress(0.5);
                   r.setProgressText((not_utf8 + std::string(100'000, 'p')).c_str());
               }) == "ok");
    BOOST_TEST(view().getJob().getProgressText().size() <= 300U);
    // Lines: too many, too long, not of this world.
    const auto lines = [&](unsigned count, const std::string& text, std::uint64_t from) {
        return report([&](auto r) {
            auto list = r.initLogs(count);
            for (unsigned i = 0; i < count; ++i) {
                list[i].setSequence(from + i);
                list[i].setText(text.c_str());
                list[i].setStream(255);
            }
        });
    };
    BOOST_TEST(lines(1001, "x", 0) == "invalid_argument");
    BOOST_TEST(lines(1000, not_utf8, 0) == "ok");
    BOOST_TEST(lines(1, std::string(1'000'000, 'l'), 1000) == "ok");
    auto logs = s.jobs().logsRequest();
    write_id(attempt.first, logs.initId());
    logs.setFromSequence(1000);
    const auto kept = logs.send().wait(s.scope());
    BOOST_REQUIRE(kept.getLines().size() == 1U);
    BOOST_TEST(kept.getLines()[0].getText().size() <= 8 * 1024U + 64);
    BOOST_TEST(lines(1, "last", ~std::uint64_t{0}) == "invalid_argument");
    const std::string shown = to_string(attempt.first);
    BOOST_TEST(n.run({"job", "logs", shown}).status == 0);
    // What a terminal and a program get is text, whatever the worker said.
    for (const auto& command : std::vector<std::vector<std::string>>{{"job", "get", shown, "-o", "json"},
                                                                     {"tree"},
                                                                     {"tree", "-o", "json"},
                                                                     {"metrics"},
                                                                     {"job", "get", shown}}) {
        const outcome o = n.run(command);
        BOOST_TEST(o.status == 0);
        BOOST_TEST(o.out.find('\xff') == std::string::npos);
        BOOST_TEST(o.out.find('\xfe') == std::string::npos);
    }
    BOOST_TEST(nlohmann::json::accept(n.run({"job", "get", shown, "-o", "json"}).out));
    // A result beyond the type's bound ends the attempt for good.
    const std::string large(1001, 'r');
    BOOST_TEST(report([&](auto r) {
                   succeeded(r);
                   r.setResult({reinterpret_cast<const kj::byte*>(large.data()), large.size()});
               }) == "ok");
    BOOST_TEST((view().getJob().getState() == rec::State::FAILED));
    BOOST_TEST(name_of(view().getJob().getError()) == "result_too_large");
    BOOST_TEST(report(succeeded) == "stale_attempt");
    // An error of no known code, with a text of a megabyte, and a retry in three hundred million years.
    BOOST_TEST(reported(s, a.session, a.worker->given[1], [](auto r) {
                   r.setOutcome(api::AttemptReport::Outcome::FAILED);
                   r.initError().setCode(65'535);
                   r.getError().setDetail((not_utf8 + std::string(1'000'000, 'e')).c_str());
                   r.setRetryAfterMs(std::numeric_limits<std::int64_t>::max());
               }) == "ok");
    BOOST_TEST(n.run({"job", "list", "-o", "json"}).status == 0);
    // Jobs of every shard that an id can name: none is there, and none costs an entry of its own.
    auto everywhere = a.session.reportRequest();
    auto reports = everywhere.initReports(4096);
    for (std::uint16_t i = 0; i < 4096; ++i) {
        write_id(job_id::make(1, shard_id{i}, tenant_id{1}, i), reports[i].initRef().initJob());
        reports[i].getRef().setAttempt(1);
        reports[i].setOutcome(api::AttemptReport::Outcome::SUCCEEDED);
    }
    const auto refused = everywhere.send().wait(s.scope());
    BOOST_TEST(refused.getResults().size() == 4096U);
    for (const auto each : refused.getResults()) BOOST_TEST(name_of(each) == "stale_attempt");
    auto too_many = a.session.reportRequest();
    too_many.initReports(4097);
    BOOST_TEST(failure_of(s, kj::mv(too_many)) == "invalid_argument");
    auto heartbeat = a.session.heartbeatRequest();
    heartbeat.initAttempts(65'537);
    BOOST_TEST(failure_of(s, kj::mv(heartbeat)) == "invalid_argument");
    BOOST_TEST(n.run({"check"}).status == 0);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
