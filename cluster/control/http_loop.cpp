#include "cluster/control/http_loop.hpp"

#include <curl/curl.h>
#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "cluster/control/quiet_thread.hpp"

namespace coppice {
namespace {

constexpr int wait_ms_max = 1000;

void must(CURLMcode code) {
    if (code != CURLM_OK) throw std::runtime_error(curl_multi_strerror(code));
}

} // namespace

struct http_loop::multi_handle {
    multi_handle() {
        if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw std::runtime_error("libcurl does not start");
        handle = curl_multi_init();
        if (handle == nullptr) throw std::runtime_error("libcurl does not start");
        forget_thread();
    }
    ~multi_handle() {
        curl_multi_cleanup(handle);
        curl_global_cleanup();
        forget_thread();
    }
    multi_handle(const multi_handle&) = delete;
    multi_handle& operator=(const multi_handle&) = delete;

    // Whose thread this is, is not known; what OpenSSL has kept for it is given back now. At the thread's end it is
    // too late when the process ends at the same moment.
    static void forget_thread() { OPENSSL_thread_stop(); }

    CURLM* handle = nullptr;
};

// One request: libcurl's handle and what its callbacks write to. Its address does not change.
struct http_loop::transfer {
    transfer(CURLM* owner, http_request r) : multi(owner), request(std::move(r)) {}
    ~transfer() {
        if (easy != nullptr) {
            curl_multi_remove_handle(multi, easy);
            curl_easy_cleanup(easy);
        }
        curl_slist_free_all(headers);
    }
    transfer(const transfer&) = delete;
    transfer& operator=(const transfer&) = delete;

    template <class T>
    void set(CURLoption option, T value) {
        if (const CURLcode code = curl_easy_setopt(easy, option, value); code != CURLE_OK)
            throw std::runtime_error(curl_easy_strerror(code));
    }
    void set_file(CURLoption option, const std::string& file) {
        if (!file.empty()) set(option, file.c_str());
    }
    void add_header(const std::string& line) { headers = curl_slist_append(headers, line.c_str()); }

    void prepare(id own, const http_tls& tls);
    http_result result_of(CURLcode code);

    static std::size_t read(char* to, std::size_t, std::size_t room, void* self);
    static int rewind(void*, curl_off_t, int) { return CURL_SEEKFUNC_FAIL; }
    static std::size_t take_body(char* data, std::size_t, std::size_t size, void* self);
    static std::size_t take_head(char*, std::size_t, std::size_t size, void* self);
    static curl_socket_t open_socket(void* self, curlsocktype, curl_sockaddr* to);

