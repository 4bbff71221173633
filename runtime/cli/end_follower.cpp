#include "runtime/cli/end_follower.hpp"

#include "actors/jobs/job_state.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

constexpr std::size_t questions_at_a_time = 64;
constexpr milliseconds poll{10'000};

} // namespace

struct end_follower::questions {
    std::vector<job_id> ids;
    std::size_t next = 0;
    std::optional<failure> failed;
};

kj::Promise<expected<void>> end_follower::follow() {
    if (finished()) return expected<void>{};
    return node_.follow(after_, limits::page_size_max, poll)
        .then([this](expected<client::event_page> page) -> kj::Promise<expected<void>> {
            if (!page && page.error().code != errc::cursor_expired)
                return expected<void>(tl::unexpected(std::move(page.error())));
            // A feed that went backwards is another node's.
            if (!page || page->last.is_behind(after_)) return start_anew();
            after_ = page->last;
            for (const client::event& e : page->events)
                if (is_terminal(e.state)) ends_.ended(e.job, e.state == job_state::SUCCEEDED);
            on_news_();
            return follow();
        });
}

kj::Promise<expected<void>> end_follower::start_anew() {
    return node_.feed_position()
        .then([this](expected<client::feed_place> newest) -> kj::Promise<expected<void>> {
            if (!newest) return expected<void>(tl::unexpected(std::move(newest.error())));
            after_ = *newest;
            return ask(ends_.awaited());
        })
        .then([this](expected<void> asked) -> kj::Promise<expected<void>> {
            if (!asked) return asked;
            return follow();
        });
}

kj::Promise<expected<void>> end_follower::ask(std::vector<job_id> ids) {
    auto list = kj::heap<questions>();
    list->ids = std::move(ids);
    auto askers = kj::heapArrayBuilder<kj::Promise<void>>(questions_at_a_time);
    for (std::size_t i = 0; i < questions_at_a_time; ++i) askers.add(ask_next(*list));
    auto all = kj::joinPromises(askers.finish());
    return all.then([this, list = kj::mv(list)]() -> expected<void> {
        on_news_();
        if (list->failed) return tl::unexpected(*list->failed);
        return {};
    });
}

kj::Promise<void> end_follower::ask_next(questions& list) {
    if (list.next == list.ids.size() || list.failed) return kj::READY_NOW;
    const job_id id = list.ids[list.next++];
    return node_.get(id).then([this, &list, id](expected<client::job_view> job) {
        if (job && is_terminal(job->state))
            ends_.ended(id, job->state == job_state::SUCCEEDED);
        else if (!job && job.error().code == errc::not_found)
            ends_.ended(id, false);
        else if (!job)
            list.failed = std::move(job.error());
        return ask_next(list);
    });
}

} // namespace coppice::cli
