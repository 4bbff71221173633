#include <boost/test/unit_test.hpp>

#include "tests/actors/supervision/virtual_node.hpp"

namespace coppice {

using namespace testing;

namespace {

struct dynamic_node : virtual_node {
    explicit dynamic_node(dynamic_spec spec = {}) {
        spec.start = dynamic_start<std::string>(
            [book = book](supervised_context& context, const std::string& name) -> start_result {
                if (name == "refused") return fail(errc::invalid_argument, "not this one");
                const auto how = name == "deaf" ? manners::deaf : manners::obedient;
                return context.spawn(puppet, context.node(), book, name, how);
            });
        spec.kind = "job";
        grow(std::move(spec));
    }
    std::vector<started_child> start(const std::vector<std::string>& names) {
        start_children wanted;
        for (const auto& name : names) wanted.batch.push_back({name, name});
        return ask<started_children>(root, std::move(wanted)).value().results;
    }
    std::size_t rows() { return environment->tree->snapshot("", 1'000'000).size() - 1; }
};

} // namespace

BOOST_AUTO_TEST_SUITE(dynamic_supervisors)

BOOST_AUTO_TEST_CASE(one_message_starts_many_and_the_answer_keeps_their_order) {
    dynamic_node node;
    const auto started = node.start({"x", "refused", "y"});
    BOOST_TEST(node.book->take() == "+x+y");
    BOOST_REQUIRE(started.size() == 3U);
    BOOST_CHECK(started[0].why.code == errc::ok && started[0].handle);
    BOOST_CHECK(started[1].why.code == errc::invalid_argument && !started[1].handle);
    BOOST_TEST(node.ask<std::string>(started[2].handle, std::string{"ping"}).value() == "1");
    BOOST_TEST(node.rows() == 2U);
    BOOST_TEST(node.row("node/y").kind == "job");
}

BOOST_AUTO_TEST_CASE(a_temporary_child_that_ends_or_crashes_leaves_nothing_behind) {
    dynamic_node node;
    const auto started = node.start({"x", "y", "z"});
    node.tell(started[0].handle, "exit");
    node.tell(started[1].handle, "crash");
    BOOST_TEST(node.rows() == 1U);
    BOOST_TEST(node.count(supervision_event::child_failed) == 1U);
    BOOST_TEST(!node.ended);
}

BOOST_AUTO_TEST_CASE(a_key_names_its_child_only_even_when_its_place_is_used_again) {
    dynamic_node node;
    const auto first = node.start({"x"});
    node.tell(first[0].handle, "exit");
    const auto second = node.start({"y"});
    BOOST_TEST(node.book->take() == "+x+y");
    caf::anon_send(node.root, stop_children{{first[0].key, child_key{}, child_key{1234567}}});
    node.settle();
    BOOST_TEST(node.book->take() == "");
    caf::anon_send(node.root, stop_children{{second[0].key}});
    node.settle();
    BOOST_TEST(node.book->take() == "-y");
    BOOST_TEST(node.rows() == 0U);
}

BOOST_AUTO_TEST_CASE(a_child_is_restarted_on_demand_with_its_argument_whatever_its_type) {
    dynamic_node node;
    const auto started = node.start({"x"});
    caf::anon_send(node.root, restart_children{{started[0].key}});
    node.settle();
    BOOST_TEST(node.book->take() == "+x-x+x");
    BOOST_TEST(node.row("node/x").restarts == 1U);
    caf::anon_send(node.root, stop_children{{started[0].key}}); // the key is still the child's
    node.settle();
    BOOST_TEST(node.book->take() == "-x");
}

BOOST_AUTO_TEST_CASE(permanent_children_of_a_template_restart_alone_within_the_intensity) {
    dynamic_node node{{.restart = restart_type::permanent, .intensity = {2, 60s}}};
    node.start({"x", "y"});
    node.tell("x", "crash");
    node.tell("y", "crash");
    BOOST_TEST(node.book->take() == "+x+y+x+y");
    node.tell("x", "crash");
    BOOST_TEST(node.book->take() == "-y");
    BOOST_TEST(node.ended);
    BOOST_TEST(is_failure(node.ended_with));
}

BOOST_AUTO_TEST_CASE(the_bound_of_children_refuses_with_overloaded) {
    dynamic_node node{{.children_max = 2}};
    const auto started = node.start({"x", "y", "z"});
    BOOST_CHECK(started[2].why.code == errc::overloaded);
    node.tell(started[0].handle, "exit");
    BOOST_CHECK(node.start({"z"})[0].why.code == errc::ok);
}

BOOST_AUTO_TEST_CASE(all_are_stopped_at_once_and_who_stays_is_killed) {
    dynamic_node node{{.shutdown = shutdown_after(3s)}};
    node.start({"x", "deaf", "y"});
    node.book->take();
    node.stop();
    BOOST_TEST(node.book->take().size() == std::string{"-x-y-deaf"}.size());
    BOOST_TEST(!node.ended);
    BOOST_CHECK(node.start({"late"})[0].why.code == errc::unavailable);
    node.pass(3s);
    BOOST_TEST(node.ended);
    BOOST_TEST(node.last(supervision_event::shut_down) == "node: 1 children had to be killed: deaf");
}

BOOST_AUTO_TEST_CASE(ten_thousand_come_and_go_and_the_tree_is_empty_again) {
    dynamic_node node;
    for (int round = 0; round < 10; ++round) {
        const auto started = node.start(std::vector<std::string>(1000, "j"));
        for (const auto& child : started) caf::anon_send(child.handle, std::string{"exit"});
        node.settle();
    }
    BOOST_TEST(node.book->starts["j"] == 10'000);
    BOOST_TEST(node.rows() == 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
