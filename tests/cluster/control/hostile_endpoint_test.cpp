// An endpoint that is no etcd, or means harm: nothing crashes, hangs or grows, and nothing it says is believed.
#include <fstream>
#include <thread>

#include "cluster/control/base64.hpp"
#include "schema/limits.hpp"
#include "tests/cluster/control/control_backends.hpp"
#include "tests/cluster/control/fake_endpoint.hpp"

namespace coppice::testing {
namespace {

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
    // Several answers of 8 MiB, in strings that double, in as many heaps as there are threads; what is sent in that
    // time are gigabytes.
    BOOST_TEST(after < before + 400U);
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
