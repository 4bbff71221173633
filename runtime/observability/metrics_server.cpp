#include "runtime/observability/metrics_server.hpp"

#include <array>
#include <kj/debug.h>
#include <utility>

#include "runtime/observability/http_head.hpp"
#include "runtime/observability/prometheus.hpp"

namespace coppice {
namespace {

constexpr kj::Duration linger_max = 1 * kj::SECONDS;   // for the client to read why it was refused
constexpr std::size_t linger_bytes_max = 256 * 1024;   // of what it still sends meanwhile
constexpr kj::Duration accept_pause = 1 * kj::SECONDS; // when there are no descriptors left, say
constexpr std::string_view plain_text = "text/plain; charset=utf-8";

struct answer {
    unsigned status = 200;
    std::string_view content_type = plain_text;
    std::string body;
    std::string_view more_headers; // each with its CRLF
};

std::string_view status_text(unsigned status) {
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 413:
        return "Content Too Large";
    case 414:
        return "URI Too Long";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Unknown";
    }
}

std::string wire_text(const answer& a, bool keep_alive, bool with_body) {
    std::string text = "HTTP/1.1 " + std::to_string(a.status) + ' ';
    text += status_text(a.status);
    text += "\r\nContent-Type: ";
    text += a.content_type;
    text += "\r\nContent-Length: " + std::to_string(a.body.size()) + "\r\nCache-Control: no-store\r\nConnection: ";
    text += keep_alive ? "keep-alive\r\n" : "close\r\n";
    text += a.more_headers;
    text += "\r\n";
    if (with_body) text += a.body;
    return text;
}

answer refusal_answer(unsigned status, std::string_view reason) {
    return {.status = status, .body = std::string{reason} + '\n'};
}

answer health_page(const health_answer& health) {
    return {.status = health.ok ? 200U : 503U, .body = health.text + '\n'};
}

answer answer_to(const http_head& head, const metrics_routes& routes) {
    const bool known = head.path == "/metrics" || head.path == "/livez" || head.path == "/readyz";
    if (!known) return refusal_answer(404, "there are /metrics, /livez and /readyz");
    if (head.method != "GET" && head.method != "HEAD") {
        answer a = refusal_answer(405, "only GET and HEAD");
        a.more_headers = "Allow: GET, HEAD\r\n";
        return a;
    }
    try {
        if (head.path == "/livez") return health_page(routes.live());
        if (head.path == "/readyz") return health_page(routes.ready());
        return {.content_type = metrics_content_type, .body = routes.metrics()};
    } catch (const std::exception& fault) {
        // A broken gauge must not end the probes that decide whether the node lives.
        routes.on_fault(fault.what());
        return refusal_answer(500, "a fault of ours; the log has more");
    }
}

} // namespace

// One client: reads a head, answers, reads the next. Owned by its promise, which holds it until it is done.
class metrics_server::connection final {
  public:
    connection(metrics_server& server, kj::Own<kj::AsyncIoStream> stream)
        : server_(server), stream_(kj::mv(stream)) {
        ++server_.connections_;
    }
    ~connection() noexcept(false) { --server_.connections_; }
    KJ_DISALLOW_COPY(connection);

    kj::Promise<void> serve() {
        auto result = read_http_head(unread_, server_.options_.head_size_max);
        if (const auto* refusal = std::get_if<http_refusal>(&result))
            return hang_up(refusal_answer(refusal->status, refusal->reason));
        if (const auto* head = std::get_if<http_head>(&result)) return reply(*head);
        return read_more();
    }

    kj::Promise<void> hang_up(answer last) {
        return write(wire_text(last, false, true)).then([this](bool written) -> kj::Promise<void> {
            if (!written) return kj::READY_NOW;
            stream_->shutdownWrite();
            return linger();
        });
    }

  private:
    kj::Promise<void> reply(const http_head& head) {
        unread_.erase(0, head.size);
        deadline_ = nullptr;
        const bool keep = head.keep_alive && ++requests_ < server_.options_.requests_per_connection_max;
        const std::string text = wire_text(answer_to(head, server_.routes_), keep, head.method != "HEAD");
        return write(text).then([this, keep](bool written) -> kj::Promise<void> {
            if (!written) return kj::READY_NOW;
            if (keep) return serve();
            stream_->shutdownWrite();
            return linger();
        });
    }

