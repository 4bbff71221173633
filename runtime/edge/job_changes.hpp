// Part of job_service: calls that change jobs which are there, one command and one answer for each.
#pragma once

#include "runtime/edge/job_service.hpp"
#include "runtime/edge/job_views.hpp"
#include "runtime/edge/shard_entries.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {

// Why a call that names so many jobs is no call, if it is none.
inline std::optional<failure> wrong_count(std::size_t jobs) {
    if (jobs > 0 && jobs <= limits::submit_batch_max) return std::nullopt;
    return failure{errc::invalid_argument,
                   "such a call names 1 to " + std::to_string(limits::submit_batch_max) + " jobs, not " +
                       std::to_string(jobs),
                   0};
}

// `write(id, command)` makes the command of a job that the caller may do this to; the others get why not.
template <class Context, class Write>
kj::Promise<void> job_service::change_each(Context context, call_place call, permission wanted, Write write) {
    const auto ids = context.getParams().getIds();
    shard_entries entries{ids.size()};
    std::vector<std::optional<failure>> refused(ids.size());
    for (unsigned i = 0; i < ids.size(); ++i) {
        const job_id id = read_id(ids[i]);
        refused[i] = barred(id, wanted);
        if (!refused[i]) write(id, entries.next(id.shard()));
    }
    return entries.propose(edge_, false)
        .then([context, refused = std::move(refused),
               call = kj::mv(call)](std::vector<command_result> results) mutable {
            auto answers = context.getResults().initResults(static_cast<unsigned>(refused.size()));
            auto result = results.begin();
            for (unsigned i = 0; i < answers.size(); ++i) {
                if (refused[i])
                    write_failure(*refused[i], answers[i]);
                else if (const command_result& r = *result++; r.code != errc::ok)
                    write_failure(failure_of(r), answers[i]);
            }
        });
}

// Calls `go` with a place for the call, once all the jobs' tenants are known here or are known not to be.
template <class Context, class Go>
kj::Promise<void> job_service::with_jobs(Context context, Go go) {
    const auto ids = context.getParams().getIds();
    if (const auto no = wrong_count(ids.size())) return refuse(context, *no);
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    bool all_known = true;
    for (const auto id : ids) all_known = all_known && knows(read_id(id));
    return when_declared(edge_, timer_, all_known,
                         [call = kj::mv(*call), go = std::move(go)]() mutable { return go(kj::mv(call)); });
}

} // namespace coppice
