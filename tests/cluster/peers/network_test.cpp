// Nodes that mean well: they find each other, exchange frames in order, and stay within their windows.
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <thread>

#include "tests/cluster/peers/test_node.hpp"

using namespace coppice;
using namespace coppice::test;

namespace {

struct pair_of_nodes {
    explicit pair_of_nodes(const test_node::tune& change = {}) : one(ca, 1, change), two(ca, 2, change) {
        one.start();
        two.start();
        introduce({&one, &two});
        BOOST_REQUIRE_MESSAGE(one.wait_up(n(2)), one.complaints() << two.complaints());
        BOOST_REQUIRE_MESSAGE(two.wait_up(n(1)), one.complaints() << two.complaints());
    }
    test_ca ca;
    test_node one, two;
};

struct linked : pair_of_nodes {};

} // namespace

BOOST_AUTO_TEST_SUITE(peer_network_works)

BOOST_FIXTURE_TEST_CASE(two_nodes_exchange_frames_both_ways, linked) {
    BOOST_TEST(one.send(n(2), "from one"));
    BOOST_TEST(two.send(n(1), "from two", peer_channel::bulk));
    BOOST_REQUIRE(two.wait_frames(1));
    BOOST_REQUIRE(one.wait_frames(1));
    BOOST_TEST((two.frames().front() == heard_frame{n(1), peer_channel::control, "from one"}));
    BOOST_TEST((one.frames().front() == heard_frame{n(2), peer_channel::bulk, "from two"}));
    BOOST_TEST(one.ups() == 1U);
    BOOST_TEST(two.ups() == 1U);
    BOOST_REQUIRE(one.wait_for([&] { return one.statistics(n(2)).frames_in == 1; }));
    const auto s = one.statistics(n(2));
    BOOST_TEST(s.state == "up");
    BOOST_TEST(s.bytes_out == 8U);
    BOOST_TEST(s.version == peer_version_max);
    BOOST_TEST(s.last_heard_age.count() >= 0);
    BOOST_TEST(s.control_window == limits::peer_control_window);
}

BOOST_AUTO_TEST_CASE(three_nodes_link_each_with_each) {
    const test_ca ca;
    test_node one(ca, 1), two(ca, 2), three(ca, 3);
    const std::vector<test_node*> all{&one, &two, &three};
    for (test_node* node : all) node->start();
    introduce(all);
    for (test_node* from : all)
        for (test_node* to : all)
            if (from != to) {
                BOOST_REQUIRE_MESSAGE(from->wait_up(to->id()), from->complaints());
                BOOST_TEST(from->send(to->id(), "from " + std::to_string(from->id().value)));
            }
    for (test_node* node : all) {
        BOOST_REQUIRE(node->wait_frames(2));
        BOOST_TEST(node->ups() == 2U);
        for (const heard_frame& frame : node->frames())
            BOOST_TEST(frame.text == "from " + std::to_string(frame.from.value));
    }
}

BOOST_FIXTURE_TEST_CASE(frames_of_a_channel_arrive_once_and_in_order, linked) {
    constexpr int count = 3000;
    std::thread other([&] {
        for (int i = 0; i < count; ++i)
            while (!one.send(n(2), "b" + std::to_string(i), peer_channel::bulk)) std::this_thread::yield();
    });
    for (int i = 0; i < count; ++i)
        while (!one.send(n(2), "c" + std::to_string(i))) std::this_thread::yield();
    other.join();
    BOOST_REQUIRE(two.wait_frames(2 * count));
    int control = 0, bulk = 0;
    for (const heard_frame& frame : two.frames())
        BOOST_REQUIRE_EQUAL(frame.text, frame.channel == peer_channel::control ? "c" + std::to_string(control++)
                                                                               : "b" + std::to_string(bulk++));
    BOOST_TEST(control == count);
    BOOST_TEST(bulk == count);
}

BOOST_FIXTURE_TEST_CASE(frames_of_every_size_up_to_the_bound_arrive_whole, linked) {
    for (const peer_channel channel : {peer_channel::control, peer_channel::bulk}) {
        const std::size_t bound = peer_limits{}.frame_size_max(channel);
        std::size_t expected = two.frames().size();
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{4096}, bound}) {
            std::string text(size, 'x');
            if (size != 0) text.back() = 'y';
            BOOST_REQUIRE(one.send(n(2), text, channel));
            BOOST_REQUIRE(two.wait_frames(++expected));
            BOOST_TEST((two.frames().back() == heard_frame{n(1), channel, text}));
        }
        BOOST_TEST(!one.send(n(2), std::string(bound + 1, 'x'), channel));
    }
    BOOST_TEST(one.is_up(n(2)));
}

