// A client of a node, on one thread's KJ event loop.
//
// Intuition: a caller asks and gets a value or a `failure`; that there is a connection, that it broke and was made
// again, is dealt with here. A call connects and logs in when there is no session; many may be under way at once.
//
// What a lost connection means: calls that are safe to repeat (reads; `cancel`, `edit`, `redrive`, `delete_jobs`; a
// submit whose every spec has an idempotency key) are repeated after a reconnect, with exponential backoff and full
// jitter (Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015), for `options::retry_for`. Of the
// others, one that was not sent yet is treated in the same way and gives `unavailable` in the end; one that was
// under way gives `unknown_outcome`. A refusal by the node is the answer; only `token_expired` leads to one new
// login and one repetition.
//
// Errors of every call besides the interface's own: `unavailable`, `unknown_outcome`, `permission_denied` (the role
// does not include the service), `overloaded` (limits::rpc_calls_per_connection_max under way), `internal` (a fault
// in the node), `unauthenticated`. Promises are never rejected for any of these.
//
// Thread: the loop's, throughout. Ownership: the client may be destroyed while calls are under way only after their
// promises are dropped. `io` outlives the client.
#pragma once

#include <kj/async-io.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/client/options.hpp"
#include "runtime/client/values.hpp"
#include "schema/errc.hpp"

namespace coppice::client {

class link;

// How far wait_all is: called with each page of news, on the loop's thread; `news` are the awaited jobs' events in
// order and lives for the call only.
struct wait_progress {
    std::size_t ended = 0;
    std::size_t total = 0;
    std::span<const event> news;
};
using wait_callback = std::function<void(const wait_progress&)>;

class client {
  public:
    client(kj::AsyncIoContext& io, options chosen);
    ~client();
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    // Connects now rather than at the first call; what the token may do.
    kj::Promise<expected<grant_view>> login();

    // ---- jobs
    // One result a job, in order; what befell the whole call stands in each. More than limits::submit_batch_max
    // jobs, or more bytes than a message holds, go out as several calls, one after the other.
    kj::Promise<std::vector<expected<submitted>>> submit(std::vector<job_spec> jobs);
    kj::Promise<expected<submitted>> submit(job_spec job);
    // Repeated after a lost connection only with a key, which is the whole graph's.
    kj::Promise<expected<graph_submitted>> submit_graph(std::vector<graph_job> jobs,
                                                        std::string idempotency_key = {});
    // The jobs that were submitted together with this one, from the `from`-th on.
    kj::Promise<expected<graph_page>> graph(job_id id, std::uint32_t from = 0, std::uint32_t limit = 1000,
                                            read_mode mode = read_mode::linearizable);
    // An empty name or tenant: all.
    kj::Promise<expected<std::vector<schedule_view>>> schedules(std::string tenant = {}, std::string name = {},
                                                                read_mode mode = read_mode::linearizable);
    // Makes a run now; its id.
    kj::Promise<expected<job_id>> run_schedule(std::string name);
    // What it waits for, in sentences.
    kj::Promise<expected<std::vector<std::string>>> explain(job_id id, read_mode mode = read_mode::linearizable);
    kj::Promise<expected<job_view>> get(job_id id, read_mode mode = read_mode::linearizable);
    // `whole`: with payload and history; a page then has fewer jobs.
    kj::Promise<expected<job_page>> list(job_filter filter, std::uint32_t limit = 100, std::string cursor = {},
                                         read_mode mode = read_mode::linearizable, bool whole = false);
    // One result a job, in order, of at most limits::submit_batch_max; as api.capnp says.
    kj::Promise<std::vector<expected<void>>> cancel(std::vector<job_id> ids, std::string reason);
    kj::Promise<std::vector<expected<submitted>>> redrive(std::vector<job_id> ids);
    kj::Promise<std::vector<expected<void>>> edit(std::vector<job_id> ids, job_edit change, std::string reason);
    kj::Promise<std::vector<expected<void>>> delete_jobs(std::vector<job_id> ids, std::string reason);
    // attempt 0: the newest.
    kj::Promise<expected<std::vector<log_view>>> logs(job_id id, std::uint32_t attempt = 0,
                                                      std::uint64_t from_sequence = 0, std::uint32_t limit = 1000,
                                                      read_mode mode = read_mode::linearizable);
    kj::Promise<expected<std::string>> result(job_id id, read_mode mode = read_mode::linearizable);
    // As soon as the job's revision is above `revision`, or after `timeout` (at most limits::long_poll_max).
    kj::Promise<expected<job_view>> watch(job_id id, std::uint64_t revision, milliseconds timeout);
    // Events above `after`, as soon as there are any; an empty page after `timeout`. `cursor_expired`: start anew.
    kj::Promise<expected<event_page>> follow(feed_place after, std::uint32_t limit, milliseconds timeout);
    // The end of the feed. Taken before a submit, it is where to follow from.
    kj::Promise<expected<feed_place>> feed_position();
    // The place before the oldest event that is kept.
    kj::Promise<expected<feed_place>> feed_beginning();

    // Evidence above `after`, at most `limit` rows, as api.capnp says; nothing waits.
    kj::Promise<expected<evidence_page>> read_evidence(feed_place after, std::uint32_t limit);

    // Until every job has ended, one result each, in order; an id that is not a job of the token's gives
    // `not_found`. `since` is a feed_position() from before they were submitted: then no job is asked for one by
    // one, unless the feed no longer reaches back to it.
    kj::Promise<expected<std::vector<expected<job_end>>>> wait_all(std::vector<job_id> ids, feed_place since,
                                                                   wait_callback on_progress = {});
    // The same for jobs that may have ended long ago: each is asked for once.
    kj::Promise<expected<std::vector<expected<job_end>>>> wait_all(std::vector<job_id> ids,
                                                                   wait_callback on_progress = {});

    // ---- platform
    kj::Promise<expected<apply_result>> apply(std::vector<document_file> files, bool dry_run = false);
    // An empty name: all of the kind.
    kj::Promise<expected<std::vector<declared_view>>> get_declared(std::string kind, std::string name = {});
    kj::Promise<expected<tree_page>> tree(std::string path = {}, std::uint32_t limit = 1000);
    kj::Promise<expected<std::string>> metrics();
    kj::Promise<expected<check_result>> check();
    // Of the node that is asked; with a setting, that is what it is from now on.
    kj::Promise<expected<start_setting>> starts(std::optional<start_setting> change = {});
    // Checks, puts right what it is asked to, and checks again.
    kj::Promise<expected<repair_result>> repair(repair_request wanted);

    // ---- the cluster; invalid_argument from a node alone
    kj::Promise<expected<std::vector<node_view>>> nodes();
    kj::Promise<expected<std::vector<shard_view>>> shards();
    kj::Promise<expected<void>> change_node(std::uint32_t node, node_change change);
    // Asked of a node that does not lead the shard, it names the one that does.
    kj::Promise<expected<move_result>> move_shard(std::uint16_t shard, std::uint32_t to);
    // 0: as long as the cluster's default.
    kj::Promise<expected<join_invitation>> make_join_token(milliseconds lifetime);

  private:
    class waiter;
    kj::Promise<expected<std::vector<expected<job_end>>>> wait(std::vector<job_id> ids, feed_place since,
                                                               bool ask_each, wait_callback on_progress);
    std::unique_ptr<link> link_;
};

} // namespace coppice::client
