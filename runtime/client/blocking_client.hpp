// The client for programs without an event loop: each call runs the loop until its answer is there.
//
// Owns the thread's KJ event loop, so there is at most one in a thread, and none in a thread that has a loop.
// Calls, their errors and their repetition: client.hpp. Thread: the one that made it.
#pragma once

#include <kj/async-io.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "runtime/client/client.hpp"

namespace coppice::client {

class blocking_client {
  public:
    explicit blocking_client(options chosen = options_from_environment())
        : io_(kj::setupAsyncIo()), client_(io_, std::move(chosen)) {}

    expected<grant_view> login() { return run(client_.login()); }

    std::vector<expected<submitted>> submit(std::vector<job_spec> jobs) {
        return run(client_.submit(std::move(jobs)));
    }
    expected<submitted> submit(job_spec job) { return run(client_.submit(std::move(job))); }
    expected<job_view> get(job_id id, read_mode mode = read_mode::linearizable) {
        return run(client_.get(id, mode));
    }
    expected<job_page> list(job_filter filter, std::uint32_t limit = 100, std::string cursor = {},
                            read_mode mode = read_mode::linearizable, bool whole = false) {
        return run(client_.list(std::move(filter), limit, std::move(cursor), mode, whole));
    }
    std::vector<expected<void>> cancel(std::vector<job_id> ids, std::string reason) {
        return run(client_.cancel(std::move(ids), std::move(reason)));
    }
    std::vector<expected<submitted>> redrive(std::vector<job_id> ids) {
        return run(client_.redrive(std::move(ids)));
    }
    std::vector<expected<void>> edit(std::vector<job_id> ids, job_edit change, std::string reason) {
        return run(client_.edit(std::move(ids), std::move(change), std::move(reason)));
    }
    std::vector<expected<void>> delete_jobs(std::vector<job_id> ids, std::string reason) {
        return run(client_.delete_jobs(std::move(ids), std::move(reason)));
    }
    expected<std::vector<log_view>> logs(job_id id, std::uint32_t attempt = 0, std::uint64_t from_sequence = 0,
                                         std::uint32_t limit = 1000, read_mode mode = read_mode::linearizable) {
        return run(client_.logs(id, attempt, from_sequence, limit, mode));
    }
    expected<std::string> result(job_id id, read_mode mode = read_mode::linearizable) {
        return run(client_.result(id, mode));
    }
    expected<job_view> watch(job_id id, std::uint64_t revision, milliseconds timeout) {
        return run(client_.watch(id, revision, timeout));
    }
    expected<event_page> follow(feed_place after, std::uint32_t limit, milliseconds timeout) {
        return run(client_.follow(std::move(after), limit, timeout));
    }
    expected<evidence_page> read_evidence(feed_place after, std::uint32_t limit) {
        return run(client_.read_evidence(std::move(after), limit));
    }
    expected<feed_place> feed_position() { return run(client_.feed_position()); }
    expected<feed_place> feed_beginning() { return run(client_.feed_beginning()); }
    expected<std::vector<expected<job_end>>> wait_all(std::vector<job_id> ids, feed_place since,
                                                      wait_callback on_progress = {}) {
        return run(client_.wait_all(std::move(ids), std::move(since), std::move(on_progress)));
    }
    expected<std::vector<expected<job_end>>> wait_all(std::vector<job_id> ids, wait_callback on_progress = {}) {
        return run(client_.wait_all(std::move(ids), std::move(on_progress)));
    }

    expected<apply_result> apply(std::vector<document_file> files, bool dry_run = false) {
        return run(client_.apply(std::move(files), dry_run));
    }
    expected<std::vector<declared_view>> get_declared(std::string kind, std::string name = {}) {
        return run(client_.get_declared(std::move(kind), std::move(name)));
    }
    expected<tree_page> tree(std::string path = {}, std::uint32_t limit = 1000) {
        return run(client_.tree(std::move(path), limit));
    }
    expected<std::string> metrics() { return run(client_.metrics()); }
    expected<check_result> check() { return run(client_.check()); }
    expected<start_setting> starts(std::optional<start_setting> change = {}) { return run(client_.starts(change)); }
    expected<repair_result> repair(repair_request wanted) { return run(client_.repair(std::move(wanted))); }

    expected<std::vector<node_view>> nodes() { return run(client_.nodes()); }
    expected<std::vector<shard_view>> shards() { return run(client_.shards()); }
    expected<void> change_node(std::uint32_t node, node_change change) {
        return run(client_.change_node(node, change));
    }
    expected<move_result> move_shard(std::uint16_t shard, std::uint32_t to) {
        return run(client_.move_shard(shard, to));
    }
    expected<join_invitation> make_join_token(milliseconds lifetime) {
        return run(client_.make_join_token(lifetime));
    }

    // For whatever is not above: promises of the client, awaited here.
    client& async() { return client_; }
    kj::AsyncIoContext& io() { return io_; }
    template <class T>
    T run(kj::Promise<T> promise) {
        return promise.wait(io_.waitScope);
    }

  private:
    kj::AsyncIoContext io_;
    client client_;
};

} // namespace coppice::client
