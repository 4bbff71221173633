#include "runtime/client/client.hpp"

#include <algorithm>
#include <cassert>
#include <chrono>

#include "runtime/client/link.hpp"
#include "runtime/client/wire.hpp"
#include "schema/limits.hpp"

namespace coppice::client {
namespace {

// What a submit's message may weigh: the rest of limits::rpc_message_size_max is for the names and the framing.
constexpr std::size_t submit_bytes_max = limits::rpc_message_size_max / 2;

std::uint32_t poll_ms(milliseconds timeout) {
    const auto most = std::chrono::duration_cast<milliseconds>(limits::long_poll_max);
    return static_cast<std::uint32_t>(std::clamp(timeout, milliseconds{0}, most).count());
}

std::size_t weight(const job_spec& spec) {
    return 128 + spec.tenant.size() + spec.type.size() + spec.payload.size() + spec.idempotency_key.size() +
           16 * spec.after.size();
}

// The end of the run of jobs from `from` that one call takes. At least one: what alone is too large the node
// refuses.
std::size_t chunk_end(const std::vector<job_spec>& jobs, std::size_t from) {
    std::size_t end = from;
    std::size_t bytes = 0;
    while (end < jobs.size() && end - from < limits::submit_batch_max) {
        bytes += weight(jobs[end]);
        if (bytes > submit_bytes_max && end > from) break;
        ++end;
    }
    return end;
}

// A spec that no message can hold is refused here: it would cost the connection.
expected<void> fits(const job_spec& spec) {
    if (weight(spec) <= submit_bytes_max) return {};
    return fail(errc::payload_too_large, "the job has " + std::to_string(weight(spec)) +
                                             " bytes; the payload may have " +
                                             std::to_string(limits::payload_size_max));
}

using submit_results = std::vector<expected<submitted>>;

struct submission {
    std::vector<job_spec> jobs;
    submit_results results;
};

kj::Promise<expected<submit_results>> submit_once(session& s, const job_spec* jobs, std::size_t count) {
    assert(count > 0); // else clang's analyzer takes the lambda's zero for a null vtable, which KJ looks for there
    if (!s.grant.may_jobs) return expected<submit_results>(not_granted(s, "jobs"));
    auto request = s.jobs.submitRequest();
    auto list = request.initJobs(static_cast<unsigned>(count));
    for (unsigned i = 0; i < count; ++i) write(list[i], jobs[i]);
    return request.send().then(
        [count](capnp::Response<api::JobService::SubmitResults> r) -> expected<submit_results> {
            if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
            if (r.getResults().size() != count)
                return fail(errc::internal, "the node answered " + std::to_string(r.getResults().size()) +
                                                " results for " + std::to_string(count) + " jobs");
            auto results = read_all<expected<submitted>>(r.getResults());
            // Said of each, it is said of the node: whoever knows others goes on to them.
            const bool unavailable = std::ranges::all_of(
                results, [](const auto& one) { return !one && one.error().code == errc::unavailable; });
            if (unavailable) return tl::unexpected(results.front().error());
            return results;
        });
}

kj::Promise<void> submit_rest(link& l, submission& s) {
    const std::size_t from = s.results.size();
    if (from == s.jobs.size()) return kj::READY_NOW;
    if (auto ok = fits(s.jobs[from]); !ok) {
        s.results.emplace_back(tl::unexpected(std::move(ok.error())));
        return submit_rest(l, s);
    }
    const std::size_t count = chunk_end(s.jobs, from) - from;
    const auto* first = s.jobs.data() + from;
    const bool keyed =
        std::all_of(first, first + count, [](const job_spec& j) { return !j.idempotency_key.empty(); });
    return l
        .call<submit_results>(keyed ? repeat::safe : repeat::never, no_wait,
                              [first, count](session& on) { return submit_once(on, first, count); })
        .then([&l, &s, count](expected<submit_results> answer) {
            if (answer)
                std::move(answer->begin(), answer->end(), std::back_inserter(s.results));
            else
                s.results.insert(s.results.end(), count, tl::unexpected(answer.error()));
            return submit_rest(l, s);
        });
}

} // namespace

client::client(kj::AsyncIoContext& io, options chosen) : link_(std::make_unique<link>(io, std::move(chosen))) {}
client::~client() = default;

kj::Promise<expected<grant_view>> client::login() {
    return link_->call<grant_view>(repeat::safe, no_wait, [](session& s) -> kj::Promise<expected<grant_view>> {
        return expected<grant_view>(s.grant);
    });
}

kj::Promise<std::vector<expected<submitted>>> client::submit(std::vector<job_spec> jobs) {
    auto s = kj::heap<submission>();
    s->jobs = std::move(jobs);
    s->results.reserve(s->jobs.size());
    auto done = submit_rest(*link_, *s);
    return done.then([s = kj::mv(s)]() mutable { return std::move(s->results); });
}

kj::Promise<expected<submitted>> client::submit(job_spec job) {
    std::vector<job_spec> one;
    one.push_back(std::move(job));
    return submit(std::move(one)).then([](submit_results results) { return std::move(results.front()); });
}

kj::Promise<expected<job_view>> client::get(job_id id, read_mode mode) {
    return link_->call<job_view>(repeat::safe, no_wait, [id, mode](session& s) -> kj::Promise<expected<job_view>> {
        if (!s.grant.may_jobs) return expected<job_view>(not_granted(s, "jobs"));
        auto request = s.jobs.getRequest();
        request.setStaleOk(mode == read_mode::stale_ok);
        write(request.initId(), id);
        return request.send().then([](capnp::Response<api::JobService::GetResults> r) -> expected<job_view> {
            if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
            return read(r.getJob());
        });
    });
}

namespace {

using page_response = capnp::Response<api::JobService::ListResults>;

using follow_response = capnp::Response<api::JobService::FollowResults>;

expected<feed_place> place_of(api::JobService::FollowResults::Reader r) {
    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
    return read(r.getLast());
}

expected<job_page> page_of(api::JobService::ListResults::Reader r) {
    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
    return job_page{read_all<job_view>(r.getJobs()), text_of(r.getCursor()), r.getTotal()};
}

} // namespace

kj::Promise<expected<job_page>> client::list(job_filter filter, std::uint32_t limit, std::string cursor,
                                             read_mode mode, bool whole) {
    return link_->call<job_page>(
        repeat::safe, no_wait,
        [filter = std::move(filter), limit, mode, whole,
         cursor = std::move(cursor)](session& s) -> kj::Promise<expected<job_page>> {
            if (!s.grant.may_jobs) return expected<job_page>(not_granted(s, "jobs"));
            auto request = s.jobs.listRequest();
            request.setStaleOk(mode == read_mode::stale_ok);
            auto f = request.initFilter();
            f.setTenant(filter.tenant);
            f.setType(filter.type);
            f.setAnyState(!filter.state);
            if (filter.state) f.setState(*filter.state);
            if (filter.from != never) f.setSubmittedFromUs(to_us(filter.from));
            if (filter.before != never) f.setSubmittedBeforeUs(to_us(filter.before));
            f.setErrorCode(static_cast<std::uint16_t>(filter.error_code));
            f.setKey(filter.key);
            if (!filter.labels.empty())
                write_texts(filter.labels, f.initLabels(static_cast<unsigned>(filter.labels.size())));
            f.setPayloadField(filter.payload_field);
            f.setPayloadValue(filter.payload_value);
            request.setLimit(limit);
            request.setCursor(as_data(cursor));
            request.setWhole(whole);
            const bool by_payload = !filter.key.empty() || !filter.payload_field.empty() || !filter.labels.empty();
            auto answered = request.send();
            if (!by_payload && !whole) return answered.then([](page_response r) { return page_of(r); });
            return answered.then([whole](page_response r) {
                if (r.getFailure().getCode() == 0 && r.getWhole() != whole)
                    return expected<job_page>(
                        fail(errc::unavailable, "the node is of a version that lists no payloads; ask another"));
                // It would have found jobs that the caller did not mean.
                if (r.getFailure().getCode() == 0 && r.getFilters() < limits::list_filters)
                    return expected<job_page>(fail(
                        errc::unavailable,
                        "the node is of a version that cannot look for keys or fields of payloads; ask another"));
                return page_of(r);
            });
        });
}

kj::Promise<expected<std::vector<log_view>>>
client::logs(job_id id, std::uint32_t attempt, std::uint64_t from_sequence, std::uint32_t limit, read_mode mode) {
    using lines = std::vector<log_view>;
    return link_->call<lines>(repeat::safe, no_wait, [=](session& s) -> kj::Promise<expected<lines>> {
        if (!s.grant.may_jobs) return expected<lines>(not_granted(s, "jobs"));
        auto request = s.jobs.logsRequest();
        request.setStaleOk(mode == read_mode::stale_ok);
        write(request.initId(), id);
        request.setAttempt(attempt);
        request.setFromSequence(from_sequence);
        request.setLimit(limit);
        return request.send().then([](capnp::Response<api::JobService::LogsResults> r) -> expected<lines> {
            if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
            return read_all<log_view>(r.getLines());
        });
    });
}

kj::Promise<expected<std::string>> client::result(job_id id, read_mode mode) {
    return link_->call<std::string>(
        repeat::safe, no_wait, [id, mode](session& s) -> kj::Promise<expected<std::string>> {
            if (!s.grant.may_jobs) return expected<std::string>(not_granted(s, "jobs"));
            auto request = s.jobs.resultRequest();
            request.setStaleOk(mode == read_mode::stale_ok);
            write(request.initId(), id);
            return request.send().then(
                [](capnp::Response<api::JobService::ResultResults> r) -> expected<std::string> {
                    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                    return text_of(r.getResult());
                });
        });
}

kj::Promise<expected<job_view>> client::watch(job_id id, std::uint64_t revision, milliseconds timeout) {
    return link_->call<job_view>(repeat::safe, timeout, [=](session& s) -> kj::Promise<expected<job_view>> {
        if (!s.grant.may_jobs) return expected<job_view>(not_granted(s, "jobs"));
        auto request = s.jobs.watchRequest();
        write(request.initId(), id);
        request.setRevision(revision);
        request.setTimeoutMs(poll_ms(timeout));
        return request.send().then([](capnp::Response<api::JobService::WatchResults> r) -> expected<job_view> {
            if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
            return read(r.getJob());
        });
    });
}

kj::Promise<expected<event_page>> client::follow(feed_place after, std::uint32_t limit, milliseconds timeout) {
    return link_->call<event_page>(repeat::safe, timeout, [=](session& s) -> kj::Promise<expected<event_page>> {
        if (!s.grant.may_jobs) return expected<event_page>(not_granted(s, "jobs"));
        auto request = s.jobs.followRequest();
        write(request.initAfter(static_cast<unsigned>(after.sequences.size())), after);
        request.setLimit(limit);
        request.setTimeoutMs(poll_ms(timeout));
        return request.send().then([](capnp::Response<api::JobService::FollowResults> r) -> expected<event_page> {
            if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
            return event_page{read_all<event>(r.getEvents()), read(r.getLast())};
        });
    });
}

kj::Promise<expected<evidence_page>> client::read_evidence(feed_place after, std::uint32_t limit) {
    return link_->call<evidence_page>(
        repeat::safe, no_wait, [=](session& s) -> kj::Promise<expected<evidence_page>> {
            if (!s.grant.may_jobs) return expected<evidence_page>(not_granted(s, "jobs"));
            auto request = s.jobs.evidenceRequest();
            write(request.initAfter(static_cast<unsigned>(after.sequences.size())), after);
            request.setLimit(limit);
            return request.send().then(
                [](capnp::Response<api::JobService::EvidenceResults> r) -> expected<evidence_page> {
                    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                    return evidence_page{read_all<evidence>(r.getRows()), read(r.getLast()), read(r.getNewest())};
                });
        });
}

kj::Promise<expected<feed_place>> client::feed_position() {
    return link_->call<feed_place>(repeat::safe, no_wait, [](session& s) -> kj::Promise<expected<feed_place>> {
        if (!s.grant.may_jobs) return expected<feed_place>(not_granted(s, "jobs"));
        auto request = s.jobs.followRequest();
        request.setNewest(true);
        return request.send().then([](follow_response r) { return place_of(r); });
    });
}

kj::Promise<expected<feed_place>> client::feed_beginning() {
    return link_->call<feed_place>(repeat::safe, no_wait, [](session& s) -> kj::Promise<expected<feed_place>> {
        if (!s.grant.may_jobs) return expected<feed_place>(not_granted(s, "jobs"));
        auto request = s.jobs.followRequest();
        request.setOldest(true);
        return request.send().then([](follow_response r) {
            // A node that does not know of it has begun with the events themselves.
            return r.getEvents().size() > 0 ? expected<feed_place>{feed_place{}} : place_of(r);
        });
    });
}

} // namespace coppice::client
