#include "bench/cluster/steady_submits.hpp"

#include "bench/node/node_under_test.hpp"
#include "runtime/client/blocking_client.hpp"

namespace coppice::bench {

steady_submits::steady_submits(client::options where)
    : thread_([this, where = std::move(where)] { loop(where); }) {}

void steady_submits::stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
}

void steady_submits::loop(const client::options& where) {
    client::blocking_client as{where};
    while (!stopping_) {
        const auto answer = as.submit(client::job_spec{.tenant = tenant_name, .type = idle_type, .payload = "{}"});
        const auto now = steady::now();
        const std::lock_guard guard{mutex_};
        if (!answer) {
            if (refused_++ == 0) first_refusal_ = to_string(answer.error());
            continue;
        }
        if (!acknowledged_.empty())
            longest_gap_ms_ =
                std::max(longest_gap_ms_, std::chrono::duration<double, std::milli>(now - last_).count());
        last_ = now;
        acknowledged_.push_back(answer->id);
    }
}

bool steady_submits::more(std::size_t count) const {
    const std::size_t wanted = acknowledged().size() + count;
    for (const auto begin = steady::now(); steady::now() - begin < std::chrono::seconds{30};) {
        if (acknowledged().size() >= wanted) return true;
        std::this_thread::sleep_for(milliseconds{1});
    }
    return false;
}

std::vector<job_id> steady_submits::acknowledged() const {
    const std::lock_guard guard{mutex_};
    return acknowledged_;
}

std::string steady_submits::first_refusal() const {
    const std::lock_guard guard{mutex_};
    return first_refusal_;
}

double steady_submits::longest_gap_ms() const {
    const std::lock_guard guard{mutex_};
    return longest_gap_ms_;
}

} // namespace coppice::bench
