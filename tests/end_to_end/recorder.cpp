#include "tests/end_to_end/recorder.hpp"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <thread>

#include "tests/end_to_end/hostile_support.hpp"

namespace coppice::end_to_end {
namespace {

// Both ways, until one side has no more to say.
std::string relay(int client, int node) {
    std::string said;
    for (;;) {
        pollfd ends[2] = {{client, POLLIN, 0}, {node, POLLIN, 0}};
        if (::poll(ends, 2, 30'000) <= 0) return said;
        char bytes[16 * 1024];
        const bool of_client = ends[0].revents != 0;
        const auto size = ::recv(of_client ? client : node, bytes, sizeof bytes, 0);
        if (size <= 0) return said;
        if (of_client) said.append(bytes, static_cast<std::size_t>(size));
        ::send(of_client ? node : client, bytes, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    }
}

} // namespace

std::string recorded(const node& n, const std::vector<std::string>& arguments) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    BOOST_REQUIRE(::bind(listener, reinterpret_cast<const sockaddr*>(&here), size) == 0);
    BOOST_REQUIRE(::listen(listener, 1) == 0);
    ::getsockname(listener, reinterpret_cast<sockaddr*>(&here), &size);
    const raw_connection to_node(n.address());
    std::string said;
    std::thread relaying([&] {
        const int client = ::accept(listener, nullptr, nullptr);
        said = relay(client, to_node.fd());
        ::close(client);
    });
    n.run_as({{"COPPICE_SERVER", "127.0.0.1:" + std::to_string(ntohs(here.sin_port))},
              {"COPPICE_TOKEN", operator_token(n)}},
             arguments);
    relaying.join();
    ::close(listener);
    return said;
}

} // namespace coppice::end_to_end
