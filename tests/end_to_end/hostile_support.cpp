#include "tests/end_to_end/hostile_support.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>

namespace coppice::end_to_end {
namespace {

std::uint16_t port_of(const std::string& address) {
    return static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
}

std::size_t stored_kb(int pid, const std::string& field) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(field)) return std::stoul(line.substr(field.size()));
    return 0;
}

std::string trimmed(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

std::string rows_in(const node& n) {
    const outcome o = n.run({"check", "-o", "json"});
    BOOST_TEST_CONTEXT(o.out << o.err) BOOST_TEST(o.status == 0);
    return o.out;
}

kj::Own<kj::AsyncIoStream> connect(kj::AsyncIoContext& io, const std::string& address) {
    auto& network = io.provider->getNetwork();
    return network.parseAddress(address.c_str()).wait(io.waitScope)->connect().wait(io.waitScope);
}

capnp::Response<api::Gate::LoginResults> log_in(api::Gate::Client gate, const std::string& token,
                                                kj::WaitScope& scope) {
    auto call = gate.loginRequest();
    call.setToken(token.c_str());
    return call.send().wait(scope);
}

} // namespace

raw_connection::raw_connection(const std::string& address) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port_of(address));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    BOOST_REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

raw_connection::~raw_connection() { ::close(fd_); }

void raw_connection::send(std::string_view bytes) const {
    while (!bytes.empty()) {
        const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0) return;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
}

void raw_connection::end_input() const { ::shutdown(fd_, SHUT_WR); }

bool raw_connection::is_hung_up(std::chrono::milliseconds within) const {
    const auto until = std::chrono::steady_clock::now() + within;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        pollfd wanted{fd_, POLLIN, 0};
        if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) <= 0) return false;
        char bytes[4096];
        if (::recv(fd_, bytes, sizeof bytes, MSG_DONTWAIT) <= 0) return true;
    }
}

int pid_of(const node& n) { return std::stoi(read_file(n.data() / "lock")); }

std::size_t descriptors_of(const node& n) {
    const std::filesystem::path open = "/proc/" + std::to_string(pid_of(n)) + "/fd";
    std::error_code gone;
    std::size_t count = 0;
    for (auto at = std::filesystem::directory_iterator(open, gone); at != std::filesystem::directory_iterator();
         at.increment(gone))
        ++count;
    return count;
}

std::size_t resident_kb_of(const node& n) { return stored_kb(pid_of(n), "RssAnon:"); }

std::size_t peak_kb_of(const node& n) { return stored_kb(pid_of(n), "VmHWM:"); }

void forget_peak_of(const node& n) { std::ofstream("/proc/" + std::to_string(pid_of(n)) + "/clear_refs") << "5"; }

std::string operator_token(const node& n) { return trimmed(read_file(n.data() / "operator.token")); }

std::string token_for(const node& n, const std::string& role, const std::string& tenant,
                      const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"token", "issue", "--role", role, "--data", n.data().string()};
    if (!tenant.empty()) arguments.insert(arguments.end(), {"--tenant", tenant});
    arguments.insert(arguments.end(), more.begin(), more.end());
    const outcome o = n.run(arguments);
    BOOST_TEST_CONTEXT(o.err) BOOST_REQUIRE_EQUAL(o.status, 0);
    return trimmed(o.out);
}

environment with_token(const node& n, const std::string& token) {
    return {{"COPPICE_SERVER", n.address()}, {"COPPICE_TOKEN", token}};
}

quiet_node::quiet_node(const node& n) : node_(n), descriptors_(0), resident_kb_(0), rows_(rows_in(n)) {
    // The first clients warm the node up; their connections may just be closing.
    descriptors_ = descriptors_of(n);
    eventually([&] { return std::exchange(descriptors_, descriptors_of(n)) == descriptors_of(n); });
    resident_kb_ = resident_kb_of(n);
}

void quiet_node::check_unharmed(std::size_t growth_kb) const {
    const outcome o = node_.run({"job", "list"});
    BOOST_TEST_CONTEXT(o.err) BOOST_TEST(o.status == 0);
    BOOST_TEST_CONTEXT(descriptors_of(node_) << " descriptors, before " << descriptors_)
    BOOST_TEST(eventually([this] { return descriptors_of(node_) <= descriptors_; }));
    BOOST_TEST((sanitized || resident_kb_of(node_) <= resident_kb_ + growth_kb));
}

void quiet_node::check_untouched(std::size_t growth_kb) const {
    check_unharmed(growth_kb);
    BOOST_TEST(rows_in(node_) == rows_);
}

session::session(const node& n, const std::string& token)
    : io_(kj::setupAsyncIo()), stream_(connect(io_, n.address())), rpc_(*stream_),
      gate_(rpc_.bootstrap().castAs<api::Gate>()), login_(log_in(gate_, token, io_.waitScope)),
      login_code_(code_of(login_.getFailure())), grant_(login_.getGrant()) {}

submit_answer submit_one(session& s, const job_wish& wish) {
    auto call = s.jobs().submitRequest();
    auto spec = call.initJobs(1)[0];
    spec.setTenant(wish.tenant.c_str());
    spec.setType(wish.type.c_str());
    spec.setPayload({reinterpret_cast<const kj::byte*>(wish.payload.data()), wish.payload.size()});
    spec.setIdempotencyKey(wish.key.c_str());
    spec.setPriority(static_cast<std::uint8_t>(wish.priority));
    spec.setDelayMs(wish.delay_ms);
    auto after = spec.initAfter(static_cast<unsigned>(wish.after.size()));
    for (unsigned i = 0; i < after.size(); ++i) write_id(wish.after[i], after[i]);
    const auto answer = call.send().wait(s.scope());
    if (answer.getFailure().getCode() != 0)
        return {code_of(answer.getFailure()), text_of(answer.getFailure().getDetail()), {}};
    const auto one = answer.getResults()[0];
    return {code_of(one.getFailure()), text_of(one.getFailure().getDetail()), read_id(one.getId())};
}

} // namespace coppice::end_to_end
