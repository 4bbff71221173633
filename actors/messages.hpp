// Every message between actors: a named struct each, with what it asks for. Messages stay in the process (between
// nodes go Cap'n Proto messages), so CAF never serializes them; the list at the end says so to CAF.
#pragma once

#include <caf/allowed_unsafe_message_type.hpp>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "actors/jobs/batch_output.hpp"
#include "actors/journal/proposal.hpp"

namespace coppice {

// ---- to a journal
// -------------------------------------------------------------------------------------------------

// Apply and commit; the proposal itself carries who is answered.
struct propose {
    proposal_ptr what;
};
// A worker can run attempts of the shard from now on; can start no more; is gone. Not durable.
struct worker_attached {
    worker_id worker;
    std::set<std::string> types;
    std::uint32_t slots = 0;
    tenant_id tenant{};      // runs attempts of this tenant alone; 0: of all
    shard_id shard{};        // to the journal of a cluster's node: whose attempts
    std::uint64_t grant = 0; // which word on its slots this is, when shards share them; comes back with slots_seen
    std::set<std::string> labels;
    std::uint32_t total = 0; // its slots, those of all shards; 0: `slots`
};
struct worker_draining {
    worker_id worker;
    shard_id shard{};
};
struct worker_detached {
    worker_id worker;
    shard_id shard{};
};
// As many slots as this may the shard use from now on; what runs beyond them goes on to its end.
struct worker_resized {
    worker_id worker;
    shard_id shard{};
    std::uint32_t slots = 0;
    std::uint64_t grant = 0;
};
// Timers may be due, or starts are left over. The journal sends it to itself.
struct journal_wake {};

// ---- from a journal to its shard
// ----------------------------------------------------------------------------------

// A batch is durable: carry out what it asks for.
struct committed {
    std::shared_ptr<const batch_output> what;
};

// ---- to a shard
// ---------------------------------------------------------------------------------------------------

// Its worker's time to come back is over: attempts that still are its own are lost.
struct worker_expired {
    worker_id worker;
};
struct attempt_heard {
    attempt_ref ref; // still alive
};
// Wakes the job actor at `at`.
struct deadline_wanted {
    attempt_ref ref;
    instant at = never;
};
// The shard looks at its deadlines; sent to itself.
struct shard_wake {};
// What came of storing an attempt's lines. To itself.
struct lines_were_stored {
    attempt_ref ref;
    expected<stored_lines> what;
};
// Attempts are old enough for their job actors; sent to itself.
struct growth_due {};
// The results of a start's parents are there now, or why they are not; the batch has that start alone. To itself.
struct start_completed {
    std::shared_ptr<const batch_output> batch;
    std::optional<failure> why_not;
};

// ---- to a job actor
// -----------------------------------------------------------------------------------------------

struct attempt_cancelled {
    attempt_ref ref;
};
struct attempt_over {
    attempt_ref ref;
};
struct deadline_reached {};
struct grace_over {};
// Makes the actor fail, to try how its supervisor deals with it; only with the development flag.
struct fail_on_purpose {};

// ---- to an executor: the exec actor, or the session of a remote worker
// --------------------------------------------

// Never more than its free slots. The starts are committed.
struct assign {
    std::shared_ptr<const batch_output> batch; // whose starts are meant: those at `indexes`
    std::vector<std::uint32_t> indexes;
};
// Stop it: within `grace` it reports an outcome.
struct cancel_attempt {
    attempt_ref ref;
    milliseconds grace{};
};
// It is no longer the executor's: kill it; nothing that it reports counts.
struct revoke_attempt {
    attempt_ref ref;
};
// Another primary leads the shard: which of the shard's attempts does it hold? Those whose last report is not
// answered are among them. `done` is called once, on any thread; not at all when the executor ends.
struct present_attempts {
    shard_id shard;
    std::function<void(std::vector<attempt_ref>)> done;
};

} // namespace coppice

namespace caf {
template <>
struct allowed_unsafe_message_type<coppice::propose> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::worker_attached> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::worker_draining> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::worker_detached> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::worker_resized> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::present_attempts> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::journal_wake> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::committed> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::worker_expired> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::deadline_wanted> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::shard_wake> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::growth_due> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::lines_were_stored> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::start_completed> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::attempt_heard> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::attempt_cancelled> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::attempt_over> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::deadline_reached> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::grace_over> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::fail_on_purpose> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::assign> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::cancel_attempt> : std::true_type {};
template <>
struct allowed_unsafe_message_type<coppice::revoke_attempt> : std::true_type {};
} // namespace caf
