#include <boost/test/unit_test.hpp>

#include "tests/actors/supervision/virtual_node.hpp"

namespace coppice {

using namespace testing;

namespace {

supervisor_spec three(virtual_node& node, strategy how, restart_intensity intensity = {}) {
    return {.strategy = how,
            .intensity = intensity,
            .children = {{.id = "a", .start = node.child("a")},
                         {.id = "b", .start = node.child("b")},
                         {.id = "c", .start = node.child("c")}}};
}

} // namespace

BOOST_AUTO_TEST_SUITE(supervisor)

BOOST_AUTO_TEST_CASE(an_exception_restarts_the_child_and_its_text_is_kept) {
    virtual_node node;
    node.grow(three(node, strategy::one_for_one));
    BOOST_TEST(node.book->take() == "+a+b+c");
    node.tell("b", "crash");
    BOOST_TEST(node.book->take() == "+b");
    BOOST_TEST(node.row("node/b").restarts == 1U);
    BOOST_TEST(node.row("node/b").last_failure.find("told to crash") != std::string::npos);
    BOOST_TEST(node.row("node/b").state == "listening");
    BOOST_TEST(node.row("node/a").restarts == 0U);
    BOOST_TEST(node.last(supervision_event::child_failed).find("node/b: internal") == 0U);
    BOOST_TEST(node.ask<std::string>(node.find("b"), std::string{"ping"}).value() == "2");
}

BOOST_AUTO_TEST_CASE(rest_for_one_takes_the_later_ones_down_in_reverse_order) {
    virtual_node node;
    node.grow(three(node, strategy::rest_for_one));
    node.book->take();
    node.tell("b", "crash");
    BOOST_TEST(node.book->take() == "-c+b+c");
}

BOOST_AUTO_TEST_CASE(one_for_all_takes_all_down_in_reverse_order) {
    virtual_node node;
    node.grow(three(node, strategy::one_for_all));
    node.book->take();
    node.tell("b", "crash");
    BOOST_TEST(node.book->take() == "-c-a+a+b+c");
}

BOOST_AUTO_TEST_CASE(restart_types_are_otp_s) {
    virtual_node node;
    node.grow(supervisor_spec{.children = {
                                  {.id = "p", .start = node.child("p"), .restart = restart_type::permanent},
                                  {.id = "t", .start = node.child("t"), .restart = restart_type::transient},
                                  {.id = "u", .start = node.child("u"), .restart = restart_type::transient},
                                  {.id = "o", .start = node.child("o"), .restart = restart_type::temporary},
                              }});
    node.book->take();
    node.tell("p", "exit");
    node.tell("t", "exit");
    node.tell("u", "crash");
    node.tell("o", "crash");
    BOOST_TEST(node.book->take() == "+p+u");
    BOOST_TEST(node.row("node/t").state == "ended");
    BOOST_TEST(!node.find("t"));
}

BOOST_AUTO_TEST_CASE(shutdown_is_in_reverse_order_and_normal) {
    virtual_node node;
    node.grow(three(node, strategy::one_for_one));
    node.book->take();
    node.stop();
    BOOST_TEST(node.book->take() == "-c-b-a");
    BOOST_TEST(node.ended);
    BOOST_TEST(!is_failure(node.ended_with));
    BOOST_TEST(node.last(supervision_event::shut_down) == "node: all children stopped");
}

BOOST_AUTO_TEST_CASE(who_does_not_stop_within_its_grace_is_killed_and_named) {
    virtual_node node;
    node.grow(
        supervisor_spec{.children = {
                            {.id = "a", .start = node.child("a")},
                            {.id = "b", .start = node.child("b", manners::deaf), .shutdown = shutdown_after(3s)},
                        }});
    node.book->take();
    node.stop();
    node.pass(2999ms);
    BOOST_TEST(node.book->take() == "-b");
    BOOST_TEST(!node.ended);
    node.pass(1ms);
    BOOST_TEST(node.book->take() == "-a");
    BOOST_TEST(node.ended);
    BOOST_TEST(node.last(supervision_event::killed).find("node/b:") == 0U);
    BOOST_TEST(node.last(supervision_event::shut_down) == "node: 1 children had to be killed: b");
}

BOOST_AUTO_TEST_CASE(a_brutal_kill_is_not_announced) {
    virtual_node node;
    node.grow(supervisor_spec{.children = {{.id = "a", .start = node.child("a"), .shutdown = brutal_kill}}});
    node.book->take();
    node.stop();
    BOOST_TEST(node.book->take() == "");
    BOOST_TEST(node.ended);
}

BOOST_AUTO_TEST_CASE(a_supervisor_that_gives_up_is_restarted_by_its_own) {
    virtual_node node;
    supervisor_spec inner = three(node, strategy::one_for_one, {1, 60s});
    node.grow(supervisor_spec{.children = {
                                  {.id = "inner", .start = supervisor_of(inner), .kind = child_kind::supervisor},
                                  {.id = "other", .start = node.child("other")},
                              }});
    node.book->take();
    const caf::actor first = node.find("inner");
    node.tell(node.find_in(first, "b"), "crash");
    BOOST_TEST(node.book->take() == "+b");
    node.tell(node.find_in(first, "b"), "crash");
    BOOST_TEST(node.book->take() == "-c-a+a+b+c");
    BOOST_TEST(node.count(supervision_event::gave_up) == 1U);
    BOOST_TEST(node.last(supervision_event::gave_up).find("node/inner: node/inner/b: internal") == 0U);
    BOOST_TEST(node.row("node/inner").restarts == 1U);
    BOOST_TEST(node.row("node/inner").last_failure.find("told to crash") != std::string::npos);
    BOOST_TEST(!node.ended);
}

BOOST_AUTO_TEST_CASE(the_root_that_gives_up_ends_with_a_failure) {
    virtual_node node;
    node.grow(three(node, strategy::one_for_one, {0, 60s}));
    node.tell("b", "crash");
    BOOST_TEST(node.ended);
    BOOST_TEST(is_failure(node.ended_with));
    BOOST_TEST(to_failure(node.ended_with).detail.find("told to crash") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(the_second_restart_waits_and_says_so) {
    virtual_node node;
    supervisor_spec spec = three(node, strategy::one_for_one);
    spec.backoff = {100ms, 1000ms, 30s};
    node.grow(spec);
    node.tell("b", "crash");
    node.book->take();
    node.tell("b", "crash");
    BOOST_TEST(node.book->take() == "");
    BOOST_TEST(node.row("node/b").state.find("restarting in ") == 0U);
    node.pass(49ms);
    BOOST_TEST(node.book->take() == "");
    node.pass(51ms);
    BOOST_TEST(node.book->take() == "+b");
}

BOOST_AUTO_TEST_CASE(a_start_that_throws_or_refuses_at_first_makes_the_supervisor_give_up) {
    for (const bool throws : {true, false}) {
        virtual_node node;
        node.grow(supervisor_spec{.children = {
                                      {.id = "a", .start = node.child("a")},
                                      {.id = "b",
                                       .start = [throws](supervised_context&) -> start_result {
                                           if (throws) throw std::runtime_error("port 80 is taken");
                                           return fail(errc::unavailable, "port 80 is taken");
                                       }},
                                  }});
        BOOST_TEST(node.book->take() == "+a-a");
        BOOST_TEST(node.ended);
        BOOST_TEST(to_failure(node.ended_with).detail.find("port 80 is taken") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_child_that_throws_while_it_sets_itself_up_counts_as_a_failure) {
    virtual_node node;
    node.grow(supervisor_spec{.intensity = {2, 60s},
                              .children = {{.id = "a", .start = actor_of([](caf::event_based_actor* self) {
                                                           throw std::runtime_error("no config");
                                                           self->quit();
                                                       })}}});
    node.pass(10s);
    BOOST_TEST(node.ended);
    BOOST_TEST(node.count(supervision_event::child_failed) == 3U);
}

BOOST_AUTO_TEST_CASE(a_killed_supervisor_leaves_no_orphans) {
    virtual_node node;
    node.grow(three(node, strategy::one_for_one));
    const caf::actor orphan = node.find("b");
    caf::anon_send_exit(node.root, caf::exit_reason::kill);
    node.settle();
    BOOST_TEST(!node.ask<std::string>(orphan, std::string{"ping"}).has_value());
    BOOST_TEST(node.environment->tree->snapshot("", 10).size() == 1U);
}

BOOST_AUTO_TEST_CASE(a_thousand_crashes_a_minute_change_nothing_in_a_sibling_s_subtree) {
    virtual_node node;
    const auto noisy = supervisor_spec{.intensity = {2000, 60s},
                                       .backoff = {0ms, 0ms, 30s},
                                       .children = {{.id = "bad", .start = node.child("bad")}}};
    node.grow(supervisor_spec{.children = {
                                  {.id = "noisy", .start = supervisor_of(noisy), .kind = child_kind::supervisor},
                                  {.id = "quiet",
                                   .start = supervisor_of(three(node, strategy::one_for_all)),
                                   .kind = child_kind::supervisor},
                              }});
    const caf::actor noisy_one = node.find("noisy");
    for (int i = 0; i < 1000; ++i) {
        node.tell(node.find_in(noisy_one, "bad"), "crash");
        node.pass(60ms);
    }
    BOOST_TEST(node.row("node/noisy/bad").restarts == 1000U);
    for (const tree_row& row : node.environment->tree->snapshot("node/quiet", 10)) BOOST_TEST(row.restarts == 0U);
    BOOST_TEST(node.book->starts["a"] == 1);
}

BOOST_AUTO_TEST_CASE(the_tree_counts_messages_and_shows_the_mailbox) {
    virtual_node node;
    node.grow(three(node, strategy::one_for_one));
    const caf::actor b = node.find("b");
    for (int i = 0; i < 5; ++i) caf::anon_send(b, std::string{"x"});
    BOOST_TEST(node.row("node/b").mailbox == 5U);
    node.settle();
    BOOST_TEST(node.row("node/b").mailbox == 0U);
    BOOST_TEST(node.row("node/b").handled == 5U);
    BOOST_TEST(node.row("node/b").kind == "worker");
    BOOST_TEST((node.row("node/b").started_at == from_us(1'000'000)));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
