// HTTP requests on one thread: libcurl's multi interface with timers and a mailbox beside it, as an event loop.
//
// What a server sends is bounded: the head, the body, and for a stream what has not been taken yet. A request is
// sent at most once: libcurl would send one again that met a connection closed meanwhile, but the body refuses to
// be read twice. So `sent` false is a promise that nothing of it was acted upon.
//
// Threads: post and stop from any thread; everything else on the loop's own, which also runs all callbacks. A
// callback may start, abort and post.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "schema/errc.hpp"
#include "schema/limits.hpp"
#include "schema/time.hpp"

namespace coppice {

// Files in PEM; empty: none, and for `ca` the system's.
struct http_tls {
    std::string ca;
    std::string certificate; // with `key`: shown to the server
    std::string key;
};

struct http_result {
    bool answered = false; // a whole answer came; otherwise `problem` says why not
    bool sent = false;     // some of the body was handed to the connection
    bool too_large = false;
    bool out_of_reach = false; // an address was refused by `may_reach`
    long status = 0;
    std::string body;        // empty for a stream
    std::string retry_after; // the header of that name, as it was sent
    std::string problem;
};

struct http_request {
    std::string url;
    std::string method = "POST"; // one without a body, such as GET: `body` is empty
    std::string body;
    std::vector<std::string> headers{"Content-Type: application/json"}; // lines
    std::string authorization;
    // Instead: AWS Signature Version 4, as libcurl's CURLOPT_AWS_SIGV4 has it; `scope` empty: none. Whoever asks
    // for it gives the header x-amz-content-sha256, and a query that is sorted and encoded.
    struct signature {
        std::string scope; // "aws:amz:eu-central-1:s3"
        std::string access_key;
        std::string secret_key;
    };
    signature signing;
    // Whether to connect to this address, asked of each that the url's name stands for; empty: to any. On the
    // loop's thread, like the callbacks below.
    std::function<bool(const sockaddr& address)> may_reach;
    milliseconds timeout{0}; // for everything; 0: none, as for a stream
    milliseconds connect_timeout = limits::control_connect_timeout;
    std::size_t response_size_max = limits::control_response_size_max;
    // A stream: given what has come and not been taken; takes from its front by erasing.
    std::function<void(std::string& buffer)> on_data;
    std::function<void(http_result)> done; // once, unless aborted before
};

class http_loop {
  public:
    using id = std::uint64_t;
    using clock = std::chrono::steady_clock;

    explicit http_loop(http_tls tls);
    ~http_loop(); // stops
    http_loop(const http_loop&) = delete;
    http_loop& operator=(const http_loop&) = delete;

    // False after stop: the task is not run.
    bool post(std::function<void()> task);
    // Runs `last` on the loop's thread, after what was posted; aborts what is left, without callbacks; joins.
    // Again, or from another thread meanwhile: waits for the first. From the loop's own thread: std::logic_error.
    void stop(std::function<void()> last = [] {});

    // ---- on the loop's thread
    id start(http_request request);
    void abort(id request); // `done` is not called
    id after(milliseconds delay, std::function<void()> task);
    void cancel(id timer);

  private:
    struct multi_handle;
    struct transfer;

    void run();
    void run_posted();
    void run_timers();
    void finish_transfers();
    void hand_over_data();
    int wait_ms() const;

    const http_tls tls_;
    std::unique_ptr<multi_handle> multi_;
    std::uint64_t last_id_ = 0;
    std::map<id, std::unique_ptr<transfer>> transfers_;
    std::map<std::pair<clock::time_point, id>, std::function<void()>> timers_;
    std::map<id, clock::time_point> timer_times_;

    std::mutex mutex_; // guards what follows
    std::vector<std::function<void()>> posted_;
    bool stopping_ = false;

    std::mutex joining_;
    std::thread thread_;
    std::thread::id own_thread_; // does not change with the join
};

} // namespace coppice
