#include "actors/jobs/start_completion.hpp"

#include <algorithm>
#include <mutex>

namespace coppice {
namespace {

// Shared by the calls for one start: the last answer ends it.
struct completion {
    start_effect start;
    std::function<void(start_effect, std::optional<failure>)> then;
    std::mutex mutex; // guards what follows
    std::size_t missing = 0;
    std::optional<failure> why_not;
};

void answered(const std::shared_ptr<completion>& c, std::size_t parent, expected<std::string> bytes) {
    {
        const std::lock_guard guard{c->mutex};
        parent_result& p = c->start.work.parents[parent];
        if (bytes) {
            p.result = std::move(*bytes);
            p.stored.reset();
        } else {
            c->why_not = bytes.error();
        }
        if (--c->missing > 0) return;
    }
    c->then(std::move(c->start), std::move(c->why_not));
}

} // namespace

bool is_complete(const start_effect& start) {
    return std::ranges::none_of(start.work.parents, [](const parent_result& p) { return p.stored.has_value(); });
}

void complete_start(const result_port& port, const start_effect& start,
                    std::function<void(start_effect whole, std::optional<failure> why_not)> then) {
    if (!port.get)
        return then(start,
                    failure{errc::unavailable, "a parent's result is in a result store; this node has none", 0});
    const auto c = std::make_shared<completion>();
    c->start = start;
    c->then = std::move(then);
    std::vector<std::size_t> wanted;
    for (std::size_t i = 0; i < start.work.parents.size(); ++i)
        if (start.work.parents[i].stored) wanted.push_back(i);
    c->missing = wanted.size();
    for (const std::size_t i : wanted) {
        const parent_result& p = start.work.parents[i];
        port.get({p.job, p.attempt}, *p.stored,
                 [c, i](expected<std::string> bytes) { answered(c, i, std::move(bytes)); });
    }
}

} // namespace coppice
