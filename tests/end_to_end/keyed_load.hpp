// Clients that all submit the same jobs, by the same keys, each at nodes of its own choice; and what must hold
// whatever happened meanwhile: a key is one job, an acknowledged job is there and ends once, and no attempt of it
// ran twice. The jobs run for real and leave a mark.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "runtime/client/blocking_client.hpp"
#include "tests/end_to_end/network_cluster.hpp"

namespace coppice::end_to_end {

class keyed_load {
  public:
    // A client for each of `clients`, which knows these nodes.
    keyed_load(const network_cluster& cluster, const std::vector<std::vector<unsigned>>& clients);
    ~keyed_load() { stop(); }
    void stop();

    std::size_t acknowledged(std::size_t client) const;
    // Waits until that client has so many more.
    bool more(std::size_t client, std::size_t count) const;
    std::string last_refusal(std::size_t client) const;
    // Stopped, and all nodes are there: waits for the jobs' ends and looks at everything.
    void require_sound() const;

    static void declare(const network_cluster& cluster);

  private:
    struct one_client {
        std::thread thread;
        std::size_t acknowledged = 0;
        std::string last_refusal;
    };
    void loop(std::size_t client, const std::vector<unsigned>& known);
    // Of these, as that node says: a line each.
    std::vector<std::string> unfinished(const std::set<job_id>& jobs, unsigned node) const;

    const network_cluster& cluster_;
    mutable std::mutex mutex_;
    std::map<std::string, std::set<job_id>> jobs_of_; // of each key
    std::vector<one_client> clients_;
    std::atomic<bool> stopping_{false};
};

} // namespace coppice::end_to_end
