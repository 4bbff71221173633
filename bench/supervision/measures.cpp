#include "bench/supervision/measures.hpp"

#include <atomic>
#include <caf/all.hpp>
#include <chrono>
#include <string>

#include "actors/supervision/supervisor_actor.hpp"

namespace coppice::bench {
namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr restart_intensity unbounded{UINT32_MAX, 1h};
constexpr backoff_spec at_once{0ms, 0ms, 30s};

// Blocks: a waiting thread that spins would take one of two cores from what is measured.
struct countdown {
    std::atomic<int> left{0};
    void hit() {
        if (--left == 0) left.notify_all();
    }
    void wait() {
        for (int now = left; now > 0; now = left) left.wait(now);
    }
};

double us_since(steady::time_point begin) {
    return std::chrono::duration<double, std::micro>(steady::now() - begin).count();
}

supervision_ptr environment(bool with_tree) {
    return std::make_shared<const supervision>(supervision{
        .tree = with_tree ? std::make_shared<actor_tree>("node") : nullptr, .wall_clock = wall_clock_now});
}

caf::behavior answering(caf::event_based_actor*) {
    return {[](int x) -> int {
        if (x < 0) throw std::runtime_error("crash");
        return x;
    }};
}

} // namespace

crash_times crash_to_answer(scheduling how, int rounds) {
    system_config config{2, how};
    caf::actor_system system{config};
    const relay_ptr address = make_relay(system, when_down::stash);
    const caf::actor root =
        spawn_supervisor(system, environment(true),
                         {.intensity = unbounded,
                          .backoff = at_once,
                          .children = {{.id = "child", .start = actor_of(answering), .address = address}}});
    std::vector<double> times, plain;
    const auto ask = [&](caf::scoped_actor& self) {
        bool answered = false;
        while (!answered)
            self->request(address.handle(), caf::infinite, 1)
                .receive([&](int) { answered = true; }, [](const caf::error&) {});
    };
    caf::scoped_actor self{system};
    for (int i = 0; i < rounds; ++i) {
        const auto before = steady::now();
        ask(self);
        plain.push_back(us_since(before));
        const auto begin = steady::now();
        caf::anon_send(address.handle(), -1);
        ask(self);
        times.push_back(us_since(begin));
    }
    stop_and_wait(system, root, 10s);
    return {std::move(times), std::move(plain)};
}

std::vector<double> crash_to_running(scheduling how, int rounds) {
    system_config config{2, how};
    caf::actor_system system{config};
    countdown successor{1};
    std::atomic<std::int64_t> thrown_at{0}, up_at{0};
    const auto now = [] { return steady::now().time_since_epoch().count(); };
    const auto child = [&, now](caf::event_based_actor*) -> caf::behavior {
        up_at = now();
        successor.hit();
        return {[&, now](int) {
            thrown_at = now();
            throw std::runtime_error("crash");
        }};
    };
    const relay_ptr address = make_relay(system, when_down::stash);
    const caf::actor root =
        spawn_supervisor(system, environment(true),
                         {.intensity = unbounded,
                          .backoff = at_once,
                          .children = {{.id = "child", .start = actor_of(child), .address = address}}});
    std::vector<double> times;
    successor.wait();
    for (int i = 0; i < rounds; ++i) {
        successor.left = 1;
        caf::anon_send(address.handle(), -1);
        successor.wait();
        times.push_back(static_cast<double>(up_at - thrown_at) / 1000.0);
    }
    stop_and_wait(system, root, 10s);
    return times;
}

double storm(scheduling how, bool with_tree, int children) {
    system_config config{2, how};
    caf::actor_system system{config};
    countdown up{children};
    const caf::actor root = spawn_dynamic_supervisor(
        system, environment(with_tree),
        {.start = dynamic_start<int>([&up](supervised_context& context, int) -> start_result {
             return context.spawn([&up](caf::event_based_actor*) -> caf::behavior {
                 up.hit();
                 return {[](int) { throw std::runtime_error("crash"); }};
             });
         }),
         .restart = restart_type::permanent,
         .intensity = unbounded,
         .backoff = at_once,
         .in_tree = with_tree});
    caf::scoped_actor self{system};
    start_children wanted;
    for (int i = 0; i < children; ++i) wanted.batch.push_back({"child-" + std::to_string(i), i});
    std::vector<started_child> started;
    self->request(root, caf::infinite, std::move(wanted))
        .receive([&](started_children& answer) { started = std::move(answer.results); }, [](const caf::error&) {});
    up.wait();
    up.left = children;
    const auto begin = steady::now();
    for (const auto& child : started) caf::anon_send(child.handle, 1);
    up.wait();
    const double us = us_since(begin);
    stop_and_wait(system, root, 30s);
    return children / us * 1e6;
}

double come_and_go(scheduling how, bool with_tree, int total, int batch) {
    system_config config{2, how};
    caf::actor_system system{config};
    countdown ended{total};
    const caf::actor root = spawn_dynamic_supervisor(
        system, environment(with_tree),
        {.start = dynamic_start<int>([&ended](supervised_context& context, int) -> start_result {
             return context.spawn([&ended](caf::event_based_actor* self) -> caf::behavior {
                 return {[self, &ended](int) {
                     ended.hit();
                     self->quit();
                 }};
             });
         }),
         .in_tree = with_tree});
    caf::scoped_actor self{system};
    const auto begin = steady::now();
    for (int done = 0; done < total; done += batch) {
        start_children wanted;
        wanted.batch.reserve(static_cast<std::size_t>(batch));
        for (int i = 0; i < batch; ++i) wanted.batch.push_back({"job-0190f3c2-7b1e-7001", i});
        self->request(root, caf::infinite, std::move(wanted))
            .receive(
                [&](const started_children& answer) {
                    for (const auto& child : answer.results) caf::anon_send(child.handle, 1);
                },
                [](const caf::error&) {});
    }
    ended.wait();
    const double us = us_since(begin);
    stop_and_wait(system, root, 30s);
    return total / us * 1e6;
}

double tree_entry_ns(int total) {
    actor_tree tree{"node"};
    const tree_entry parent{tree.root(), "jobs", "supervisor"};
    const auto begin = steady::now();
    for (int i = 0; i < total; ++i) {
        const tree_entry job{parent.handle(), "job-0190f3c2-7b1e-7001", "job"};
        job->incarnation_started(from_us(1));
    }
    return us_since(begin) * 1000 / total;
}

} // namespace coppice::bench
