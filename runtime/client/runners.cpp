#include "runtime/client/runners.hpp"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "runtime/client/link.hpp"
#include "schema/limits.hpp"

namespace coppice::client {
namespace {

constexpr std::string_view cut_mark = " [cut]";

std::string cut(std::string_view line) {
    if (line.size() <= limits::log_line_size_max) return std::string{line};
    std::size_t end = limits::log_line_size_max - cut_mark.size();
    // Not within a UTF-8 sequence: its later bytes are 10xxxxxx.
    while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xc0) == 0x80) --end;
    return std::string{line.substr(0, end)} + std::string{cut_mark};
}

class promise_runner final : public attempt_runner, private kj::TaskSet::ErrorHandler {
  public:
    explicit promise_runner(promise_handler handler) : handler_(std::move(handler)), tasks_(*this) {}
    ~promise_runner() noexcept override = default;

    void begin(report_target& target) override { target_ = &target; }
    void start(assignment work) override;
    void cancel(const attempt_ref& ref, milliseconds grace) override;
    void kill(const attempt_ref& ref) override { forget(ref); }

  private:
    struct attempt;
    void end(const attempt_ref& ref, attempt_outcome outcome);
    bool forget(const attempt_ref& ref);
    void taskFailed(kj::Exception&&) override {}

    promise_handler handler_;
    report_target* target_ = nullptr;
    std::unordered_map<attempt_ref, kj::Own<attempt>> attempts_;
    kj::TaskSet tasks_;
};

struct promise_runner::attempt final : attempt_context {
    attempt(promise_runner& runner, assignment given)
        : home(runner), work(std::move(given)), paf(kj::newPromiseAndFulfiller<void>()),
          told_branch(paf.promise.fork()) {}

    bool cancelled() const override { return told; }
    kj::Promise<void> on_cancel() override { return told_branch.addBranch(); }
    void progress(double fraction, std::string text) override {
        home.target_->report({.ref = work.ref, .latest_progress = coppice::progress{fraction, std::move(text)}});
    }
    void log(std::string text, log_stream stream) override {
        attempt_report report{.ref = work.ref};
        append_lines(report.logs, sequence, text, stream, wall_clock_now());
        home.target_->report(std::move(report));
    }
    void checkpoint(std::string bytes) override {
        home.target_->report({.ref = work.ref, .checkpoint = std::move(bytes)});
    }
    void heartbeat() override { home.target_->report({.ref = work.ref}); }
    kj::AsyncIoContext& io() override { return home.target_->io(); }

    promise_runner& home;
    assignment work;
    kj::PromiseFulfillerPair<void> paf;
    kj::ForkedPromise<void> told_branch;
    bool told = false;
    std::uint64_t sequence = 0;
    kj::Promise<void> body = nullptr;
};

void promise_runner::start(assignment work) {
    const attempt_ref ref = work.ref;
    auto made = kj::heap<attempt>(*this, std::move(work));
    attempt& a = *made;
    attempts_.insert_or_assign(ref, kj::mv(made));
    a.body = kj::evalNow([&] { return handler_(a.work, a); })
                 .then([this, ref](attempt_outcome outcome) { end(ref, std::move(outcome)); },
                       [this, ref](kj::Exception&& e) { end(ref, fail_attempt(words_of(e))); })
                 .eagerlyEvaluate(nullptr);
}

void promise_runner::cancel(const attempt_ref& ref, milliseconds grace) {
    const auto found = attempts_.find(ref);
    if (found == attempts_.end()) return;
    if (!std::exchange(found->second->told, true)) found->second->paf.fulfiller->fulfill();
    tasks_.add(target_->io().provider->getTimer().afterDelay(to_kj(grace)).then([this, ref] {
        end(ref, stop_as_told());
    }));
}

void promise_runner::end(const attempt_ref& ref, attempt_outcome outcome) {
    if (forget(ref)) target_->report({.ref = ref, .outcome = std::move(outcome)});
}

// Not destroyed here and now: what runs at the moment may be the attempt's own promise.
bool promise_runner::forget(const attempt_ref& ref) {
    const auto found = attempts_.find(ref);
    if (found == attempts_.end()) return false;
    tasks_.add(kj::evalLater([] {}).attach(kj::mv(found->second)));
    attempts_.erase(found);
    return true;
}

} // namespace

attempt_outcome fail_attempt(std::string why) {
    return {.kind = outcome_kind::failed, .error = {errc::job_failed, std::move(why)}};
}

attempt_outcome fail_for_good(std::string why) {
    return {.kind = outcome_kind::failed, .error = {errc::job_failed, std::move(why)}, .permanent = true};
}

attempt_outcome stop_as_told() {
    return {.kind = outcome_kind::cancelled, .error = {errc::cancelled, "stopped as told"}};
}

void append_lines(std::vector<log_line>& to, std::uint64_t& next_sequence, std::string_view text, log_stream stream,
                  instant at) {
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    for (;;) {
        const auto newline = text.find('\n');
        to.push_back({next_sequence++, at, stream, cut(text.substr(0, newline))});
        if (newline == std::string_view::npos) return;
        text.remove_prefix(newline + 1);
    }
}

std::unique_ptr<attempt_runner> make_promise_runner(promise_handler handler) {
    return std::make_unique<promise_runner>(std::move(handler));
}

} // namespace coppice::client
