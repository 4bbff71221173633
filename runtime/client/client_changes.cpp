// Part of client: what is done to jobs that are there; all of it safe to repeat.
#include "runtime/client/client.hpp"
#include "runtime/client/link.hpp"
#include "runtime/client/wire.hpp"

namespace coppice::client {
namespace {

// One answer a job, whatever became of the call.
template <class T>
kj::Promise<std::vector<expected<T>>> for_each_of(std::size_t count,
                                                  kj::Promise<expected<std::vector<expected<T>>>> answered) {
    using results = std::vector<expected<T>>;
    return answered.then([count](expected<results> answer) {
        if (!answer) return results(count, tl::unexpected(answer.error()));
        answer->resize(count, fail(errc::internal, "the node answered fewer results than were asked for"));
        return std::move(*answer);
    });
}

// A call that has `ids` and answers with `results`; `fill` writes what else it has.
template <class T, class Make, class Fill>
kj::Promise<std::vector<expected<T>>> change_each(link& l, std::vector<job_id> ids, Make make, Fill fill) {
    using results = std::vector<expected<T>>;
    const std::size_t count = ids.size();
    return for_each_of<T>(count,
                          l.call<results>(repeat::safe, no_wait,
                                          [ids = std::move(ids), make,
                                           fill = std::move(fill)](session& s) -> kj::Promise<expected<results>> {
                                              if (!s.grant.may_jobs)
                                                  return expected<results>(not_granted(s, "jobs"));
                                              auto request = make(s.jobs);
                                              write_ids(request.initIds(static_cast<unsigned>(ids.size())), ids);
                                              fill(request);
                                              return request.send().then([](auto r) -> expected<results> {
                                                  if (auto ok = read(r.getFailure()); !ok)
                                                      return tl::unexpected(std::move(ok.error()));
                                                  return read_all<expected<T>>(r.getResults());
                                              });
                                          }));
}

} // namespace

kj::Promise<std::vector<expected<void>>> client::cancel(std::vector<job_id> ids, std::string reason) {
    return change_each<void>(
        *link_, std::move(ids), [](api::JobService::Client& jobs) { return jobs.cancelRequest(); },
        [reason = std::move(reason)](auto& request) { request.setReason(reason); });
}

kj::Promise<std::vector<expected<void>>> client::delete_jobs(std::vector<job_id> ids, std::string reason) {
    return change_each<void>(
        *link_, std::move(ids), [](api::JobService::Client& jobs) { return jobs.deleteJobsRequest(); },
        [reason = std::move(reason)](auto& request) { request.setReason(reason); });
}

kj::Promise<std::vector<expected<void>>> client::edit(std::vector<job_id> ids, job_edit change,
                                                      std::string reason) {
    return change_each<void>(
        *link_, std::move(ids), [](api::JobService::Client& jobs) { return jobs.editRequest(); },
        [change = std::move(change), reason = std::move(reason)](auto& request) {
            auto to = request.initChange();
            to.setPriority(static_cast<std::uint8_t>(change.priority));
            to.setHasPayload(change.payload.has_value());
            if (change.payload) to.setPayload(as_data(*change.payload));
            request.setReason(reason);
        });
}

kj::Promise<std::vector<expected<submitted>>> client::redrive(std::vector<job_id> ids) {
    return change_each<submitted>(
        *link_, std::move(ids), [](api::JobService::Client& jobs) { return jobs.redriveRequest(); }, [](auto&) {});
}

} // namespace coppice::client
