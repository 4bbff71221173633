// Which of the jobs that we submit have ended, while more are being submitted: pure bookkeeping.
//
// Intuition: two streams meet here, the answers to our submits and the feed of everybody's events, in any order. An
// end that nobody asked for yet is kept only as long as a submit that was under way when it came may still name it.
//
// Memory: the jobs not yet ended, which the tenant's queued_max bounds, and the ends of foreign jobs during one
// submit.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "schema/ids.hpp"

namespace coppice::cli {

class end_tracker {
  public:
    // A submit goes out; the ticket names it in `answered`.
    std::uint64_t sending();
    void answered(std::uint64_t ticket, std::span<const job_id> accepted);
    // A job ended, ours or not, once or again.
    void ended(const job_id& id, bool succeeded);

    bool is_awaited(const job_id& id) const { return awaited_.contains(id); }
    std::vector<job_id> awaited() const { return {awaited_.begin(), awaited_.end()}; }
    std::size_t awaited_count() const { return awaited_.size(); }
    std::uint64_t accepted_count() const { return accepted_; }
    std::uint64_t ended_count() const { return ended_; }
    std::uint64_t failed_count() const { return failed_; }
    std::size_t kept_early() const { return early_.size(); }

  private:
    struct early_end {
        std::uint64_t newest_ticket;
        job_id id;
    };
    void settle(bool succeeded);

    std::uint64_t tickets_ = 0;
    std::set<std::uint64_t> under_way_;
    std::unordered_set<job_id> awaited_;
    std::unordered_map<job_id, bool> early_; // whether it succeeded
    std::deque<early_end> early_order_;
    std::uint64_t accepted_ = 0;
    std::uint64_t ended_ = 0;
    std::uint64_t failed_ = 0;
};

} // namespace coppice::cli
