// Calls to etcd: over several endpoints, with a user's token, in bounded number, each within its time.
//
// A call that may be repeated goes on to the next endpoint until its time is over. One that may not (a transaction)
// does so only while it is certain that no endpoint acted upon it.
//
// Lives on the loop's thread, as all its callbacks do.
#pragma once

#include <deque>
#include <nlohmann/json.hpp>
#include <optional>

#include "cluster/control/control_meter.hpp"
#include "cluster/control/etcd_endpoints.hpp"
#include "cluster/control/http_loop.hpp"

namespace coppice {

struct etcd_options {
    std::vector<std::string> endpoints; // "http://host:port" or "https://...", no path, no user; at least one
    std::string prefix = "/coppice/";   // before every key; ends in '/'
    http_tls tls;
    std::string user; // empty: no authentication
    std::string password;
    milliseconds connect_timeout = limits::control_connect_timeout;
    milliseconds try_timeout = limits::control_try_timeout;
    milliseconds call_timeout = limits::control_call_timeout;
    milliseconds probe_interval = limits::control_probe_interval;
    std::uint64_t seed = 0;               // of the jitter; 0: drawn
    std::shared_ptr<control_meter> meter; // null: nobody counts
};

expected<void> check_etcd_options(const etcd_options& options);

// Why a call gave nothing.
struct etcd_trouble {
    enum class kind {
        not_sent,        // no endpoint has got it
        broken,          // sent, but what became of it is not known
        refused,         // etcd says no, and did nothing
        compacted,       // the revision asked for is gone
        unauthenticated, // the token is not, or no more, a good one
        too_large,       // the answer is over the bound; only when it could be repeated
    };
    kind what = kind::not_sent;
    failure why; // names the endpoint
};

using etcd_result = tl::expected<nlohmann::json, etcd_trouble>;

// Good JSON of an answer with status 200, or what is wrong with it.
etcd_result judge_etcd_answer(const http_result& result, const std::string& endpoint);

struct etcd_call {
    std::string path; // below "/v3/"
    std::string body;
    bool repeatable = true;
    bool with_token = true;
    std::optional<std::size_t> endpoint;     // only this one, once
    std::optional<milliseconds> patience;    // instead of call_timeout ...
    std::optional<milliseconds> try_timeout; // ... and of try_timeout
    std::function<void(etcd_result)> done;
};

class etcd_client {
  public:
    // The loop outlives it.
    etcd_client(http_loop& loop, etcd_options options);

    void call(etcd_call call);
    // Answers everything; no call comes after it.
    void stop();

    // For streams, which run beside the calls: an endpoint, its url for `path`, what came of it, and the token in
    // use.
    etcd_endpoints& endpoints() { return endpoints_; }
    std::string url(std::size_t endpoint, const std::string& path) const;
    const std::string& name(std::size_t endpoint) const { return options_.endpoints[endpoint]; }
    // Calls back at once when there is no user or a token is held.
    void with_token(std::function<void(tl::expected<std::string, etcd_trouble>)> go_on);
    void drop_token() { token_.clear(); }
    const etcd_options& options() const { return options_; }
    http_loop& loop() { return loop_; }
    // ok, or that the answer is of another cluster than the first one was.
    expected<void> check_history(const nlohmann::json& answer, std::size_t endpoint);

  private:
    using id = std::uint64_t;
    struct pending {
        etcd_call call;
        http_loop::clock::time_point begun, deadline;
        std::optional<etcd_trouble> last; // of an endpoint that did not serve it
        http_loop::id request = 0;        // 0: not in flight
        std::size_t endpoint = 0;         // of the request in flight
        http_loop::id timer = 0;          // for the deadline
        http_loop::id retry = 0;
        bool logged_in_anew = false;
    };

    void step(id own);
    void send(id own, std::size_t endpoint);
    void received(id own, std::size_t endpoint, const http_result& result);
    void slot_freed();
    void out_of_time(id own);
    milliseconds patience_of(const etcd_call& call) const { return call.patience.value_or(options_.call_timeout); }
    void answer(id own, etcd_result result);
    void logged_in(etcd_result result);

    http_loop& loop_;
    const etcd_options options_;
    etcd_endpoints endpoints_;
    std::map<id, pending> pending_;
    std::deque<id> waiting_; // for one in flight to end
    std::size_t in_flight_ = 0;
    id last_id_ = 0;
    bool stopped_ = false;
    std::uint64_t history_ = 0; // 0: no answer yet
    std::string token_;
    std::vector<std::function<void(tl::expected<std::string, etcd_trouble>)>> for_token_;
};

} // namespace coppice
