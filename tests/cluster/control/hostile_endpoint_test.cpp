// An endpoint that is no etcd, or means harm: nothing crashes, hangs or grows, and nothing it says is believed.
#include <arpa/inet.h>
#include <fstream>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

#include "cluster/control/base64.hpp"
#include "schema/limits.hpp"
#include "tests/cluster/control/control_backends.hpp"

namespace coppice::testing {
namespace {

// A socket whose every connection is answered by `answer`, once a request's head and body have come.
class fake_endpoint {
  public:
    // Sends; false when the other side has had enough or the test is over.
    using send_function = std::function<bool(std::string_view)>;
    using answer_function = std::function<void(const std::string& path, const send_function& send)>;

    explicit fake_endpoint(answer_function answer) : answer_(std::move(answer)) {
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
            const auto begin = request.find(' ') + 1;
            answer_(request.substr(begin, request.find(' ', begin) - begin),
                    [&](std::string_view text) { return send_all(connection, text); });
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
            if (head == std::string::npos || length == std::string::npos) continue;
            if (request.size() >= head + 4 + std::stoul(request.substr(length + 16))) return request;
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

    const answer_function answer_;
    int fd_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<bool> over_ = false;
    std::vector<std::thread> serving_;
    std::thread accepting_;
};

std::string whole(const std::string& body, const std::string& status = "200 OK") {
    return "HTTP/1.1 " + status +
           "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
           body;
}

// Resident memory at its highest, in MiB.
std::size_t peak_memory() {
    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);)
        if (line.starts_with("VmHWM:")) return std::stoul(line.substr(6)) / 1024;
    return 0;
}

void nothing_is_believed(const fake_endpoint::answer_function& answer, const std::string& what) {
    BOOST_TEST_CONTEXT(what) {
        fake_endpoint enemy{answer};
        etcd_options options = quick_options({enemy.url()});
        options.call_timeout = milliseconds{400};
        options.try_timeout = milliseconds{200};
        const auto store = must(make_etcd_control_store(options));
        const auto watcher = std::make_shared<noting_watcher>();
        must(store->watch("w/", std::nullopt, watcher));
        const auto resumed = std::make_shared<noting_watcher>();
        must(store->watch("w/", control_position{7, 10}, resumed));
        const auto begin = std::chrono::steady_clock::now();
        // All at once: each waits for the end of its time.
        std::promise<bool> got;
        std::promise<bool> listed;
        std::promise<bool> granted;
        store->get("a", [&](const auto& r) { got.set_value(r.has_value()); });
        store->list("", [&](const auto& r) { listed.set_value(r.has_value()); });
        store->grant_lease(
            std::chrono::seconds{5}, [](const failure&) {},
            [&](const auto& r) { granted.set_value(r.has_value()); });
        const auto done = commit(*store, {{{"a", 3}}, {{"a", "x"}}, {}});
        for (auto* each : {&got, &listed, &granted}) {
            auto future = each->get_future();
            BOOST_REQUIRE((future.wait_for(patience) == std::future_status::ready));
            BOOST_TEST(!future.get());
        }
        BOOST_REQUIRE(!done);
        const errc code = done.error().why.code;
        BOOST_TEST((code == errc::unknown_outcome || code == errc::unavailable), to_string(code));
        wait_until([&] { return !watcher->why().empty() && !resumed->why().empty(); }, "the watches tell");
        BOOST_TEST((std::chrono::steady_clock::now() - begin < std::chrono::seconds{15}));
        BOOST_TEST(watcher->resets() == 0);
        BOOST_TEST(resumed->heard().empty());
        store->stop();
    }
}

BOOST_AUTO_TEST_SUITE(hostile_endpoint_suite)

BOOST_AUTO_TEST_CASE(rubbish_is_not_believed) {
    const auto say = [](const std::string& text) {
        return [text](const std::string&, const auto& send) { send(text); };
    };
    std::string noise;
    std::mt19937 random{20'26};
    for (int i = 0; i < 4096; ++i) noise += static_cast<char>(random() & 0xff);
    nothing_is_believed(say(""), "a connection that is closed");
    nothing_is_believed(say(noise), "noise");
    nothing_is_believed(say("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"), "an answer cut off");
    nothing_is_believed(say("HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"),
                        "a redirect");
    // NOLINTBEGIN(bugprone-suspicious-missing-comma): long texts in pieces
    for (
        const char* body :
        {"", "null", "[]", "{}", "7", "\"text\"", "{\"header\":7}", "{\"header\":{\"cluster_id\":7}}",
         "{\"header\":{\"cluster_id\":\"-1\",\"revision\":\"5\"}}", "{\"header\":{\"cluster_id\":\"7\"}}",
         "{\"header\":{\"cluster_id\":\"7\",\"revision\":\"99999999999999999999\"}}",
         "{\"header\":{\"cluster_id\":\"7\",\"revision\":\"5\"},\"kvs\":[{}],\"responses\":[{}],\"succeeded\":true,"
         "\"ID\":\"0\"}",
         "{\"header\":{\"cluster_id\":\"7\",\"revision\":\"5\"},\"kvs\":[{\"key\":\"****\"}],\"responses\":7}",
         "{\"header\":{\"cluster_id\":\"7\",\"revision\":\"5\"},\"kvs\":[{\"key\":\"YQ==\",\"mod_revision\":\"5\"}]"
         ","
         "\"succeeded\":true}",
         "{\"header\":{\"cluster_id\":\"7\",\"revision\":\"5\"},\"more\":true,\"ID\":\"5\",\"TTL\":\"99999999\"}",
         "{\"result\":{\"header\":{\"cluster_id\":\"7\",\"revision\":\"20\"},\"events\":[{\"kv\":{\"key\":\"YQ==\","
         "\"mod_revision\":\"11\"}}]}}\n"})
        nothing_is_believed(say(whole(body)), body);
    // NOLINTEND(bugprone-suspicious-missing-comma)
    nothing_is_believed(say(whole("{\"code\":\"five\",\"message\":[]}", "500 Oops")), "an error of odd types");
    nothing_is_believed(say(whole("{\"code\":14,\"message\":\"\\u0000no\"}", "503 Oops")), "an error");
}

BOOST_AUTO_TEST_CASE(what_never_ends_is_cut_off) {
    const std::size_t before = peak_memory();
    const auto for_ever = [](const std::string& head, const std::string& again) {
        return [=](const std::string&, const auto& send) {
            if (!send(head)) return;
            while (send(again)) {
            }
        };
    };
    const std::string large(64 * 1024, 'x');
    const std::string chunk = "10000\r\n" + large + "\r\n";
    const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    nothing_is_believed(for_ever("", large), "no head");
    nothing_is_believed(for_ever("HTTP/1.1 200 OK\r\n", "A: " + std::string(1000, 'b') + "\r\n"), "a head");
    nothing_is_believed(for_ever("", "HTTP/1.1 100 Continue\r\n\r\n"), "interim answers");
    nothing_is_believed(for_ever("HTTP/1.1 200 OK\r\n\r\n", large), "a body");
    nothing_is_believed(for_ever(chunked, chunk), "a body in chunks");
    nothing_is_believed(for_ever(chunked, "1\r\n\n\r\n"), "empty lines");
    nothing_is_believed(for_ever(chunked, "8\r\n[[[[[[[[\r\n"), "depth");
    nothing_is_believed(for_ever("HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n", large), "a length");
    const std::size_t after = peak_memory();
    BOOST_TEST_MESSAGE("peak memory: " << before << " MiB before, " << after << " MiB after");
    BOOST_TEST(after < before + 150U);
}

BOOST_AUTO_TEST_CASE(silence_is_given_up_on) {
    nothing_is_believed(
        [](const std::string&, const auto& send) {
            while (send("")) std::this_thread::sleep_for(std::chrono::milliseconds{20});
        },
        "silence");
    nothing_is_believed(
        [](const std::string&, const auto& send) {
            while (send(" ")) std::this_thread::sleep_for(std::chrono::milliseconds{20});
        },
        "one byte at a time");
}

BOOST_AUTO_TEST_CASE(a_watch_that_lies_is_left) {
    const std::string header = R"("header":{"cluster_id":"7","revision":"20"})";
    const std::string created = R"({"result":{)" + header + R"(,"created":true}})" + "\n";
    const auto event = [&](const std::string& key, const std::string& revision) {
        return R"({"result":{)" + header + R"(,"events":[{"kv":{"key":")" + to_base64(key) +
               R"(","mod_revision":")" + revision + R"("}}]}})" + "\n";
    };
    const std::string good = event("/coppice/test/w/a", "11");
    for (const std::string& lie :
         {event("/coppice/test/w/a", "10"), event("/coppice/test/x", "11"), event("/other/w/a", "11"),
          event("/coppice/test/w/a", "0"), good + good, std::string{"{\"result\":{\"events\":[]}}\n"}}) {
        fake_endpoint enemy{[&](const std::string& path, const auto& send) {
            if (path != "/v3/watch") return void(send(whole("{" + header + "}")));
            send("HTTP/1.1 200 OK\r\n\r\n" + created + lie);
            while (send("")) std::this_thread::sleep_for(std::chrono::milliseconds{20});
        }};
        const auto store = must(make_etcd_control_store(quick_options({enemy.url()})));
        const auto watcher = std::make_shared<noting_watcher>();
        must(store->watch("w/", control_position{7, 10}, watcher));
        wait_until([&] { return watcher->why().find("not what etcd sends") != std::string::npos; }, lie.c_str());
        BOOST_TEST(watcher->heard().size() <= 1U);
        BOOST_TEST(watcher->in_order());
        store->stop();
    }
}

