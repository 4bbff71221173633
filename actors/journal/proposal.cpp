#include "actors/journal/proposal.hpp"

#include <utility>
#include <vector>

namespace coppice {

proposal::~proposal() {
    if (done_) refuse({errc::unknown_outcome, "the journal went away before it answered", 0});
    if (gate_) gate_->leave(bytes());
}

void proposal::answer(std::span<command_result> results) {
    if (!done_) return;
    const auto done = std::move(done_);
    done_ = nullptr;
    done(results);
}

void proposal::refuse(const failure& why) {
    // Who is being destroyed cannot be taken on any more.
    if (const auto self = weak_from_this().lock(); self && rescue_)
        if (const auto rescue = std::exchange(rescue_, nullptr); rescue(self, why)) return;
    std::vector<command_result> results(commands_);
    for (command_result& r : results) {
        r.code = why.code;
        r.detail = why.detail;
        r.retry_after_ms = why.retry_after_ms;
    }
    answer(results);
}

bool proposal::enter(std::shared_ptr<inflight_gate> gate) {
    if (!gate->enter(bytes())) return false;
    gate_ = std::move(gate);
    return true;
}

} // namespace coppice
