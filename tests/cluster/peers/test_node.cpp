#include "tests/cluster/peers/test_node.hpp"

#include <boost/test/unit_test.hpp>

namespace coppice::test {

test_node::test_node(const test_ca& ca, std::uint32_t number, const tune& change) : id_{number} {
    make(ca.issue("node-" + std::to_string(number), std::string{test_cluster}), change);
}

test_node::test_node(const certificate_files& files, std::uint32_t number, const tune& change) : id_{number} {
    make(files, change);
}

test_node::~test_node() {
    network_->stop();
    BOOST_CHECK_MESSAGE(!broken_order_, "node " << id_.value << " heard of a frame while the link was not up");
}

void test_node::make(const certificate_files& files, const tune& change) {
    peer_options o;
    o.self = id_;
    o.cluster = std::string{test_cluster};
    o.listen_host = "127.0.0.1";
    o.certificate = files.certificate;
    o.key = files.key;
    o.ca = files.ca;
    o.on_frame = [this](peer_frame frame) {
        const auto bytes = frame.bytes();
        const std::lock_guard lock(mutex_);
        broken_order_ = broken_order_ || !up_.contains(frame.from());
        frames_.push_back(
            {frame.from(), frame.channel(), {reinterpret_cast<const char*>(bytes.data()), bytes.size()}});
        if (keeping_) kept_.push_back(std::move(frame));
        told();
    };
    o.on_up = [this](node_id node) {
        const std::lock_guard lock(mutex_);
        broken_order_ = broken_order_ || !up_.insert(node).second;
        ++ups_;
        told();
    };
    o.on_down = [this](node_id node, std::string_view why) {
        const std::lock_guard lock(mutex_);
        broken_order_ = broken_order_ || up_.erase(node) == 0;
        downs_.emplace_back(why);
        told();
    };
    o.is_member = [this](node_id node) { return locked([&] { return !removed_.contains(node); }); };
    o.on_log = [this](node_id node, std::string_view text) {
        const std::lock_guard lock(mutex_);
        logs_.push_back("node " + std::to_string(node.value) + ": " + std::string{text});
        told();
    };
    if (change) change(o);
    network_ = std::make_unique<peer_network>(std::move(o));
}

void test_node::start() {
    const auto port = network_->start();
    BOOST_REQUIRE_MESSAGE(port, (port ? "" : to_string(port.error())));
    port_ = *port;
}

bool test_node::send(node_id to, std::string_view text, peer_channel channel) {
    return network_->send(to, channel, std::as_bytes(std::span{text}));
}

void test_node::keep_frames(bool keep) {
    std::vector<peer_frame> let_go;
    const std::lock_guard lock(mutex_);
    keeping_ = keep;
    if (!keep) let_go.swap(kept_);
}

void test_node::remove_member(node_id node) {
    locked([&] { return removed_.insert(node).second; });
}

bool test_node::wait_for(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    std::unique_lock lock(mutex_);
    while (std::chrono::steady_clock::now() < end) {
        lock.unlock();
        const bool met = condition();
        lock.lock();
        if (met) return true;
        changed_.wait_for(lock, std::chrono::milliseconds{10});
    }
    return false;
}

bool test_node::wait_up(node_id node, bool up) {
    return wait_for([&] { return is_up(node) == up; });
}
bool test_node::wait_frames(std::size_t count) {
    return wait_for([&] { return locked([&] { return frames_.size() >= count; }); });
}
bool test_node::wait_log(std::string_view part) {
    return wait_for([&] { return complaints().find(part) != std::string::npos; });
}

std::vector<heard_frame> test_node::frames() {
    return locked([&] { return frames_; });
}
std::vector<std::string> test_node::downs() {
    return locked([&] { return downs_; });
}
std::size_t test_node::ups() {
    return locked([&] { return ups_; });
}
bool test_node::is_up(node_id node) {
    return locked([&] { return up_.contains(node); });
}

peer_statistics test_node::statistics(node_id of) {
    for (const peer_statistics& s : network_->statistics())
        if (s.node == of) return s;
    return {};
}

std::string test_node::complaints() {
    return locked([&] {
        std::string all;
        for (const std::string& line : logs_) all += line + "\n";
        return all;
    });
}

void introduce(const std::vector<test_node*>& nodes) {
    std::vector<peer_address> all;
    for (const test_node* node : nodes) all.push_back(node->address());
    for (test_node* node : nodes) BOOST_REQUIRE(node->network().set_peers(all));
}

} // namespace coppice::test