    CURLM* const multi;
    http_request request;
    CURL* easy = nullptr;
    curl_slist* headers = nullptr;
    std::array<char, CURL_ERROR_SIZE> error{};
    std::string body;
    std::size_t body_sent = 0;
    std::size_t head_size = 0;
    bool too_large = false;
    bool out_of_reach = false;
    bool has_news = false;
};

std::size_t http_loop::transfer::read(char* to, std::size_t, std::size_t room, void* self) {
    auto& t = *static_cast<transfer*>(self);
    const std::size_t size = std::min(room, t.request.body.size() - t.body_sent);
    std::copy_n(t.request.body.data() + t.body_sent, size, to);
    t.body_sent += size;
    return size;
}

std::size_t http_loop::transfer::take_body(char* data, std::size_t, std::size_t size, void* self) {
    auto& t = *static_cast<transfer*>(self);
    if (t.body.size() + size > t.request.response_size_max) {
        t.too_large = true;
        return 0;
    }
    t.body.append(data, size);
    t.has_news = true;
    return size;
}

std::size_t http_loop::transfer::take_head(char*, std::size_t, std::size_t size, void* self) {
    auto& t = *static_cast<transfer*>(self);
    t.head_size += size;
    if (t.head_size <= limits::control_response_head_size_max) return size;
    t.too_large = true;
    return 0;
}

curl_socket_t http_loop::transfer::open_socket(void* self, curlsocktype, curl_sockaddr* to) {
    auto& t = *static_cast<transfer*>(self);
    if (t.request.may_reach && !t.request.may_reach(to->addr)) {
        t.out_of_reach = true;
        return CURL_SOCKET_BAD;
    }
    return ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

void http_loop::transfer::prepare(id own, const http_tls& tls) {
    easy = curl_easy_init();
    if (easy == nullptr) throw std::runtime_error("libcurl has no handle");
    for (const std::string& line : request.headers) add_header(line);
    // A body is sent at once; but a header that is taken away would be signed.
    if (request.signing.scope.empty()) add_header("Expect:");
    if (!request.authorization.empty()) add_header("Authorization: " + request.authorization);
    set(CURLOPT_URL, request.url.c_str());
    if (!request.signing.scope.empty()) {
        set(CURLOPT_AWS_SIGV4, request.signing.scope.c_str());
        set(CURLOPT_USERNAME, request.signing.access_key.c_str());
        set(CURLOPT_PASSWORD, request.signing.secret_key.c_str());
    }
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_PROXY, ""); // members of a cluster are reached directly, whatever the environment says
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_QUICK_EXIT, 1L); // who gives up does not wait for the thread that still resolves a name
    const bool has_body = request.method != "GET" && request.method != "DELETE";
    set(has_body ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
    if (request.method != "POST" && request.method != "GET") set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
    if (has_body) set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(CURLOPT_OPENSOCKETFUNCTION, &transfer::open_socket);
    set(CURLOPT_OPENSOCKETDATA, this);
    set(CURLOPT_READFUNCTION, &transfer::read);
    set(CURLOPT_READDATA, this);
    set(CURLOPT_SEEKFUNCTION, &transfer::rewind);
    set(CURLOPT_WRITEFUNCTION, &transfer::take_body);
    set(CURLOPT_WRITEDATA, this);
    set(CURLOPT_HEADERFUNCTION, &transfer::take_head);
    set(CURLOPT_HEADERDATA, this);
    set(CURLOPT_HTTPHEADER, headers);
    set(CURLOPT_ERRORBUFFER, error.data());
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    set_file(CURLOPT_CAINFO, tls.ca);
    set_file(CURLOPT_SSLCERT, tls.certificate);
    set_file(CURLOPT_SSLKEY, tls.key);
    set(CURLOPT_PRIVATE, reinterpret_cast<void*>(own)); // NOLINT: a number in a pointer's clothes
}

http_result http_loop::transfer::result_of(CURLcode code) {
    http_result r;
    r.sent = body_sent > 0;
    r.too_large = too_large;
    r.out_of_reach = out_of_reach;
    curl_header* header = nullptr;
    if (curl_easy_header(easy, "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        r.retry_after = header->value;
    r.answered = code == CURLE_OK;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &r.status);
    if (!request.on_data) r.body = std::move(body);
    if (code != CURLE_OK) r.problem = error[0] != '\0' ? error.data() : curl_easy_strerror(code);
    if (too_large) r.problem = "the answer is larger than is accepted";
    return r;
}

// ---- the loop

http_loop::http_loop(http_tls tls) : tls_(std::move(tls)), multi_(std::make_unique<multi_handle>()) {
    thread_ = quiet_thread([this] { run(); });
    own_thread_ = thread_.get_id();
}

http_loop::~http_loop() { stop(); }

bool http_loop::post(std::function<void()> task) {
    {
        const std::lock_guard guard{mutex_};
        if (stopping_) return false;
        posted_.push_back(std::move(task));
    }
    curl_multi_wakeup(multi_->handle);
    return true;
}

void http_loop::stop(std::function<void()> last) {
    if (std::this_thread::get_id() == own_thread_)
        throw std::logic_error("a loop is not stopped from its own callback");
    {
        const std::lock_guard guard{mutex_};
        if (!std::exchange(stopping_, true)) posted_.push_back(std::move(last));
    }
    curl_multi_wakeup(multi_->handle);
    const std::lock_guard guard{joining_};
    if (thread_.joinable()) thread_.join();
}

void http_loop::run() {
    for (;;) {
        int running = 0;
        must(curl_multi_perform(multi_->handle, &running));
        hand_over_data();
        finish_transfers();
        run_timers();
        run_posted();
        {
            const std::lock_guard guard{mutex_};
            if (stopping_ && posted_.empty()) break;
        }
        must(curl_multi_poll(multi_->handle, nullptr, 0, wait_ms(), nullptr));
    }
    transfers_.clear();
    timers_.clear();
}

void http_loop::run_posted() {
    std::vector<std::function<void()>> tasks;
    {
        const std::lock_guard guard{mutex_};
        tasks.swap(posted_);
    }
    for (auto& task : tasks) task();
}

void http_loop::run_timers() {
    const auto now = clock::now();
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
        const auto node = timers_.extract(timers_.begin());
        timer_times_.erase(node.key().second);
        node.mapped()();
    }
}

int http_loop::wait_ms() const {
    if (timers_.empty()) return wait_ms_max;
    const auto wait = std::chrono::ceil<milliseconds>(timers_.begin()->first.first - clock::now());
    return static_cast<int>(std::clamp<std::int64_t>(wait.count(), 0, wait_ms_max));
}

void http_loop::hand_over_data() {
    std::vector<id> told;
    for (const auto& [own, t] : transfers_)
        if (t->has_news && t->request.on_data) told.push_back(own);
    for (const id own : told) {
        const auto found = transfers_.find(own);
        if (found == transfers_.end()) continue;
        found->second->has_news = false;
        // The callback may abort its own transfer, so it runs on what outlives that.
        const auto on_data = found->second->request.on_data;
        std::string buffer = std::move(found->second->body);
        on_data(buffer);
        if (const auto still = transfers_.find(own); still != transfers_.end())
            still->second->body = std::move(buffer);
    }
}

void http_loop::finish_transfers() {
    std::vector<std::pair<id, CURLcode>> ended;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_->handle, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        char* own = nullptr;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &own);
        ended.emplace_back(reinterpret_cast<id>(own), message->data.result);
    }
    for (const auto& [own, code] : ended) {
        const auto node = transfers_.extract(own);
        if (node.empty()) continue; // aborted by the callback of another
        http_result result = node.mapped()->result_of(code);
        const auto done = std::move(node.mapped()->request.done);
        done(std::move(result));
    }
}

http_loop::id http_loop::start(http_request request) {
    const id own = ++last_id_;
    auto made = std::make_unique<transfer>(multi_->handle, std::move(request));
    made->prepare(own, tls_);
    must(curl_multi_add_handle(multi_->handle, made->easy));
    transfers_.emplace(own, std::move(made));
    return own;
}

void http_loop::abort(id request) { transfers_.erase(request); }

http_loop::id http_loop::after(milliseconds delay, std::function<void()> task) {
    const id own = ++last_id_;
    const auto due = clock::now() + delay;
    timers_.emplace(std::pair{due, own}, std::move(task));
    timer_times_.emplace(own, due);
    return own;
}

void http_loop::cancel(id timer) {
    const auto found = timer_times_.find(timer);
    if (found == timer_times_.end()) return;
    timers_.erase({found->second, timer});
    timer_times_.erase(found);
}

} // namespace coppice
