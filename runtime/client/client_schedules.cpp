// Part of client: schedules.
#include "runtime/client/client.hpp"
#include "runtime/client/link.hpp"
#include "runtime/client/wire.hpp"

namespace coppice::client {
namespace {

schedule_view read_schedule(api::ScheduleView::Reader s) {
    schedule_view v{.name = text_of(s.getName()),
                    .tenant = text_of(s.getTenant()),
                    .type = text_of(s.getType()),
                    .timing = text_of(s.getTiming()),
                    .overlap = text_of(s.getOverlap()),
                    .missed_policy = text_of(s.getMissedPolicy()),
                    .paused = s.getPaused(),
                    .last = from_us(s.getLastUs()),
                    .last_job = read(s.getLastJob()),
                    .runs = s.getRuns(),
                    .overlapped = s.getOverlapped(),
                    .missed = s.getMissed(),
                    .refused = s.getRefused(),
                    .error = read_failure(s.getError()),
                    .waiting = s.getWaiting()};
    for (const std::int64_t us : s.getTimes()) v.times.push_back(from_us(us));
    return v;
}

} // namespace

kj::Promise<expected<std::vector<schedule_view>>> client::schedules(std::string tenant, std::string name,
                                                                    read_mode mode) {
    using views = std::vector<schedule_view>;
    return link_->call<views>(
        repeat::safe, no_wait,
        [tenant = std::move(tenant), name = std::move(name), mode](session& s) -> kj::Promise<expected<views>> {
            if (!s.grant.may_jobs) return expected<views>(not_granted(s, "jobs"));
            auto request = s.jobs.schedulesRequest();
            request.setTenant(tenant.c_str());
            request.setName(name.c_str());
            request.setStaleOk(mode == read_mode::stale_ok);
            return request.send().then([](capnp::Response<api::JobService::SchedulesResults> r) -> expected<views> {
                if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                views all;
                for (const auto each : r.getSchedules()) all.push_back(read_schedule(each));
                return all;
            });
        });
}

kj::Promise<expected<job_id>> client::run_schedule(std::string name) {
    return link_->call<job_id>(
        repeat::never, no_wait, [name = std::move(name)](session& s) -> kj::Promise<expected<job_id>> {
            if (!s.grant.may_jobs) return expected<job_id>(not_granted(s, "jobs"));
            auto request = s.jobs.runScheduleRequest();
            request.setName(name.c_str());
            return request.send().then(
                [](capnp::Response<api::JobService::RunScheduleResults> r) -> expected<job_id> {
                    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                    return read(r.getId());
                });
        });
}

} // namespace coppice::client
