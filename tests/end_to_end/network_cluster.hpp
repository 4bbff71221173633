// An etcd and three nodes, each of them in a network namespace of its own, on one bridge: their network can be
// taken apart, in one way or both, while they run. Clients are where the bridge is, and reach every node.
//
//   10.77.0.1, .2, .3   the nodes      10.77.0.200   etcd      10.77.0.254   clients
//
// Needs root and iproute2. What is cut loses packets and says nothing (a route to nowhere), as a broken switch
// does.
#pragma once

#include <boost/test/tools/assertion_result.hpp>
#include <boost/test/tree/test_unit.hpp>

#include "runtime/client/options.hpp"
#include "tests/end_to_end/cli_process.hpp"

namespace coppice::end_to_end {

// A precondition of test cases.
boost::test_tools::assertion_result may_make_networks(boost::unit_test::test_unit_id);

class network_cluster {
  public:
    static constexpr unsigned nodes = 3, etcd = 200;

    network_cluster();
    ~network_cluster();
    network_cluster(const network_cluster&) = delete;
    network_cluster& operator=(const network_cluster&) = delete;

    void start(unsigned node);
    void kill(unsigned node); // -9
    void signal(unsigned node, int number) const { running_.at(node)->signal(number); }
    bool runs(unsigned node) const { return running_.at(node) != nullptr; }
    void start_etcd();
    void kill_etcd() { etcd_.reset(); }

    // Packets from one to the other vanish; either may be `etcd`.
    void cut(unsigned from, unsigned to);
    void cut_both(unsigned a, unsigned b) { cut(a, b), cut(b, a); }
    void heal_all();
    void link(unsigned node, bool up) const; // the cable

    // Of clients that know these nodes, in this order. Made and used on a thread that is `among_clients`.
    client::options client_of(std::vector<unsigned> known) const;
    // Moves the calling thread to where the clients are.
    void among_clients() const;
    outcome run(std::vector<unsigned> known, std::vector<std::string> arguments) const;
    // The node that leads the shard, as one of them says; 0: none does. Waits for a whole set on every shard.
    unsigned primary(std::uint16_t shard, std::vector<unsigned> known = {1, 2, 3}) const;
    void require_whole() const;
    const scratch_directory& files() const { return files_; }
    std::string account() const; // what each node says of its shards, and the end of its log

  private:
    std::vector<nlohmann::json>
    shards(std::vector<unsigned> known) const; // as one of them lists them; none: it does not
    std::string name_of(unsigned place) const { return prefix_ + std::to_string(place); }
    std::string data_of(unsigned node) const { return (files_ / ("n" + std::to_string(node))).string(); }
    environment client_env(const std::vector<unsigned>& known) const;
    void make_network();
    void make_node(unsigned node) const;
    void connect(unsigned place) const;

    scratch_directory files_;
    const std::string prefix_; // of the namespaces
    std::string token_file_;
    std::vector<std::pair<unsigned, unsigned>> cut_;
    std::unique_ptr<process> etcd_;
    std::vector<std::unique_ptr<process>> running_{nodes + 1};
    std::vector<std::string> earlier_logs_{nodes + 1, std::string{}};
};

} // namespace coppice::end_to_end