BOOST_FIXTURE_TEST_CASE(a_full_window_refuses_and_recovers_when_the_receiver_consumes, linked) {
    two.keep_frames(true);
    const std::string frame(100'000, 'x');
    std::size_t sent = 0;
    while (one.send(n(2), frame)) ++sent;
    BOOST_TEST(sent == limits::peer_control_window / (frame.size() + limits::peer_frame_cost));
    BOOST_REQUIRE(two.wait_frames(sent));
    BOOST_TEST(!one.send(n(2), frame));
    BOOST_TEST(one.statistics(n(2)).control_in_use > limits::peer_control_window - 2 * frame.size());

    two.keep_frames(false);
    BOOST_REQUIRE(one.wait_for([&] { return one.statistics(n(2)).control_in_use == 0; }));
    BOOST_TEST(one.send(n(2), frame));
    BOOST_REQUIRE(two.wait_frames(sent + 1));
}

BOOST_FIXTURE_TEST_CASE(control_overtakes_a_stalled_bulk, linked) {
    two.keep_frames(true);
    const std::string slice(limits::peer_bulk_frame_size_max / 2, 's');
    while (one.send(n(2), slice, peer_channel::bulk)) {
    }
    BOOST_TEST(!one.send(n(2), slice, peer_channel::bulk));
    BOOST_TEST(one.send(n(2), "urgent"));
    BOOST_TEST(two.send(n(1), "urgent too"));
    BOOST_REQUIRE(one.wait_frames(1));
    BOOST_REQUIRE(two.wait_for([&] {
        for (const heard_frame& f : two.frames())
            if (f.channel == peer_channel::control) return true;
        return false;
    }));
    BOOST_TEST(!one.send(n(2), slice, peer_channel::bulk)); // bulk stands still all the while
}

BOOST_FIXTURE_TEST_CASE(frames_may_outlive_the_network, linked) {
    two.keep_frames(true);
    while (one.send(n(2), std::string(10'000, 'x'))) {
    }
    BOOST_REQUIRE(two.wait_frames(100));
    two.stop();
    two.keep_frames(false);
    BOOST_TEST(!two.send(n(1), "late"));
    BOOST_REQUIRE(one.wait_up(n(2), false));
    BOOST_TEST(!one.send(n(2), "to nobody"));
}

BOOST_FIXTURE_TEST_CASE(a_node_that_comes_back_is_linked_again, linked) {
    const auto port = two.port();
    two.stop();
    BOOST_REQUIRE(one.wait_up(n(2), false));
    test_node again(ca, 2, [&](peer_options& o) { o.listen_port = port; });
    again.start();
    introduce({&one, &again});
    BOOST_REQUIRE_MESSAGE(one.wait_up(n(2)), one.complaints());
    BOOST_REQUIRE(again.wait_up(n(1)));
    BOOST_TEST(one.send(n(2), "welcome back"));
    BOOST_REQUIRE(again.wait_frames(1));
    BOOST_TEST(one.statistics(n(2)).flaps == 1U);
}

BOOST_FIXTURE_TEST_CASE(a_node_no_longer_named_is_cut_and_named_again_is_linked, linked) {
    BOOST_REQUIRE(one.network().set_peers({}));
    BOOST_REQUIRE(one.wait_up(n(2), false));
    BOOST_REQUIRE(two.wait_up(n(1), false));
    BOOST_TEST(!one.send(n(2), "to nobody"));
    introduce({&one, &two});
    BOOST_REQUIRE_MESSAGE(one.wait_up(n(2)), one.complaints());
}

BOOST_AUTO_TEST_CASE(links_that_come_and_go_leave_no_descriptor_behind) {
    const auto descriptors = [] { return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {}); };
    const test_ca ca;
    const auto round = [&] {
        test_node one(ca, 1), two(ca, 2);
        one.start();
        two.start();
        for (int i = 0; i < 20; ++i) { // named and dropped in the same turn of the network, now and then
            introduce({&one, &two});
            if (i % 2 == 0) BOOST_REQUIRE(one.network().set_peers({}));
            if (i % 4 == 0) one.wait_up(n(2), false);
        }
    };
    round(); // what the libraries open once and keep
    const auto before = descriptors();
    for (int i = 0; i < 10; ++i) round();
    BOOST_TEST(descriptors() == before);
}

BOOST_AUTO_TEST_CASE(peers_are_found_by_name_too) {
    const test_ca ca;
    test_node one(ca, 1), two(ca, 2);
    one.start();
    two.start();
    const std::vector<peer_address> all{{n(1), "localhost", one.port()}, {n(2), "localhost", two.port()}};
    // The nodes listen on 127.0.0.1; where "localhost" means ::1 first, the link cannot be.
    BOOST_REQUIRE(one.network().set_peers(all));
    BOOST_REQUIRE(two.network().set_peers(all));
    BOOST_REQUIRE(one.wait_for(
        [&] { return one.is_up(n(2)) || one.complaints().find("Connection refused") != std::string::npos; }));
}

BOOST_AUTO_TEST_CASE(a_name_that_does_not_exist_is_told_and_harms_nobody_else) {
    const test_ca ca;
    test_node one(ca, 1), two(ca, 2);
    one.start();
    two.start();
    BOOST_REQUIRE(one.network().set_peers({two.address(), {n(3), "no such host.invalid", 1}}));
    BOOST_REQUIRE(two.network().set_peers({one.address()}));
    BOOST_REQUIRE(one.wait_up(n(2)));
    BOOST_REQUIRE_MESSAGE(one.wait_log("no such host.invalid"), one.complaints());
}

BOOST_AUTO_TEST_CASE(a_network_that_cannot_start_says_why) {
    const test_ca ca;
    test_node other_number(ca.issue("node-9", std::string{test_cluster}), 1);
    const auto refused = other_number.network().start();
    BOOST_REQUIRE(!refused);
    BOOST_TEST(refused.error().detail.find("its subject is not CN node-1, O oak") != std::string::npos);
    test_node no_file({"/nowhere.pem", "/nowhere.key", "/nowhere.ca"}, 1);
    BOOST_TEST((no_file.network().start().error().code == errc::invalid_argument));

    test_node one(ca, 1);
    one.start();
    test_node two(ca, 2, [&](peer_options& o) { o.listen_port = one.port(); });
    BOOST_TEST((two.network().start().error().code == errc::unavailable));
    BOOST_TEST(!one.network().set_peers({{n(2), "a", 1}, {n(2), "b", 2}}));
}

BOOST_AUTO_TEST_SUITE_END()
