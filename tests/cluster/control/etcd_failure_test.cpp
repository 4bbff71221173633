// What the etcd backend does when etcd dies, freezes, forgets, or is another.
#include <fstream>
#include <thread>

#include "tests/cluster/control/control_backends.hpp"

namespace coppice::testing {
namespace {

using steady = std::chrono::steady_clock;

std::unique_ptr<control_store> connect(std::vector<std::string> endpoints) {
    return must(make_etcd_control_store(quick_options(std::move(endpoints))));
}

// Puts until it works: for what comes after a failure.
std::uint64_t put_at_last(control_store& s, const std::string& key, const std::string& value) {
    std::uint64_t revision = 0;
    wait_until(
        [&] {
            const auto done = put(s, key, value);
            if (done) revision = *done;
            return done.has_value();
        },
        "etcd takes a put again");
    return revision;
}

BOOST_AUTO_TEST_SUITE(etcd_failure_suite)

BOOST_AUTO_TEST_CASE(a_watch_goes_on_after_etcd_was_killed) {
    etcd_process etcd;
    const auto store = connect({etcd.endpoint()});
    const auto watcher = std::make_shared<noting_watcher>();
    must(store->watch("w/", std::nullopt, watcher));
    for (int round = 0; round < 3; ++round) {
        put_at_last(*store, "w/a", std::to_string(round));
        wait_until([&] { return watcher->is_connected(); }, "connected");
        etcd.kill();
        wait_until([&] { return !watcher->is_connected(); }, "the loss is told");
        BOOST_TEST(watcher->why().find(etcd.endpoint()) != std::string::npos, watcher->why());
        const auto refused = put(*store, "w/b", "never");
        BOOST_REQUIRE(!refused);
        BOOST_TEST(to_string(refused.error().why.code) == to_string(errc::unavailable));
        BOOST_TEST(refused.error().why.detail.find(etcd.endpoint()) != std::string::npos);
        etcd.start();
    }
    const auto last = put_at_last(*store, "w/a", "last");
    wait_until([&] { return watcher->at().revision >= last; }, "the last change");
    BOOST_TEST(watcher->resets() == 1);
    BOOST_TEST(watcher->in_order());
    BOOST_TEST(watcher->copy().at("w/a") == "last");
}

BOOST_AUTO_TEST_CASE(commits_across_kills_are_counted_or_said_to_be_unknown) {
    etcd_process etcd;
    const auto store = connect({etcd.endpoint()});
    std::atomic<bool> stop = false;
    std::atomic<int> good = 0;
    std::atomic<int> unknown = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            while (!stop) {
                const auto seen = get(*store, "counter");
                if (!seen) continue;
                const int next = (*seen ? std::stoi((*seen)->value) : 0) + 1;
                const auto done =
                    commit(*store,
                           {{{"counter", *seen ? (*seen)->revision : 0}}, {{"counter", std::to_string(next)}}, {}});
                if (done) ++good;
                if (!done && done.error().why.code == errc::unknown_outcome) ++unknown;
            }
        });
    for (int round = 0; round < 5; ++round) {
        const int before = good;
        wait_until([&] { return good > before + 20; }, "progress");
        etcd.kill();
        etcd.start();
    }
    const int before = good;
    wait_until([&] { return good > before + 20; }, "progress");
    stop = true;
    for (auto& t : threads) t.join();
    const int counted = std::stoi(must(get(*store, "counter"))->value);
    BOOST_TEST_MESSAGE(good << " good, " << unknown << " unknown, counted " << counted);
    BOOST_TEST(counted >= good);
    BOOST_TEST(counted <= good + unknown);
}

BOOST_AUTO_TEST_CASE(a_watch_whose_changes_were_compacted_starts_anew) {
    etcd_process etcd;
    const auto store = connect({etcd.endpoint()});
    const auto writer = connect({etcd.endpoint()});
    const auto from = must(list(*writer, "")).at;
    std::uint64_t last = 0;
    for (int i = 0; i < 5; ++i) last = must(put(*writer, "w/a", std::to_string(i)));
    etcd.ctl("compaction " + std::to_string(last));
    const auto watcher = std::make_shared<noting_watcher>();
    must(store->watch("w/", from, watcher));
    wait_until([&] { return watcher->resets() == 1; }, "the reset");
    BOOST_TEST(watcher->copy().at("w/a") == "4");
    last = must(put(*writer, "w/a", "after"));
    wait_until([&] { return watcher->at().revision == last; }, "the change after it");
    BOOST_TEST(watcher->copy().at("w/a") == "after");
    BOOST_TEST(watcher->resets() == 1);
}

