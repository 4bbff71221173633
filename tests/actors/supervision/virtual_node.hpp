// A node in one thread on virtual time, and children that do as they are told: what the tests of supervision stand
// on.
#pragma once

#include <algorithm>
#include <caf/all.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <map>
#include <string>
#include <vector>

#include "actors/supervision/supervisor_actor.hpp"

namespace coppice::testing {

using namespace std::chrono_literals;

// What happened, in order: "+a" incarnation of a started, "-a" it was told to exit.
struct diary {
    std::string text;
    std::map<std::string, int> starts;
    std::string take() { return std::exchange(text, {}); }
};

enum class manners { obedient, deaf };

// Words: "crash" throws, "exit" ends normally, "ping" is answered with the number of its incarnation; anything else
// is noted and answered with itself.
inline caf::behavior puppet(caf::event_based_actor* self, tree_handle card, std::shared_ptr<diary> book,
                            std::string id, manners how) {
    book->text += '+' + id;
    const int incarnation = ++book->starts[id];
    card.state("listening");
    self->set_exit_handler([=](caf::exit_msg& message) {
        book->text += '-' + id;
        if (how == manners::obedient) self->quit(std::move(message.reason));
    });
    return {[=](const std::string& word) -> std::string {
        if (word == "crash") throw std::runtime_error("told to crash");
        if (word == "exit") {
            self->quit();
            return word;
        }
        if (word == "ping") return std::to_string(incarnation);
        book->text += ' ' + word;
        return word;
    }};
}

struct virtual_config : caf::actor_system_config {
    virtual_config() { set("scheduler.policy", caf::atom("testing")); }
};

struct virtual_node {
    virtual_config config;
    caf::actor_system system{config};
    caf::scheduler::test_coordinator& scheduler =
        dynamic_cast<caf::scheduler::test_coordinator&>(system.scheduler());
    std::shared_ptr<diary> book = std::make_shared<diary>();
    std::vector<supervision_report> reports;
    supervision_ptr environment = std::make_shared<const supervision>(supervision{
        .tree = std::make_shared<actor_tree>("node"),
        .report_sink = [this](const supervision_report& r) { reports.push_back(r); },
        .wall_clock = [] { return from_us(1'000'000); },
        .seed = 1,
        .detach = false,
    });
    caf::actor root;
    caf::error ended_with;
    bool ended = false;

    ~virtual_node() {
        if (root && !ended) {
            caf::anon_send_exit(root, caf::exit_reason::kill);
            settle();
        }
        settle();
    }

    void grow(supervisor_spec spec) { watch(spawn_supervisor(system, environment, std::move(spec))); }
    void grow(dynamic_spec spec) { watch(spawn_dynamic_supervisor(system, environment, std::move(spec))); }

    start_function child(const std::string& id, manners how = manners::obedient) {
        return actor_of(puppet, book, id, how);
    }
    void settle() { scheduler.run(); }
    void pass(milliseconds time) {
        scheduler.advance_time(std::chrono::duration_cast<caf::timespan>(time));
        settle();
    }
    void stop() {
        caf::anon_send_exit(root, caf::exit_reason::user_shutdown);
        settle();
    }
    template <class Answer, class Message>
    expected<Answer> ask(const caf::actor& whom, Message message) {
        caf::scoped_actor self{system};
        auto pending = self->request(whom, caf::infinite, std::move(message));
        settle();
        expected<Answer> result = fail(errc::internal, "no answer");
        pending.receive([&](Answer& answer) { result = std::move(answer); },
                        [&](const caf::error& why) { result = tl::unexpected<failure>(to_failure(why)); });
        return result;
    }
    caf::actor find(const std::string& id) { return find_in(root, id); }
    caf::actor find_in(const caf::actor& supervisor, const std::string& id) {
        return ask<caf::actor>(supervisor, find_child{id}).value_or(nullptr);
    }
    void tell(const std::string& id, const std::string& word) { tell(find(id), word); }
    void tell(const caf::actor& whom, const std::string& word) {
        caf::anon_send(whom, word);
        settle();
    }
    tree_row row(const std::string& path) {
        const auto rows = environment->tree->snapshot(path, 1);
        return rows.empty() ? tree_row{} : rows.front();
    }
    std::size_t count(supervision_event event) const {
        return static_cast<std::size_t>(
            std::count_if(reports.begin(), reports.end(), [&](const auto& r) { return r.event == event; }));
    }
    std::string last(supervision_event event) const {
        for (auto r = reports.rbegin(); r != reports.rend(); ++r)
            if (r->event == event) return r->path + ": " + r->text;
        return {};
    }

  private:
    void watch(caf::actor supervisor) {
        root = std::move(supervisor);
        root->attach_functor([this](const caf::error& reason) {
            ended = true;
            ended_with = reason;
        });
        settle();
    }
};

} // namespace coppice::testing
