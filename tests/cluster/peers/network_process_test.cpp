// Peers in processes of their own, which are killed and frozen.
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cluster/peers/test_node.hpp"

using namespace coppice;
using namespace coppice::test;

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// Node 2 in a child process. It must be made before this process has threads. It links with node 1 at the port that
// it reads from a pipe.
class child_node {
  public:
    explicit child_node(const test_ca& ca) : files_(ca.issue("node-2", std::string{test_cluster})) { spawn(0); }
    ~child_node() {
        signal(SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    child_node(const child_node&) = delete;
    child_node& operator=(const child_node&) = delete;

    std::uint16_t port() const { return port_; }
    peer_address address() const { return {n(2), "127.0.0.1", port_}; }
    void learn(std::uint16_t port_of_one) const {
        BOOST_REQUIRE(::write(to_child_, &port_of_one, sizeof port_of_one) == sizeof port_of_one);
    }
    void signal(int number) const { ::kill(pid_, number); }

  private:
    void spawn(std::uint16_t port) {
        int up[2], down[2];
        BOOST_REQUIRE(::pipe(up) == 0 && ::pipe(down) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            run(port, up[1], down[0]);
            ::_exit(0);
        }
        ::close(up[1]);
        ::close(down[0]);
        to_child_ = down[1];
        BOOST_REQUIRE(::read(up[0], &port_, sizeof port_) == sizeof port_);
        ::close(up[0]);
    }
    void run(std::uint16_t port, int out, int in) {
        test_node two(files_, 2, [&](peer_options& o) { o.listen_port = port; });
        two.start();
        const std::uint16_t own = two.port();
        std::uint16_t other = 0;
        if (::write(out, &own, sizeof own) != sizeof own) return;
        while (::read(in, &other, sizeof other) == sizeof other)
            if (!two.network().set_peers({{n(1), "127.0.0.1", other}})) return;
    }

    certificate_files files_;
    pid_t pid_ = -1;
    std::uint16_t port_ = 0;
    int to_child_ = -1;
};

struct with_child {
    with_child() : two(ca), one(ca, 1) {
        one.start();
        two.learn(one.port());
        BOOST_REQUIRE(one.network().set_peers({two.address()}));
        BOOST_REQUIRE_MESSAGE(one.wait_up(n(2)), one.complaints());
    }
    milliseconds until_down(steady_clock::time_point begin) {
        BOOST_REQUIRE(one.wait_up(n(2), false));
        return std::chrono::duration_cast<milliseconds>(steady_clock::now() - begin);
    }
    test_ca ca;
    child_node two;
    test_node one;
};

} // namespace

BOOST_AUTO_TEST_SUITE(peer_network_processes)

BOOST_FIXTURE_TEST_CASE(a_frozen_peer_is_found_and_linked_again_when_it_thaws, with_child) {
    const auto begin = steady_clock::now();
    two.signal(SIGSTOP);
    const auto took = until_down(begin);
    BOOST_TEST_MESSAGE("frozen, found after " << took.count() << " ms");
    BOOST_TEST(took.count() < 4000); // said: 2 s; here with room for a slow machine
    BOOST_TEST(one.downs().front().find("silent for") != std::string::npos);
    BOOST_TEST(!one.send(n(2), "to the frozen"));
    two.signal(SIGCONT);
    BOOST_REQUIRE_MESSAGE(one.wait_up(n(2)), one.complaints());
}

BOOST_FIXTURE_TEST_CASE(a_frozen_peer_fills_its_window_and_no_more, with_child) {
    two.signal(SIGSTOP);
    const std::string frame(100'000, 'x');
    std::size_t sent = 0;
    while (sent < 1000 && one.send(n(2), frame, peer_channel::bulk)) ++sent;
    BOOST_TEST(sent <= limits::peer_bulk_window / frame.size());
    BOOST_REQUIRE(one.wait_up(n(2), false));
}

BOOST_FIXTURE_TEST_CASE(a_killed_peer_is_seen_at_once, with_child) {
    const auto begin = steady_clock::now();
    two.signal(SIGKILL);
    const auto took = until_down(begin);
    BOOST_TEST_MESSAGE("killed, seen after " << took.count() << " ms");
    BOOST_TEST(took.count() < 1000); // no heartbeat is waited for
    BOOST_TEST(one.downs().front().find("silent") == std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()