BOOST_AUTO_TEST_CASE(a_frozen_etcd_is_told_in_time_and_comes_back) {
    etcd_process etcd;
    const auto store = connect({etcd.endpoint()});
    const auto watcher = std::make_shared<noting_watcher>();
    must(store->watch("", std::nullopt, watcher));
    must(put(*store, "a", "1"));
    etcd.pause();
    const auto begin = steady::now();
    const auto committed = put(*store, "a", "2");
    BOOST_REQUIRE(!committed);
    BOOST_TEST(to_string(committed.error().why.code) == to_string(errc::unknown_outcome));
    const auto read = get(*store, "a");
    BOOST_REQUIRE(!read);
    BOOST_TEST(to_string(read.error().code) == to_string(errc::unavailable));
    BOOST_TEST((steady::now() - begin < std::chrono::seconds{8})); // call_timeout, twice, and a busy machine
    wait_until([&] { return !watcher->is_connected(); }, "the watch notices");
    etcd.resume();
    const auto last = put_at_last(*store, "a", "3");
    wait_until([&] { return watcher->at().revision >= last && watcher->is_connected(); }, "the watch is back");
    BOOST_TEST(watcher->copy().at("a") == "3");
    BOOST_TEST(watcher->resets() == 1);
    BOOST_TEST(watcher->in_order());
}

BOOST_AUTO_TEST_CASE(a_dead_endpoint_beside_a_good_one_costs_nothing_but_a_try) {
    etcd_process etcd;
    const auto store = connect({"http://127.0.0.1:" + std::to_string(free_port()), etcd.endpoint()});
    const auto watcher = std::make_shared<noting_watcher>();
    must(store->watch("", std::nullopt, watcher));
    for (int i = 0; i < 20; ++i) must(put(*store, "a", std::to_string(i)));
    BOOST_TEST(must(get(*store, "a"))->value == "19");
    wait_until([&] { return !watcher->copy().empty() && watcher->copy().at("a") == "19"; }, "the watch follows");
}

BOOST_AUTO_TEST_CASE(a_frozen_endpoint_beside_a_good_one_is_left) {
    etcd_process frozen; // stands for a member that hangs: another cluster, so that only one can serve
    etcd_process etcd;
    frozen.pause();
    const auto store = connect({frozen.endpoint(), etcd.endpoint()});
    BOOST_TEST(get(*store, "a").has_value());
    must(put(*store, "a", "1"));
    frozen.resume();
}

BOOST_AUTO_TEST_CASE(an_endpoint_of_another_cluster_is_refused) {
    etcd_process etcd;
    const auto store = connect({etcd.endpoint()});
    must(put(*store, "a", "1"));
    etcd.wipe();
    std::string why;
    wait_until(
        [&] {
            const auto read = get(*store, "a");
            if (!read) why = to_string(read.error());
            return why.find("another cluster") != std::string::npos;
        },
        "the other cluster is named");
    const auto anew = connect({etcd.endpoint()});
    BOOST_TEST(!must(get(*anew, "a")).has_value());
}

BOOST_AUTO_TEST_CASE(a_lease_ends_when_its_store_does_not_keep_it) {
    etcd_process etcd;
    const auto watching = connect({etcd.endpoint()});
    const auto watcher = std::make_shared<noting_watcher>();
    must(watching->watch("members/", std::nullopt, watcher));
    auto member = connect({etcd.endpoint()});
    const auto lease = must(grant(*member, std::chrono::seconds{1}));
    must(put(*member, "members/1", "here", lease));
    wait_until([&] { return watcher->copy().size() == 1; }, "the member");
    const int signs = watcher->signs();
    wait_until([&] { return watcher->signs() > signs + 12; }, "longer than the lease's time"); // 200 ms each
    BOOST_TEST(watcher->copy().size() == 1U);                                                  // kept alive
    member.reset();
    wait_until([&] { return watcher->copy().empty(); }, "the member's end");
}

BOOST_AUTO_TEST_CASE(a_lease_that_etcd_has_ended_is_lost) {
    etcd_process etcd;
    const auto store = connect({etcd.endpoint()});
    std::atomic<int> lost = 0;
    const auto lease = must(grant(*store, std::chrono::seconds{2}, [&](const failure&) { ++lost; }));
    const auto other = connect({etcd.endpoint()});
    must(revoke(*other, lease));
    wait_until([&] { return lost == 1; }, "the loss");
}

BOOST_AUTO_TEST_CASE(a_lease_is_lost_when_etcd_is_away_for_its_time) {
    etcd_process etcd;
    const auto store = connect({etcd.endpoint()});
    std::atomic<int> lost = 0;
    must(grant(*store, std::chrono::seconds{2}, [&](const failure&) { ++lost; }));
    etcd.kill();
    wait_until([&] { return lost == 1; }, "the loss");
    etcd.start();
    put_at_last(*store, "a", "1");
    BOOST_TEST(lost == 1);
}

BOOST_AUTO_TEST_CASE(a_store_stops_at_once_while_etcd_is_frozen) {
    etcd_process etcd;
    auto store = connect({etcd.endpoint()});
    must(store->watch("", std::nullopt, std::make_shared<noting_watcher>()));
    must(put(*store, "a", "1"));
    etcd.pause();
    std::atomic<int> unknown = 0;
    std::atomic<int> unavailable = 0;
    std::atomic<bool> under_way = false;
    store->commit({{}, {{"a", "2"}}, {}}, [&](const commit_result& r) {
        if (!r && r.error().why.code == errc::unknown_outcome) ++unknown;
    });
    store->get("a", [&](const auto& r) {
        if (!r && r.error().code == errc::unavailable) ++unavailable;
    });
    const auto begin = steady::now();
    std::thread waiter{[&] { under_way = true; }};
    waiter.join();
    store->stop();
    BOOST_TEST((steady::now() - begin < std::chrono::seconds{2}));
    BOOST_TEST(unknown + unavailable == 2);
    BOOST_TEST(unavailable >= 1);
    etcd.resume();
}

