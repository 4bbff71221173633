#include <boost/test/unit_test.hpp>

#include "tests/actors/supervision/virtual_node.hpp"

namespace coppice {

using namespace testing;

namespace {

using counter = caf::typed_actor<caf::replies_to<int>::with<int>>;

counter::behavior_type counting(counter::pointer) {
    return {[](int x) { return x + 1; }};
}

// A child that waits some 50 ms for its second restart.
struct waiting_child : virtual_node {
    relay_ptr address;
    explicit waiting_child(when_down rule, std::size_t stash_max = limits::stash_max)
        : address(make_relay(system, rule, stash_max)) {
        grow(supervisor_spec{.backoff = {100ms, 100ms, 30s},
                             .children = {{.id = "a", .start = child("a"), .address = address}}});
        tell(address.handle(), "crash");
        tell(address.handle(), "crash");
        BOOST_TEST(book->take() == "+a+a");
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(relays)

BOOST_AUTO_TEST_CASE(an_address_survives_a_restart) {
    virtual_node node;
    const relay_ptr address = make_relay(node.system, when_down::stash);
    node.grow(supervisor_spec{.children = {{.id = "a", .start = node.child("a"), .address = address}}});
    BOOST_TEST(node.ask<std::string>(address.handle(), std::string{"ping"}).value() == "1");
    node.tell(address.handle(), "crash");
    BOOST_TEST(node.ask<std::string>(address.handle(), std::string{"ping"}).value() == "2");
    BOOST_TEST((node.find("a") == address.handle()));
}

BOOST_AUTO_TEST_CASE(messages_wait_in_order_for_the_next_incarnation) {
    waiting_child node{when_down::stash};
    for (const char* word : {"1", "2", "3"}) node.tell(node.address.handle(), word);
    BOOST_TEST(node.address->stashed() == 3U);
    BOOST_TEST(node.book->take() == "");
    node.pass(100ms);
    BOOST_TEST(node.book->take() == "+a 1 2 3");
    BOOST_TEST(node.address->stashed() == 0U);
}

BOOST_AUTO_TEST_CASE(a_request_that_waited_is_answered_by_the_next_incarnation) {
    waiting_child node{when_down::stash};
    caf::scoped_actor self{node.system};
    auto pending = self->request(node.address.handle(), caf::infinite, std::string{"ping"});
    node.pass(100ms);
    std::string answer;
    pending.receive([&](std::string& text) { answer = text; }, [](const caf::error&) {});
    BOOST_TEST(answer == "3");
}

BOOST_AUTO_TEST_CASE(beyond_the_bound_requests_are_refused_and_sends_counted) {
    waiting_child node{when_down::stash, 2};
    for (const char* word : {"1", "2", "3", "4"}) node.tell(node.address.handle(), word);
    const auto answer = node.ask<std::string>(node.address.handle(), std::string{"ping"});
    BOOST_REQUIRE(!answer.has_value());
    BOOST_CHECK(answer.error().code == errc::unavailable);
    BOOST_TEST(node.address->refused_sends() == 2U);
    BOOST_TEST(node.address->refused_requests() == 1U);
    node.pass(100ms);
    BOOST_TEST(node.book->take() == "+a 1 2");
}

BOOST_AUTO_TEST_CASE(a_refusing_address_keeps_nothing) {
    waiting_child node{when_down::refuse};
    node.tell(node.address.handle(), "1");
    const auto answer = node.ask<std::string>(node.address.handle(), std::string{"ping"});
    BOOST_CHECK(!answer && answer.error().code == errc::unavailable);
    node.pass(100ms);
    BOOST_TEST(node.book->take() == "+a");
    BOOST_TEST(node.address->refused_sends() == 1U);
}

BOOST_AUTO_TEST_CASE(what_waits_for_a_child_that_ended_for_good_is_refused) {
    waiting_child node{when_down::stash};
    caf::scoped_actor self{node.system};
    auto pending = self->request(node.address.handle(), caf::infinite, std::string{"ping"});
    node.stop();
    errc code = errc::ok;
    pending.receive([](std::string&) {}, [&](const caf::error& why) { code = to_failure(why).code; });
    BOOST_CHECK(code == errc::unavailable);
    BOOST_TEST(!node.ask<std::string>(node.address.handle(), std::string{"ping"}).has_value());
}

// A tree that is grown again at the same addresses starts its children in its own time.
BOOST_AUTO_TEST_CASE(messages_wait_for_a_child_that_is_coming_though_the_last_one_ended_for_good) {
    waiting_child node{when_down::stash};
    node.stop();
    node.tell(node.address.handle(), "1");
    BOOST_TEST(node.address->refused_sends() == 1U);
    node.address->open({});
    node.tell(node.address.handle(), "2");
    BOOST_TEST(node.address->refused_sends() == 1U);
    BOOST_TEST(node.address->stashed() == 1U);
}

BOOST_AUTO_TEST_CASE(a_tree_that_is_grown_again_gets_what_was_said_before_it_started_its_children) {
    virtual_node node;
    const relay_ptr address = make_relay(node.system, when_down::stash);
    const auto tree =
        supervisor_of(supervisor_spec{.children = {{.id = "a", .start = node.child("a"), .address = address}}});
    node.grow(dynamic_spec{.start = dynamic_start<int>([tree, address](supervised_context& context, int) {
                               auto started = tree(context);
                               caf::anon_send(address.handle(),
                                              std::string{"hello"}); // as one who hears of it at once
                               return started;
                           })});
    for (int round = 1; round <= 2; ++round) {
        const auto started = node.ask<started_children>(node.root, start_children{{{"tree", std::any{round}}}});
        BOOST_TEST(node.book->take() == "+a hello");
        caf::anon_send(node.root, stop_children{{started.value().results.front().key}});
        node.pass(1s);
        BOOST_TEST(node.book->take() == "-a");
    }
    BOOST_TEST(address->refused_sends() == 0U);
}

BOOST_AUTO_TEST_CASE(messages_wait_through_a_restart_of_the_supervisor_itself) {
    virtual_node node;
    const relay_ptr address = make_relay(node.system, when_down::stash);
    const auto inner = supervisor_spec{.children = {{.id = "a", .start = node.child("a"), .address = address},
                                                    {.id = "deaf", .start = node.child("deaf", manners::deaf)}}};
    node.grow(supervisor_spec{.strategy = strategy::rest_for_one,
                              .children = {
                                  {.id = "first", .start = node.child("first")},
                                  {.id = "inner", .start = supervisor_of(inner), .kind = child_kind::supervisor},
                              }});
    node.book->take();
    node.tell("first", "crash");
    node.pass(5s); // the deaf one's grace
    BOOST_TEST(node.book->take() == "-deaf-a+first+a+deaf");
    BOOST_TEST(node.ask<std::string>(address.handle(), std::string{"ping"}).value() == "2");
}

BOOST_AUTO_TEST_CASE(a_typed_child_is_reached_by_its_typed_handle) {
    virtual_node node;
    const relay_ptr address = make_relay(node.system, when_down::stash);
    node.grow(
        supervisor_spec{.children = {{.id = "counter", .start = detached_actor_of(counting), .address = address}}});
    BOOST_TEST(node.ask<int>(address.handle(), 41).value() == 42);
    caf::scoped_actor self{node.system};
    auto pending = self->request(address.as<counter>(), caf::infinite, 1);
    node.settle();
    pending.receive([](int x) { BOOST_TEST(x == 2); }, [](const caf::error&) { BOOST_ERROR("no answer"); });
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
