// Submits ten jobs, waits for them, prints their results. COPPICE_SERVER and COPPICE_TOKEN say where and as whom.
#include <cstdio>
#include <string>

#include "runtime/client/blocking_client.hpp"

int main() {
    coppice::client::blocking_client node;
    const auto since = node.feed_position(); // before the submit, so that no end is missed
    if (!since) return std::fprintf(stderr, "%s\n", to_string(since.error()).c_str()), 1;

    std::vector<coppice::client::job_spec> specs;
    for (int i = 0; i < 10; ++i) specs.push_back({.type = "echo", .payload = std::to_string(i)});

    std::vector<coppice::job_id> ids;
    for (const auto& job : node.submit(specs)) {
        if (!job) return std::fprintf(stderr, "%s\n", to_string(job.error()).c_str()), 1;
        ids.push_back(job->id);
    }
    const auto ends = node.wait_all(ids, *since);
    if (!ends) return std::fprintf(stderr, "%s\n", to_string(ends.error()).c_str()), 1;

    for (const auto& id : ids)
        std::printf("%s %s\n", to_string(id).c_str(), node.result(id).value_or("(none)").c_str());
}
