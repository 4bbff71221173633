// Row 5: pages of a list whose filter finds one job in a thousand, so that each page looks at as many rows as it
// may.
#include <algorithm>

#include "bench/jobs/rows.hpp"
#include "bench/node/node_under_test.hpp"
#include "runtime/client/blocking_client.hpp"
#include "schema/limits.hpp"

namespace coppice::bench {
namespace {

// Waiting jobs that nobody runs; the first of every thousand is cancelled.
expected<void> fill(client::blocking_client& at, std::uint64_t jobs) {
    for (std::uint64_t left = jobs; left > 0;) {
        const std::uint64_t count = std::min<std::uint64_t>(left, limits::submit_batch_max);
        const auto sent = at.submit(std::vector<client::job_spec>(
            count,
            client::job_spec{.tenant = tenant_name, .type = idle_type, .payload = R"({"key":"a customer"})"}));
        for (const auto& each : sent)
            if (!each) return tl::unexpected(each.error());
        if (const auto told = at.cancel({sent.front()->id}, "to be found"); !told.front())
            return tl::unexpected(told.front().error());
        left -= count;
    }
    return {};
}

struct walk {
    std::vector<double> page_ms;
    std::uint64_t found = 0;
};

expected<walk> walk_all(client::blocking_client& at, const client::job_filter& filter) {
    walk w;
    std::string cursor;
    do {
        const auto begin = steady::now();
        const auto page = at.list(filter, static_cast<std::uint32_t>(limits::page_size_default), cursor);
        if (!page) return tl::unexpected(page.error());
        w.page_ms.push_back(us_since(begin) / 1e3);
        w.found += page->jobs.size();
        cursor = page->cursor;
    } while (!cursor.empty());
    std::ranges::sort(w.page_ms);
    return w;
}

} // namespace

expected<report> row_search(const jobs_settings& s) {
    node_under_test node(s.binary, s.where);
    if (auto ok = node.start(); !ok) return tl::unexpected(ok.error());
    client::blocking_client at(node.connect());
    if (auto ok = fill(at, s.searched); !ok) return tl::unexpected(ok.error());
    figure slowest{5, "slowest page of a list that finds one job in a thousand", "ms", {}, better::less, 20, 2};
    figure typical{5, "  its median page", "ms"};
    figure whole{5, "  all pages together", "ms"};
    const client::job_filter filter{.tenant = tenant_name, .type = {}, .state = job_state::CANCELLED};
    for (int i = 0; i < s.repetitions; ++i) {
        const auto w = walk_all(at, filter);
        if (!w) return tl::unexpected(w.error());
        const std::uint64_t wanted = (s.searched + limits::submit_batch_max - 1) / limits::submit_batch_max;
        if (w->found != wanted)
            return fail(errc::internal,
                        std::to_string(w->found) + " of " + std::to_string(wanted) + " jobs were found");
        slowest.values.push_back(w->page_ms.back());
        typical.values.push_back(median_of(w->page_ms));
        double sum = 0;
        for (const double ms : w->page_ms) sum += ms;
        whole.values.push_back(sum);
    }
    return report{{slowest, typical, whole}, {}};
}

} // namespace coppice::bench
