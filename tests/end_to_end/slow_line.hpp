// A TCP line to a server on this machine on which answers may take their time: what the server says is passed on
// only when the delay is over, in order, on each connection. Questions go through at once.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <string>
#include <thread>

namespace coppice::end_to_end {

class slow_line {
  public:
    // `endpoint`: "http://HOST:PORT" of a server on 127.0.0.1.
    explicit slow_line(const std::string& endpoint);
    ~slow_line();
    slow_line(const slow_line&) = delete;
    slow_line& operator=(const slow_line&) = delete;

    std::string endpoint() const { return "http://127.0.0.1:" + std::to_string(port_); }
    // Of what the server says from now on.
    void delay_answers(std::chrono::milliseconds by) { delay_ = by; }

  private:
    struct piece {
        std::chrono::steady_clock::time_point due;
        std::string bytes;
    };
    struct connection {
        int client, server;
        std::deque<piece> answers;
        bool over = false;
    };
    void loop();
    void accept_one();
    void pass_question(connection& c);
    void take_answer(connection& c);
    static void pass_answers(connection& c);

    std::uint16_t server_port_, port_ = 0;
    int listening_;
    std::atomic<std::chrono::milliseconds> delay_{std::chrono::milliseconds{0}};
    std::atomic<bool> stopping_{false};
    std::list<connection> connections_; // the thread's
    std::thread thread_;
};

} // namespace coppice::end_to_end
