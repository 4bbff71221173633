#include "actors/journal/group_commit.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace coppice {
namespace {

microseconds since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - start);
}

} // namespace

group_commit::group_commit(journal_options options) : options_(std::move(options)), machine_(options_.shard) {
    machine_.start_through(options_.valve.get());
    roll_back();
}

void group_commit::roll_back() {
    const auto tables = options_.data->begin_read();
    machine_.load(*tables);
    due_ = coppice::next_due(machine_, *tables, !held_back_, turns_);
}

std::optional<instant> group_commit::next_due() { return due_; }

std::vector<proposal_ptr> group_commit::upkeep(instant now, std::size_t waiting) {
    const std::size_t schedules = turns_.next(waiting, now, machine_.schedules().next_due());
    return upkeep_of(machine_, due_, now, options_.events_kept, held_back_ ? 0 : schedules);
}

std::shared_ptr<const batch_output> group_commit::run(std::vector<proposal_ptr> proposals) {
    bool plan = options_.data->has_room();
    held_back_ = !plan;
    if (!plan) refuse_growing(proposals);
    const auto out = std::make_shared<batch_output>();
    bool shed = false; // after the store was full, what grows it was taken out
    for (errc status = apply_all(proposals, plan, *out); status != errc::ok;
         status = apply_all(proposals, plan, *out)) {
        out->clear();
        if (status == errc::not_found) return nullptr; // nothing to do, nothing changed
        if (status == errc::message_invalid) {
            proposals[invalid_]->refuse({status, "an entry that is no sound message: a bug, please report it", 0});
            proposals.erase(proposals.begin() + static_cast<std::ptrdiff_t>(invalid_));
            continue;
        }
        if (status != errc::storage_full)
            throw std::runtime_error("commit failed: " + std::string{to_string(status)});
        if (!std::exchange(shed, true))
            refuse_growing(proposals);
        else
            refuse_for_room(proposals);
        plan = false;
        held_back_ = true;
        if (proposals.empty()) return nullptr;
    }
    if (options_.on_commit)
        options_.on_commit({*out, proposals.size(), out->results.size(), apply_time_, commit_time_, machine_});
    answer_all(proposals, *out);
    return out;
}

// One transaction. not_found: there was nothing to write.
errc group_commit::apply_all(const std::vector<proposal_ptr>& proposals, bool plan, batch_output& out) {
    const auto started = std::chrono::steady_clock::now();
    const auto transaction = options_.data->begin_write();
    machine_.begin(*transaction, options_.clock(), out);
    for (invalid_ = 0; invalid_ < proposals.size(); ++invalid_) {
        if (apply_proposal(*proposals[invalid_], machine_, out)) continue;
        transaction->abort();
        roll_back();
        return errc::message_invalid;
    }
    if (plan) machine_.plan(options_.starts_per_batch);
    const bool idle = proposals.empty() && out.starts.empty();
    machine_.finish();
    const auto due = coppice::next_due(machine_, *transaction, plan, turns_);
    apply_time_ = since(started);
    if (idle) {
        transaction->abort();
        due_ = due;
        return errc::not_found;
    }
    const auto commit_started = std::chrono::steady_clock::now();
    const auto committed = transaction->commit();
    commit_time_ = since(commit_started);
    turns_.commit_took(commit_time_);
    if (!committed) {
        roll_back();
        return committed.error().code;
    }
    due_ = due;
    return errc::ok;
}

} // namespace coppice
