// A server that says whatever a test wants it to, over HTTP or not.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>

#include <array>
#include <atomic>
#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace coppice::testing {

// A socket whose every connection is answered by `answer`, once a request's head and body have come.
class fake_endpoint {
  public:
    // Sends; false when the other side has had enough or the test is over.
    using send_function = std::function<bool(std::string_view)>;
    using answer_function = std::function<void(const std::string& path, const send_function& send)>;
    // Given the whole request, as it came.
    using request_function = std::function<void(const std::string& request, const send_function& send)>;
    struct whole_requests {};

    explicit fake_endpoint(answer_function answer)
        : fake_endpoint(whole_requests{},
                        [answer = std::move(answer)](const std::string& request, const send_function& send) {
                            const auto begin = request.find(' ') + 1;
                            answer(request.substr(begin, request.find(' ', begin) - begin), send);
                        }) {}
    fake_endpoint(whole_requests, request_function answer) : answer_(std::move(answer)) {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        BOOST_REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0);
        BOOST_REQUIRE(::listen(fd_, 64) == 0);
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        accepting_ = std::thread{[this] { accept(); }};
    }
    ~fake_endpoint() {
        over_ = true;
        ::shutdown(fd_, SHUT_RDWR);
        accepting_.join();
        for (auto& t : serving_) t.join();
        ::close(fd_);
    }
    fake_endpoint(const fake_endpoint&) = delete;
    fake_endpoint& operator=(const fake_endpoint&) = delete;

    // What came so far, each whole.
    std::vector<std::string> requests() const {
        const std::lock_guard guard{mutex_};
        return requests_;
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  private:
    void accept() {
        while (!over_) {
            const int connection = ::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
            if (connection >= 0) serving_.emplace_back([this, connection] { serve(connection); });
        }
    }
    void serve(int connection) {
        const timeval moment{0, 50'000};
        ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment);
        ::setsockopt(connection, SOL_SOCKET, SO_SNDTIMEO, &moment, sizeof moment);
        const std::string request = read_request(connection);
        if (!request.empty()) {
            {
                const std::lock_guard guard{mutex_};
                requests_.push_back(request);
            }
            answer_(request, [&](std::string_view text) { return send_all(connection, text); });
        }
        ::close(connection);
    }
    std::string read_request(int connection) {
        std::string request;
        std::array<char, 65536> buffer{};
        while (!over_) {
            const auto size = ::recv(connection, buffer.data(), buffer.size(), 0);
            if (size == 0) return {};
            if (size > 0) request.append(buffer.data(), static_cast<std::size_t>(size));
            const auto head = request.find("\r\n\r\n");
            const auto length = request.find("Content-Length: ");
            if (head == std::string::npos) continue;
            const std::size_t body = length < head ? std::stoul(request.substr(length + 16)) : 0;
            if (request.size() >= head + 4 + body) return request;
        }
        return {};
    }
    bool send_all(int connection, std::string_view text) {
        while (!text.empty()) {
            if (over_) return false;
            const auto size = ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
            if (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return false;
            if (size > 0) text.remove_prefix(static_cast<std::size_t>(size));
        }
        return !over_;
    }

    const request_function answer_;
    int fd_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> over_ = false;
    std::vector<std::thread> serving_;
    std::thread accepting_;
    mutable std::mutex mutex_; // guards what follows
    std::vector<std::string> requests_;
};

// A whole answer; `more`: lines of its head, each with its end. That the connection ends with it is said: a client
// that kept it would send its next request into a connection that this side closes meanwhile.
inline std::string whole(const std::string& body, const std::string& status = "200 OK",
                         const std::string& more = {}) {
    return "HTTP/1.1 " + status + "\r\nConnection: close\r\nContent-Type: application/json\r\n" + more +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

} // namespace coppice::testing