// The stream brings a change while a sign of life is on its way: the answer saw less than what is known by now, and
// is no etcd that went back in time.
BOOST_AUTO_TEST_CASE(a_sign_of_life_that_the_stream_overtook_is_believed) {
    const auto header = [](const char* revision) {
        return R"("header":{"cluster_id":"7","revision":")" + std::string{revision} + R"("})";
    };
    const std::string created = R"({"result":{)" + header("20") + R"(,"created":true}})" + "\n";
    const std::string change = R"({"result":{)" + header("30") + R"(,"events":[{"kv":{"key":")" +
                               to_base64("/coppice/test/w/a") + R"(","mod_revision":"30"}}]}})" + "\n";
    std::atomic<int> probes = 0;
    std::atomic<bool> heard = false;
    fake_endpoint endpoint{[&](const std::string& path, const auto& send) {
        const auto wait = [&](const auto& until) {
            while (!until() && send("")) std::this_thread::sleep_for(std::chrono::milliseconds{1});
        };
        if (path == "/v3/watch") {
            send("HTTP/1.1 200 OK\r\n\r\n" + created);
            wait([&] { return probes > 0; });
            send(change);
            wait([] { return false; });
            return;
        }
        const bool first = probes++ == 0;
        wait([&] { return heard.load(); });
        send(whole("{" + header(first ? "20" : "30") + ",\"count\":\"1\"}"));
    }};
    const auto watcher = std::make_shared<noting_watcher>();
    etcd_options options = quick_options({endpoint.url()});
    options.probe_interval = milliseconds{50};
    const auto store = must(make_etcd_control_store(options));
    must(store->watch("w/", control_position{7, 10}, watcher));
    wait_until([&] { return watcher->heard().size() == 1; }, "the change");
    heard = true;
    wait_until([&] { return probes > 2; }, "more signs of life");
    BOOST_TEST(watcher->resets() == 0);
    BOOST_TEST(watcher->why() == "");
    store->stop();
}

BOOST_AUTO_TEST_CASE(base64_is_read_as_it_is_written_and_no_other_way) {
    const std::string all{"\0\x01\xff\xfe text", 9};
    for (std::size_t i = 0; i <= all.size(); ++i) {
        const auto plain = all.substr(0, i);
        const auto back = from_base64(to_base64(plain));
        BOOST_REQUIRE(back.has_value());
        BOOST_TEST((*back == plain));
    }
    BOOST_TEST(to_base64("a") == "YQ==");
    for (const char* bad : {"Y", "YQ", "YQ=", "YQ==\n", "YR==", "Y===", "====", "YQ==YQ==", "YW-_", "=AAA", "A=AA"})
        BOOST_TEST(!from_base64(bad).has_value(), bad);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace coppice::testing
