// What of a job's life a trace shows, and where it goes: spans, sent to a collector by OTLP over HTTP, as JSON.
//
// Only jobs that were submitted with a sampled traceparent have spans; each is a child of the submitter's:
//
//     coppice.submit    from the call to its answer, which is after the commit      (server)
//     coppice.queue     from when an attempt could start to when it did             (internal)
//     coppice.attempt   from its start to its end                                   (consumer)
//
// Intuition: whoever has seen something adds it and goes on; a thread beside sends what there is, once a second or
// when it is much, one request at a time. A collector that is away costs spans, which are counted, and nothing
// else. An attempt that was started by another primary has no span: what it belongs to is not known here.
//
// Source: OpenTelemetry Protocol 1.x, section "OTLP/HTTP", and its JSON encoding; W3C Trace Context.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/journal/group_commit.hpp"
#include "cluster/control/http_loop.hpp"
#include "runtime/observability/log.hpp"

namespace coppice {

enum class span_kind : std::uint8_t { internal = 1, server = 2, consumer = 5 }; // OTLP's numbers

struct span {
    std::string_view name; // a literal
    span_kind kind = span_kind::internal;
    std::string traceparent; // of the parent
    std::uint64_t id = 0;    // not 0
    instant begun = never;
    instant ended = never;
    std::vector<std::pair<std::string_view, std::string>> attributes; // names are literals
    std::string error;                                                // empty: it went well
};

// A span of a job's attempt (0: of its submission), the same one whoever makes it.
std::uint64_t span_id(const job_id& job, std::uint32_t attempt, std::string_view name);

// The body of a request. `node`: the name of this one, an attribute of all.
std::string otlp_json(const std::vector<span>& spans, std::string_view node);

// For metrics; any thread.
struct span_totals {
    std::atomic<std::uint64_t> sent{0};
    std::atomic<std::uint64_t> dropped{0};
};

class span_exporter {
  public:
    struct settings {
        std::string endpoint; // url of the collector's /v1/traces; empty: nobody collects
        std::string node;
    };
    // Bounds; beyond them spans are dropped, and counted.
    static constexpr std::size_t waiting_max = 8192;
    static constexpr std::size_t per_request_max = 512;
    static constexpr std::size_t open_attempts_max = 65'536;
    static constexpr int tries_max = 6; // of one request, 1 s, 2 s, 4 s .. apart

    // Null without an endpoint.
    static std::shared_ptr<span_exporter> make(settings chosen, logger log, std::shared_ptr<span_totals> totals);
    span_exporter(settings chosen, logger log, std::shared_ptr<span_totals> totals);
    ~span_exporter(); // gives what waits `farewell` to go out
    span_exporter(const span_exporter&) = delete;
    span_exporter& operator=(const span_exporter&) = delete;

    // The journal's thread: what a commit started and ended.
    void committed(const commit_report& report);
    // Any thread; never blocks on the network. One whose traceparent is not sampled is passed over.
    void add(span one);

  private:
    struct open_attempt {
        std::string traceparent;
        std::string tenant;
        std::string type;
    };
    static constexpr milliseconds farewell{2000};

    void started(const start_effect& start);
    void ended(const end_effect& end);
    // On the loop's thread.
    void look_again();
    void send();
    void post_request();
    void answered(const http_result& result);
    void done_with_batch(bool sent, const std::string& why);

    const settings settings_;
    logger log_;
    std::shared_ptr<span_totals> totals_;

    std::unordered_map<job_id, std::unordered_map<std::uint32_t, open_attempt>> open_; // the journal's thread
    std::size_t open_count_ = 0;

    std::mutex mutex_; // guards what follows
    std::condition_variable all_gone_;
    std::deque<span> waiting_;
    bool under_way_ = false;

    // The loop's thread.
    std::string body_;
    std::size_t in_body_ = 0;
    int tries_ = 0;
    bool in_trouble_ = false;

    http_loop loop_; // last: its thread uses all of the above
};

} // namespace coppice
