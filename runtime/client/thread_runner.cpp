// Handlers that block, in a bounded pool of threads.
//
// What a thread says is kept with its attempt and fetched by the loop, which is asked to once until it has: a
// handler that talks faster than the loop listens loses its oldest lines, and costs no memory.
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "runtime/client/link.hpp"
#include "runtime/client/runners.hpp"
#include "schema/limits.hpp"

namespace coppice::client {
namespace {

class thread_attempt final : public blocking_context, public std::enable_shared_from_this<thread_attempt> {
  public:
    thread_attempt(report_target& target, assignment given) : work(std::move(given)), target_(target) {}

    bool cancelled() const override {
        const std::lock_guard guard{lock_};
        return told_;
    }
    bool wait_cancelled(milliseconds at_most) override {
        std::unique_lock guard{lock_};
        return changed_.wait_for(guard, at_most, [this] { return told_; });
    }
    void progress(double fraction, std::string text) override {
        const std::lock_guard guard{lock_};
        latest_ = coppice::progress{fraction, std::move(text)};
        speak();
    }
    void log(std::string text, log_stream stream) override {
        const std::lock_guard guard{lock_};
        append_lines(lines_, sequence_, text, stream, wall_clock_now());
        if (lines_.size() > limits::log_lines_per_attempt_max)
            lines_.erase(lines_.begin(),
                         lines_.end() - static_cast<std::ptrdiff_t>(limits::log_lines_per_attempt_max));
        speak();
    }
    void checkpoint(std::string bytes) override {
        const std::lock_guard guard{lock_};
        checkpoint_ = std::move(bytes);
        speak();
    }
    void heartbeat() override {
        const std::lock_guard guard{lock_};
        speak();
    }

    void tell_to_stop() {
        const std::lock_guard guard{lock_};
        told_ = true;
        changed_.notify_all();
    }
    void finish(attempt_outcome outcome) {
        const std::lock_guard guard{lock_};
        outcome_ = std::move(outcome);
        speak();
    }

    const assignment work;

  private:
    void speak() {
        if (std::exchange(asked_, true)) return;
        target_.on_loop([self = shared_from_this()] { self->deliver(); });
    }
    void deliver() {
        attempt_report report{.ref = work.ref};
        {
            const std::lock_guard guard{lock_};
            asked_ = false;
            report.logs.swap(lines_);
            report.latest_progress = std::exchange(latest_, std::nullopt);
            report.checkpoint = std::exchange(checkpoint_, {});
            report.outcome = std::exchange(outcome_, std::nullopt);
        }
        target_.report(std::move(report));
    }

    report_target& target_;
    mutable std::mutex lock_;
    std::condition_variable changed_;
    bool told_ = false;
    bool asked_ = false; // the loop will come for what is below
    std::uint64_t sequence_ = 0;
    std::vector<log_line> lines_;
    std::optional<coppice::progress> latest_;
    std::string checkpoint_;
    std::optional<attempt_outcome> outcome_;
};

using attempt_ptr = std::shared_ptr<thread_attempt>;

class thread_runner final : public attempt_runner, private kj::TaskSet::ErrorHandler {
  public:
    thread_runner(blocking_handler handler, std::size_t threads)
        : handler_(std::move(handler)), threads_wanted_(threads), tasks_(*this) {}
    ~thread_runner() noexcept override;

    void begin(report_target& target) override;
    void start(assignment work) override;
    void cancel(const attempt_ref& ref, milliseconds grace) override;
    void kill(const attempt_ref& ref) override;

  private:
    void work();
    attempt_outcome run(thread_attempt& a);
    void taskFailed(kj::Exception&&) override {}

    const blocking_handler handler_;
    const std::size_t threads_wanted_;
    report_target* target_ = nullptr;
    kj::TaskSet tasks_;

    std::mutex lock_;
    std::condition_variable changed_;
    bool ending_ = false;
    std::deque<attempt_ptr> waiting_;
    std::unordered_map<attempt_ref, attempt_ptr> attempts_; // accepted, the thread not yet through with it
    std::vector<std::thread> threads_;
};

void thread_runner::begin(report_target& target) {
    target_ = &target;
    for (std::size_t i = 0; i < threads_wanted_; ++i) threads_.emplace_back([this] { work(); });
}

thread_runner::~thread_runner() noexcept {
    {
        const std::lock_guard guard{lock_};
        ending_ = true;
        waiting_.clear();
        for (auto& [ref, a] : attempts_) a->tell_to_stop();
        changed_.notify_all();
    }
    for (auto& thread : threads_) thread.join();
}

void thread_runner::start(assignment given) {
    auto a = std::make_shared<thread_attempt>(*target_, std::move(given));
    const std::lock_guard guard{lock_};
    attempts_.insert_or_assign(a->work.ref, a);
    waiting_.push_back(std::move(a));
    changed_.notify_one();
}

void thread_runner::cancel(const attempt_ref& ref, milliseconds grace) {
    {
        const std::lock_guard guard{lock_};
        const auto found = attempts_.find(ref);
        if (found == attempts_.end()) return;
        found->second->tell_to_stop();
    }
    // Should the handler have ended by then, this second outcome is ignored.
    tasks_.add(target_->io().provider->getTimer().afterDelay(to_kj(grace)).then([this, ref] {
        target_->report({.ref = ref, .outcome = stop_as_told()});
    }));
}

void thread_runner::kill(const attempt_ref& ref) {
    const std::lock_guard guard{lock_};
    const auto found = attempts_.find(ref);
    if (found == attempts_.end()) return;
    found->second->tell_to_stop();
    if (std::erase(waiting_, found->second) > 0) attempts_.erase(found);
}

attempt_outcome thread_runner::run(thread_attempt& a) {
    if (a.cancelled()) return stop_as_told();
    try {
        return handler_(a.work, a);
    } catch (const std::exception& e) {
        return fail_attempt(e.what());
    } catch (const kj::Exception& e) {
        return fail_attempt(words_of(e));
    }
}

void thread_runner::work() {
    for (;;) {
        attempt_ptr next;
        {
            std::unique_lock guard{lock_};
            changed_.wait(guard, [this] { return ending_ || !waiting_.empty(); });
            if (ending_) return;
            next = std::move(waiting_.front());
            waiting_.pop_front();
        }
        next->finish(run(*next));
        const std::lock_guard guard{lock_};
        attempts_.erase(next->work.ref);
    }
}

} // namespace

std::unique_ptr<attempt_runner> make_thread_runner(blocking_handler handler, std::size_t threads) {
    return std::make_unique<thread_runner>(std::move(handler), threads);
}

} // namespace coppice::client
