// Supervision with real threads: what virtual time cannot show. All waiting is for a condition, with an end.
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <caf/all.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "actors/supervision/supervisor_actor.hpp"
#include "actors/supervision/system_config_actor.hpp"

namespace coppice {
namespace {

using namespace std::chrono_literals;

template <class Condition>
bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::yield();
    }
    return true;
}

// Opened once; whoever passes before waits.
struct gate {
    std::mutex lock;
    std::condition_variable changed;
    bool is_open = false;
    std::atomic<bool> somebody_waits{false};
    void open() {
        const std::lock_guard guard{lock};
        is_open = true;
        changed.notify_all();
    }
    void pass() {
        std::unique_lock guard{lock};
        somebody_waits = true;
        changed.wait(guard, [&] { return is_open; });
    }
};

struct threaded_node {
    system_config config{2};
    std::mutex lock;
    std::vector<supervision_report> reports;
    supervision_ptr environment = std::make_shared<const supervision>(supervision{
        .tree = std::make_shared<actor_tree>("node"),
        .report_sink =
            [this](const supervision_report& r) {
                const std::lock_guard guard{lock};
                reports.push_back(r);
            },
        .wall_clock = wall_clock_now,
    });
    caf::actor_system system{config};
    caf::actor root;

    // A test that failed half-way must end, not wait for its actors.
    ~threaded_node() {
        if (root) caf::anon_send_exit(root, caf::exit_reason::kill);
    }