    kj::Promise<void> read_more() {
        const auto& options = server_.options_;
        const bool idle = unread_.empty();
        if (deadline_ == nullptr)
            deadline_ = server_.timer_.now() + (idle ? options.idle_timeout : options.head_timeout);
        const kj::TimePoint deadline = KJ_ASSERT_NONNULL(deadline_);
        auto read = stream_->tryRead(chunk_.data(), 1, chunk_.size()).then([](std::size_t size) {
            return kj::Maybe<std::size_t>(size);
        });
        auto late = server_.timer_.atTime(deadline).then([]() -> kj::Maybe<std::size_t> { return nullptr; });
        return read.exclusiveJoin(kj::mv(late)).then([this, idle](kj::Maybe<std::size_t> got) -> kj::Promise<void> {
            const std::size_t size = got.orDefault(0);
            if (got == nullptr && !idle) return hang_up(refusal_answer(408, "the request did not come in time"));
            if (size == 0) return kj::READY_NOW;
            unread_.append(chunk_.data(), size);
            if (idle) deadline_ = nullptr; // the head's own time begins with its first byte
            return serve();
        });
    }

    // False when the client did not take it in time.
    kj::Promise<bool> write(std::string text) {
        auto held = kj::heap<std::string>(kj::mv(text));
        auto written = stream_->write(held->data(), held->size()).then([] { return true; }).attach(kj::mv(held));
        auto late = server_.timer_.afterDelay(server_.options_.write_timeout).then([] { return false; });
        return written.exclusiveJoin(kj::mv(late));
    }

    // Closing a socket with unread bytes in it resets the connection, and the client may never see its answer.
    kj::Promise<void> linger() { return drain().exclusiveJoin(server_.timer_.afterDelay(linger_max)); }

    kj::Promise<void> drain() {
        return stream_->tryRead(chunk_.data(), 1, chunk_.size()).then([this](size_t size) -> kj::Promise<void> {
            lingered_ += size;
            if (size == 0 || lingered_ > linger_bytes_max) return kj::READY_NOW;
            return drain();
        });
    }

    metrics_server& server_;
    kj::Own<kj::AsyncIoStream> stream_;
    std::array<char, 4096> chunk_{};
    std::string unread_;
    kj::Maybe<kj::TimePoint> deadline_; // of the head being read, or of the wait for one
    std::size_t requests_ = 0;
    std::size_t lingered_ = 0;
};

metrics_server::metrics_server(kj::Timer& timer, metrics_routes routes, metrics_server_options options)
    : timer_(timer), routes_(kj::mv(routes)), options_(options), tasks_(*this) {
    const bool complete = routes_.metrics != nullptr && routes_.live != nullptr && routes_.ready != nullptr &&
                          routes_.on_fault != nullptr;
    KJ_REQUIRE(complete, "every route must be set");
}

metrics_server::~metrics_server() noexcept(false) {}

kj::Promise<void> metrics_server::listen(kj::Own<kj::ConnectionReceiver> receiver) {
    auto accepted = accept_next(*receiver);
    return accepted.attach(kj::mv(receiver));
}

kj::Promise<void> metrics_server::accept_next(kj::ConnectionReceiver& receiver) {
    // KJ's accept throws, rather than give a promise that fails.
    return kj::evalNow([&] { return receiver.accept(); })
        .then(
            [this, &receiver](kj::Own<kj::AsyncIoStream> stream) {
                start(kj::mv(stream));
                return accept_next(receiver);
            },
            [this, &receiver](kj::Exception&& failure) {
                routes_.on_fault(failure.getDescription().cStr());
                return timer_.afterDelay(accept_pause).then([this, &receiver] { return accept_next(receiver); });
            });
}

void metrics_server::start(kj::Own<kj::AsyncIoStream> stream) {
    if (connections_ >= options_.connections_max) {
        auto text = kj::heap<std::string>(wire_text(refusal_answer(503, "too many connections"), false, true));
        auto told = stream->write(text->data(), text->size()); // fits an empty socket buffer: never waits
        tasks_.add(told.attach(kj::mv(text), kj::mv(stream)));
        return;
    }
    auto client = kj::heap<connection>(*this, kj::mv(stream));
    auto served = client->serve();
    tasks_.add(served.attach(kj::mv(client)));
}

void metrics_server::taskFailed(kj::Exception&& exception) {
    if (exception.getType() == kj::Exception::Type::DISCONNECTED) return; // the client's own affair
    routes_.on_fault(exception.getDescription().cStr());
}

} // namespace coppice
