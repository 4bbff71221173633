// Part of job_service: calls that change jobs which are there, one command and one answer for each.
#pragma once

#include <memory>
#include <set>

#include "runtime/edge/job_service.hpp"
#include "runtime/edge/job_views.hpp"
#include "runtime/edge/read_gate.hpp"
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

// Of a call's jobs each was refused, or has the next of the results.
inline void answer_each(const std::vector<std::optional<failure>>& refused,
                        const std::vector<command_result>& results, capnp::List<api::Failure>::Builder answers) {
    auto result = results.begin();
    for (unsigned i = 0; i < answers.size(); ++i) {
        if (refused[i])
            write_failure(*refused[i], answers[i]);
        else if (const command_result& r = *result++; r.code != errc::ok)
            write_failure(failure_of(r), answers[i]);
    }
}

inline std::vector<shard_id> shards_of_jobs(capnp::List<rec::Id>::Reader ids, std::size_t shards) {
    std::set<shard_id> all;
    for (const auto id : ids)
        if (const shard_id shard = read_id(id).shard(); shard.value < shards) all.insert(shard);
    return {all.begin(), all.end()};
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
            answer_each(refused, results, context.getResults().initResults(static_cast<unsigned>(refused.size())));
        });
}

// For commands that depend on what is stored: `plan` reads, and writes them to `made->entries`; `answer` gets what
// came of them. `made` is kept until then.
template <class Context, class Call, class Plan, class Answer>
kj::Promise<void> job_service::change_as_read(Context context, call_place call, std::shared_ptr<Call> made,
                                              Plan plan, Answer answer) {
    const auto shards = shards_of_jobs(context.getParams().getIds(), edge_.shards);
    const auto unreadable = std::make_shared<bool>(false);
    auto refuse = [context, unreadable](const failure& f) mutable {
        *unreadable = true;
        write_failure(f, context.getResults().initFailure());
    };
    return when_readable(edge_, shards, false, std::move(plan), std::move(refuse))
        .then([this, made, unreadable]() -> kj::Promise<std::vector<command_result>> {
            if (*unreadable) return std::vector<command_result>{};
            return made->entries.propose(edge_, true);
        })
        .then([made, unreadable, answer = std::move(answer),
               call = kj::mv(call)](std::vector<command_result> results) mutable {
            if (!*unreadable) answer(results);
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