BOOST_AUTO_TEST_CASE(a_user_logs_in_and_again_when_the_token_is_gone) {
    etcd_process etcd;
    etcd.ctl("user add root:secret");
    etcd.ctl("user grant-role root root");
    etcd.ctl("auth enable");
    etcd_options options = quick_options({etcd.endpoint()});
    options.user = "root";
    options.password = "wrong";
    const auto stranger = must(make_etcd_control_store(options));
    const auto refused = get(*stranger, "a");
    BOOST_REQUIRE(!refused);
    BOOST_TEST(to_string(refused.error().code) == to_string(errc::unauthenticated), to_string(refused.error()));
    BOOST_TEST(to_string(refused.error()).find("wrong") == std::string::npos);

    options.password = "secret";
    const auto store = must(make_etcd_control_store(options));
    const auto watcher = std::make_shared<noting_watcher>();
    must(store->watch("", std::nullopt, watcher));
    must(put(*store, "a", "1"));
    etcd.kill(); // forgets its tokens
    etcd.start();
    const auto last = put_at_last(*store, "a", "2");
    wait_until([&] { return watcher->at().revision >= last; }, "the watch is back");
    BOOST_TEST(watcher->in_order());
}

BOOST_AUTO_TEST_CASE(over_tls_both_sides_show_who_they_are) {
    scratch_directory files;
    const auto file = [&](const std::string& name) { return (files.path() / name).string(); };
    const auto openssl = [&](const std::string& words) {
        BOOST_REQUIRE(std::system(("openssl " + words + " 2>/dev/null").c_str()) ==
                      0); // NOLINT: a test's own words
    };
    const std::string key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ";
    for (const char* authority : {"ca", "other"})
        openssl("req -x509 " + key + "-days 2 -subj /CN=" + authority + " -keyout " + file(authority) +
                ".key -out " + file(authority) + ".pem");
    std::ofstream{file("names")} << "subjectAltName=IP:127.0.0.1\n";
    for (const char* name : {"server", "client"}) {
        openssl("req " + key + "-subj /CN=" + name + " -keyout " + file(name) + ".key -out " + file(name) + ".csr");
        openssl("x509 -req -days 2 -CAcreateserial -CA " + file("ca.pem") + " -CAkey " + file("ca.key") +
                " -extfile " + file("names") + " -in " + file(name) + ".csr -out " + file(name) + ".pem");
    }
    etcd_process etcd{"https",
                      {"--cert-file=" + file("server.pem"), "--key-file=" + file("server.key"),
                       "--trusted-ca-file=" + file("ca.pem"), "--client-cert-auth"}};
    etcd_options options = quick_options({etcd.endpoint()});
    options.tls = {file("ca.pem"), file("client.pem"), file("client.key")};
    const auto store = must(make_etcd_control_store(options));
    const auto watcher = std::make_shared<noting_watcher>();
    must(store->watch("", std::nullopt, watcher));
    put_at_last(*store, "a", "1");
    wait_until([&] { return watcher->copy().size() == 1; }, "the change");

    const auto refused = [&](http_tls tls) {
        options.tls = std::move(tls);
        const auto answer = get(*must(make_etcd_control_store(options)), "a");
        BOOST_TEST_MESSAGE((answer ? "" : to_string(answer.error())));
        return !answer && answer.error().code == errc::unavailable;
    };
    BOOST_TEST(refused({file("other.pem"), file("client.pem"), file("client.key")}));
    BOOST_TEST(refused({file("ca.pem"), "", ""}));
    BOOST_TEST(refused({file("nowhere.pem"), file("client.pem"), file("client.key")}));
}

BOOST_AUTO_TEST_CASE(options_that_cannot_work_are_refused) {
    const auto refused = [](auto change) {
        etcd_options o = quick_options({"http://127.0.0.1:2379"});
        change(o);
        return !make_etcd_control_store(o).has_value();
    };
    BOOST_TEST(!refused([](etcd_options&) {}));
    BOOST_TEST(refused([](etcd_options& o) { o.endpoints.clear(); }));
    BOOST_TEST(refused([](etcd_options& o) { o.endpoints = {"127.0.0.1:2379"}; }));
    BOOST_TEST(refused([](etcd_options& o) { o.endpoints = {"ftp://a"}; }));
    BOOST_TEST(refused([](etcd_options& o) { o.endpoints = {"http://user:word@a"}; }));
    BOOST_TEST(refused([](etcd_options& o) { o.endpoints = {"http://a/path"}; }));
    BOOST_TEST(refused([](etcd_options& o) { o.prefix = ""; }));
    BOOST_TEST(refused([](etcd_options& o) { o.user = "root"; }));
    BOOST_TEST(refused([](etcd_options& o) { o.tls.key = "a"; }));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace
} // namespace coppice::testing
