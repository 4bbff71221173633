#include "tests/end_to_end/slow_line.hpp"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>
#include <vector>

namespace coppice::end_to_end {
namespace {

constexpr int look_again_ms = 5;

sockaddr_in local(std::uint16_t port) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return at;
}

// What is there now; empty: the other end is gone.
std::string read_some(int fd) {
    std::array<char, 64 * 1024> buffer{};
    const ssize_t got = ::recv(fd, buffer.data(), buffer.size(), 0);
    return got <= 0 ? std::string{} : std::string(buffer.data(), static_cast<std::size_t>(got));
}

bool write_all(int fd, const std::string& bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        const ssize_t put = ::send(fd, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
        if (put <= 0) return false;
        at += static_cast<std::size_t>(put);
    }
    return true;
}

} // namespace

slow_line::slow_line(const std::string& endpoint)
    : server_port_(static_cast<std::uint16_t>(std::stoul(endpoint.substr(endpoint.rfind(':') + 1)))),
      listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at = local(0);
    socklen_t size = sizeof at;
    if (::bind(listening_, reinterpret_cast<sockaddr*>(&at), size) != 0 || ::listen(listening_, 64) != 0 ||
        ::getsockname(listening_, reinterpret_cast<sockaddr*>(&at), &size) != 0)
        throw std::runtime_error("the slow line cannot listen");
    port_ = ntohs(at.sin_port);
    thread_ = std::thread([this] { loop(); });
}

slow_line::~slow_line() {
    stopping_ = true;
    thread_.join();
    ::close(listening_);
}

void slow_line::accept_one() {
    const int client = ::accept4(listening_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const sockaddr_in to = local(server_port_);
    if (::connect(server, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0) {
        connections_.push_back({client, server, {}});
        return;
    }
    ::close(client);
    ::close(server);
}

void slow_line::pass_question(connection& c) {
    const std::string asked = read_some(c.client);
    c.over = asked.empty() || !write_all(c.server, asked);
}

void slow_line::take_answer(connection& c) {
    std::string said = read_some(c.server);
    if (said.empty())
        c.over = true;
    else
        c.answers.push_back({std::chrono::steady_clock::now() + delay_.load(), std::move(said)});
}

void slow_line::pass_answers(connection& c) {
    const auto now = std::chrono::steady_clock::now();
    for (; !c.answers.empty() && c.answers.front().due <= now; c.answers.pop_front())
        if (!write_all(c.client, c.answers.front().bytes)) c.over = true;
}

void slow_line::loop() {
    while (!stopping_) {
        std::vector<pollfd> watched{{listening_, POLLIN, 0}};
        for (const connection& c : connections_) {
            watched.push_back({c.client, POLLIN, 0});
            watched.push_back({c.server, POLLIN, 0});
        }
        ::poll(watched.data(), watched.size(), look_again_ms);
        auto seen = watched.begin() + 1;
        for (connection& c : connections_) {
            if (seen++->revents != 0) pass_question(c);
            if (seen++->revents != 0 && !c.over) take_answer(c);
            pass_answers(c);
        }
        std::erase_if(connections_, [](const connection& c) {
            if (c.over) ::close(c.client), ::close(c.server);
            return c.over;
        });
        if (watched.front().revents != 0) accept_one();
    }
    for (const connection& c : connections_) ::close(c.client), ::close(c.server);
}

} // namespace coppice::end_to_end