    bool reported(supervision_event event, const std::string& path) {
        const std::lock_guard guard{lock};
        for (const auto& r : reports)
            if (r.event == event && r.path == path) return true;
        return false;
    }
    tree_row row(const std::string& path) {
        const auto rows = environment->tree->snapshot(path, 1);
        return rows.empty() ? tree_row{} : rows.front();
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(supervision_on_threads)

BOOST_AUTO_TEST_CASE(a_hung_actor_is_seen_and_at_shutdown_abandoned) {
    threaded_node node;
    auto wall = std::make_shared<gate>();
    const auto hanging = [wall](caf::event_based_actor*) -> caf::behavior {
        return {[wall](int) { wall->pass(); }};
    };
    node.root = spawn_supervisor(
        node.system, node.environment,
        {.children = {
             {.id = "first",
              .start = actor_of([](caf::event_based_actor*) -> caf::behavior { return {[](int) {}}; })},
             {.id = "hung", .start = detached_actor_of(hanging), .shutdown = brutal_kill},
         }});
    caf::scoped_actor self{node.system};
    caf::actor hung;
    self->request(node.root, caf::infinite, find_child{"hung"})
        .receive([&](caf::actor& it) { hung = it; }, [](const caf::error&) { BOOST_ERROR("not found"); });
    for (int i = 0; i < 10; ++i) caf::anon_send(hung, i);
    BOOST_TEST(eventually([&] { return wall->somebody_waits.load(); }));
    BOOST_TEST(eventually([&] { return node.row("node/hung").mailbox >= 10; }));
    BOOST_TEST(node.row("node/hung").handled == 0U);
    BOOST_TEST(stop_and_wait(node.system, node.root, 20s).has_value());
    BOOST_TEST(node.reported(supervision_event::killed, "node/hung"));
    BOOST_TEST(node.reported(supervision_event::abandoned, "node/hung"));
    wall->open();
}

BOOST_AUTO_TEST_CASE(senders_keep_their_order_through_a_relay_while_the_child_crashes_again_and_again) {
    constexpr int senders = 3, messages = 1000, crashes = 30;
    threaded_node node;
    struct seen {
        std::array<std::atomic<int>, senders> last{};
        std::atomic<int> total{0};
        std::atomic<bool> disorder{false};
    };
    auto noted = std::make_shared<seen>();
    const auto child = [noted](caf::event_based_actor*) -> caf::behavior {
        return {
            [noted](int sender, int number) {
                if (noted->last[static_cast<std::size_t>(sender)].exchange(number) >= number)
                    noted->disorder = true;
                ++noted->total;
            },
            [](const std::string&) { throw std::runtime_error("crash"); },
        };
    };
    const relay_ptr address = make_relay(node.system, when_down::stash);
    node.root = spawn_supervisor(node.system, node.environment,
                                 {.intensity = {1000, 1min},
                                  .backoff = {1ms, 1ms, 30s},
                                  .children = {{.id = "child", .start = actor_of(child), .address = address}}});
    // Until the child is up, the stash may be full and the first crash refused.
    caf::scoped_actor self{node.system};
    self->request(node.root, caf::infinite, find_child{"child"})
        .receive([](const caf::actor&) {}, [](const caf::error&) { BOOST_ERROR("not found"); });
    std::vector<std::jthread> threads;
    for (int s = 0; s < senders; ++s)
        threads.emplace_back([&, s] {
            for (int i = 1; i <= messages; ++i) caf::anon_send(address.handle(), s, i);
        });
    for (int i = 1; i <= crashes; ++i) {
        caf::anon_send(address.handle(), std::string{"crash"});
        BOOST_REQUIRE_MESSAGE(
            eventually([&] { return node.row("node/child").restarts >= static_cast<std::uint32_t>(i); }),
            "crash " << i << ": the child is " << node.row("node/child").state << ", " << address->stashed()
                     << " messages wait, " << address->refused_sends() << " were refused, mailbox "
                     << node.row("node/child").mailbox << ", restarts " << node.row("node/child").restarts);
    }
    threads.clear();
    // An answer proves that all that was sent before has been handled.
    caf::anon_send(address.handle(), 0, messages + 1);
    BOOST_TEST(eventually([&] { return noted->last[0] == messages + 1; }));
    BOOST_TEST(!noted->disorder);
    BOOST_TEST(noted->total > 0);
    BOOST_TEST(stop_and_wait(node.system, node.root, 20s).has_value());
}

BOOST_AUTO_TEST_CASE(detached_and_scheduled_children_crash_and_come_back_on_real_threads) {
    threaded_node node;
    const auto child = [](caf::event_based_actor*) -> caf::behavior {
        return {[](const std::string& word) -> std::string {
            if (word == "crash") throw std::runtime_error("crash");
            return word;
        }};
    };
    std::vector<child_spec> specs;
    std::vector<relay_ptr> addresses;
    for (int i = 0; i < 8; ++i) {
        addresses.push_back(make_relay(node.system, when_down::stash));
        specs.push_back({.id = std::to_string(i),
                         .start = i % 2 ? actor_of(child) : detached_actor_of(child),
                         .address = addresses.back()});
    }
    node.root = spawn_supervisor(node.system, node.environment,
                                 {.strategy = strategy::rest_for_one,
                                  .intensity = {100, 1min},
                                  .backoff = {1ms, 2ms, 30s},
                                  .children = specs});
    for (int i = 7; i >= 0; --i)
        caf::anon_send(addresses[static_cast<std::size_t>(i)].handle(), std::string{"crash"});
    caf::scoped_actor self{node.system};
    for (const relay_ptr& address : addresses)
        BOOST_TEST(eventually([&] {
            bool answered = false;
            self->request(address.handle(), 10s, std::string{"hello"})
                .receive([&](const std::string&) { answered = true; }, [](const caf::error&) {});
            return answered;
        }));
    BOOST_TEST(stop_and_wait(node.system, node.root, 20s).has_value());
}

BOOST_AUTO_TEST_CASE(dynamic_children_come_and_go_while_the_tree_is_read) {
    threaded_node node;
    node.root = spawn_dynamic_supervisor(
        node.system, node.environment,
        {.start = dynamic_start<int>([](supervised_context& context, int number) -> start_result {
             return context.spawn([number](caf::event_based_actor* self) {
                 if (number % 100 == 7) throw std::runtime_error("seven");
                 self->quit();
             });
         })});
    std::jthread reader{[&](const std::stop_token& stop) {
        while (!stop.stop_requested()) node.environment->tree->snapshot("", 500);
    }};
    caf::scoped_actor self{node.system};
    int started = 0;
    for (int round = 0; round < 20; ++round) {
        start_children wanted;
        for (int i = 0; i < 250; ++i) wanted.batch.push_back({"job-" + std::to_string(i), i});
        self->request(node.root, caf::infinite, std::move(wanted))
            .receive([&](const started_children& answer) { started += static_cast<int>(answer.results.size()); },
                     [](const caf::error&) { BOOST_ERROR("no answer"); });
    }
    BOOST_TEST(started == 5000);
    BOOST_TEST(eventually([&] { return node.environment->tree->snapshot("", 10).size() == 1; }));
    BOOST_TEST(stop_and_wait(node.system, node.root, 20s).has_value());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
