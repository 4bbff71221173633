// A node of the peer tests: a peer_network and what it was told, to wait for.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "cluster/peers/peer_network.hpp"
#include "tests/cluster/peers/test_certificates.hpp"

namespace coppice::test {

inline constexpr std::string_view test_cluster = "oak";

inline node_id n(std::uint32_t number) { return {number}; }

struct heard_frame {
    node_id from;
    peer_channel channel;
    std::string text;
    bool operator==(const heard_frame&) const = default;
};

class test_node {
  public:
    using tune = std::function<void(peer_options&)>;

    test_node(const test_ca& ca, std::uint32_t number, const tune& change = {});
    test_node(const certificate_files& files, std::uint32_t number, const tune& change = {});
    ~test_node();

    // Starts it; fails the test when that fails.
    void start();
    void stop() { network_->stop(); }
    peer_network& network() { return *network_; }
    node_id id() const { return id_; }
    std::uint16_t port() const { return port_; }
    peer_address address() const { return {id_, "127.0.0.1", port_}; }

    bool send(node_id to, std::string_view text, peer_channel channel = peer_channel::control);

    // From now on frames are kept, so that their windows stay used; false: lets go of all.
    void keep_frames(bool keep);
    void remove_member(node_id node);

    // ---- what it was told. Waiting ends after 20 s, with false.
    bool wait_for(const std::function<bool()>& condition);
    bool wait_up(node_id node, bool up = true);
    bool wait_frames(std::size_t count);
    bool wait_log(std::string_view part);
    std::vector<heard_frame> frames();
    std::vector<std::string> downs();
    std::size_t ups();
    bool is_up(node_id node);
    peer_statistics statistics(node_id of);
    std::string complaints(); // all logs, for a failing test

  private:
    template <class F>
    auto locked(F f) {
        const std::lock_guard lock(mutex_);
        return f();
    }
    void told() { changed_.notify_all(); }
    void make(const certificate_files& files, const tune& change);

    node_id id_;
    std::uint16_t port_ = 0;
    std::mutex mutex_;
    std::condition_variable changed_;
    bool keeping_ = false;
    std::vector<peer_frame> kept_;
    std::vector<heard_frame> frames_;
    std::set<node_id> up_;
    std::size_t ups_ = 0;
    std::vector<std::string> downs_;
    std::vector<std::string> logs_;
    std::set<node_id> removed_;
    bool broken_order_ = false; // a frame outside of up and down
    std::unique_ptr<peer_network> network_;
};

// Names each to all.
void introduce(const std::vector<test_node*>& nodes);

} // namespace coppice::test
