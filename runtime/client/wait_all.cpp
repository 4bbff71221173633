// Waiting for many jobs by the durable feed: one long poll, whatever their number.
//
// Intuition: every end is an event; whoever reads the feed from before the submit misses none. Only when the cursor
// is lost (the feed no longer reaches back to it, or the node behind the address has another feed) is each job that
// has not been seen to end asked for, once, from a position taken before the questions.
#include <algorithm>
#include <deque>
#include <optional>
#include <unordered_map>

#include "runtime/client/client.hpp"
#include "runtime/client/link.hpp"

namespace coppice::client {
namespace {

constexpr std::size_t questions_at_a_time = 64;
constexpr milliseconds poll{10'000};

} // namespace

class client::waiter : public kj::Refcounted {
  public:
    using answer = std::vector<expected<job_end>>;

    waiter(client& asked, std::vector<job_id> ids, feed_place since, wait_callback on_progress)
        : client_(asked), ids_(std::move(ids)), after_(std::move(since)), on_progress_(std::move(on_progress)) {
        for (const auto& id : ids_) ends_.try_emplace(id);
    }

    kj::Promise<expected<answer>> follow() {
        if (ended_ == ends_.size()) return finish();
        return client_.follow(after_, limits::page_size_max, poll)
            .then([this](expected<event_page> page) -> kj::Promise<expected<answer>> {
                if (!page && page.error().code == errc::cursor_expired) return start_anew();
                if (!page) return expected<answer>(tl::unexpected(std::move(page.error())));
                if (page->last.is_behind(after_)) return start_anew();
                after_ = page->last;
                take(page->events);
                return follow();
            });
    }

    kj::Promise<expected<answer>> start_anew() {
        return client_.feed_position().then([this](expected<feed_place> newest) -> kj::Promise<expected<answer>> {
            if (!newest) return expected<answer>(tl::unexpected(std::move(newest.error())));
            after_ = *newest;
            questions_.clear();
            for (const auto& [id, end] : ends_)
                if (!end) questions_.push_back(id);
            auto askers = kj::heapArrayBuilder<kj::Promise<void>>(questions_at_a_time);
            for (std::size_t i = 0; i < questions_at_a_time; ++i) askers.add(ask());
            return kj::joinPromises(askers.finish()).then([this]() -> kj::Promise<expected<answer>> {
                if (failed_) return expected<answer>(tl::unexpected(*failed_));
                report({});
                return follow();
            });
        });
    }

  private:
    kj::Promise<void> ask() {
        if (questions_.empty() || failed_) return kj::READY_NOW;
        const job_id id = questions_.front();
        questions_.pop_front();
        return client_.get(id).then([this, id](expected<job_view> job) {
            if (job && is_terminal(job->state))
                settle(id, job_end{id, job->state, job->attempts, job->error.code});
            else if (!job && job.error().code == errc::not_found)
                settle(id, tl::unexpected(std::move(job.error())));
            else if (!job)
                failed_ = std::move(job.error());
            return ask();
        });
    }

    void settle(const job_id& id, expected<job_end> end) {
        const auto found = ends_.find(id);
        if (found == ends_.end() || found->second) return;
        found->second = std::move(end);
        ++ended_;
    }

    void take(std::vector<event>& events) {
        const auto foreign =
            std::remove_if(events.begin(), events.end(), [this](const event& e) { return !ends_.contains(e.job); });
        events.erase(foreign, events.end());
        for (const auto& e : events)
            if (is_terminal(e.state)) settle(e.job, job_end{e.job, e.state, e.attempt, e.code});
        if (!events.empty()) report(events);
    }

    void report(std::span<const event> news) {
        if (on_progress_) on_progress_({ended_, ends_.size(), news});
    }

    expected<answer> finish() const {
        answer all;
        all.reserve(ids_.size());
        for (const auto& id : ids_) all.push_back(*ends_.at(id));
        return all;
    }

    client& client_;
    std::vector<job_id> ids_;
    feed_place after_;
    wait_callback on_progress_;
    std::unordered_map<job_id, std::optional<expected<job_end>>> ends_;
    std::size_t ended_ = 0;
    std::deque<job_id> questions_;
    std::optional<failure> failed_;
};

kj::Promise<expected<std::vector<expected<job_end>>>> client::wait(std::vector<job_id> ids, feed_place since,
                                                                   bool ask_each, wait_callback on_progress) {
    auto waiting = kj::refcounted<waiter>(*this, std::move(ids), std::move(since), std::move(on_progress));
    auto answer = ask_each ? waiting->start_anew() : waiting->follow();
    return answer.attach(kj::mv(waiting));
}

kj::Promise<expected<std::vector<expected<job_end>>>> client::wait_all(std::vector<job_id> ids, feed_place since,
                                                                       wait_callback on_progress) {
    return wait(std::move(ids), std::move(since), false, std::move(on_progress));
}

kj::Promise<expected<std::vector<expected<job_end>>>> client::wait_all(std::vector<job_id> ids,
                                                                       wait_callback on_progress) {
    return wait(std::move(ids), {}, true, std::move(on_progress));
}

} // namespace coppice::client
