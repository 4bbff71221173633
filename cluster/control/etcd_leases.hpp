// Leases of etcd that this process keeps alive. A lease counts from the moment its last good keep-alive was asked
// for, not answered: so it is given up here before etcd does.
//
// Lives on the loop's thread.
#pragma once

#include "cluster/control/control_store.hpp"
#include "cluster/control/etcd_client.hpp"

namespace coppice {

class etcd_leases {
  public:
    using lost_callback = std::function<void(const failure&)>;

    // The client outlives it, and is stopped before it goes.
    explicit etcd_leases(etcd_client& client) : client_(client), loop_(client.loop()) {}

    void grant(std::chrono::seconds ttl, lost_callback lost, control_answer<control_lease> done);
    void revoke(control_lease lease, control_answer<void> done);

  private:
    using time_point = http_loop::clock::time_point;
    struct held {
        milliseconds ttl{0};
        lost_callback lost;
        http_loop::id keep = 0; // timers
        http_loop::id end = 0;
    };

    void granted(control_lease lease, held h, time_point asked);
    void keep_alive(control_lease lease);
    void kept(control_lease lease, time_point asked, const etcd_result& result);
    void extend(control_lease lease, time_point asked);
    void give_up(control_lease lease, const failure& why);

    etcd_client& client_;
    http_loop& loop_;
    std::map<control_lease, held> held_;
    std::size_t asked_for_ = 0; // grants not yet answered
};

} // namespace coppice
