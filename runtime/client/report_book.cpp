#include "runtime/client/report_book.hpp"

#include <algorithm>
#include <unordered_set>

#include "schema/limits.hpp"

namespace coppice::client {
namespace {

constexpr std::size_t spare_batches = 16;

// The refusal of a result, told to the node as what became of the attempt; otherwise it would run until its
// timeout.
attempt_outcome refused_outcome(const failure& why) {
    return {.kind = outcome_kind::failed,
            .error = {why.code, "the node refused the outcome: " + why.detail},
            .permanent = true};
}

} // namespace

bool may_pass_later(errc code) {
    return code == errc::internal || code == errc::unauthenticated || code == errc::token_expired ||
           code == errc::unknown_outcome || describe(code).retryable;
}

bool report_book::begin(const attempt_ref& ref, milliseconds heartbeat_timeout, milliseconds cancel_grace) {
    const auto [entry, is_new] = attempts_.try_emplace(ref);
    if (!is_new) return false;
    entry->second.heartbeat_timeout = heartbeat_timeout;
    entry->second.cancel_grace = cancel_grace;
    return true;
}

milliseconds report_book::grace(const attempt_ref& ref) const {
    const auto found = attempts_.find(ref);
    return found == attempts_.end() ? milliseconds{0} : found->second.cancel_grace;
}

bool report_book::drop(const attempt_ref& ref) {
    if (attempts_.erase(ref) == 0) return false;
    ++counts_.stale;
    return true;
}

std::vector<attempt_ref> report_book::all_running() const {
    std::vector<attempt_ref> refs;
    refs.reserve(attempts_.size());
    for (const auto& [ref, entry] : attempts_) refs.push_back(ref);
    return refs;
}

void report_book::alive(const attempt_ref& ref) {
    const auto found = attempts_.find(ref);
    if (found != attempts_.end()) found->second.said_alive = true;
}

std::vector<attempt_ref> report_book::heartbeats(bool only_alive) {
    std::vector<attempt_ref> refs;
    for (auto& [ref, entry] : attempts_) {
        if (entry.heartbeat_timeout.count() == 0) continue;
        if (!only_alive || entry.said_alive) refs.push_back(ref);
        entry.said_alive = false;
    }
    return refs;
}

milliseconds report_book::shortest_heartbeat() const {
    milliseconds shortest{0};
    for (const auto& [ref, entry] : attempts_)
        if (entry.heartbeat_timeout.count() > 0 && (shortest.count() == 0 || entry.heartbeat_timeout < shortest))
            shortest = entry.heartbeat_timeout;
    return shortest;
}

void report_book::append(attempt_entry& to, std::vector<log_line>&& lines) {
    std::move(lines.begin(), lines.end(), std::back_inserter(to.lines));
    while (to.lines.size() > limits::log_lines_per_attempt_max) to.lines.pop_front();
}

void report_book::talk(const attempt_ref& ref, attempt_entry& entry) {
    if (!std::exchange(entry.talks, true)) talkative_.push_back(ref);
}

void report_book::add(attempt_report report) {
    const auto found = attempts_.find(report.ref);
    if (found == attempts_.end()) return;
    attempt_entry& entry = found->second;
    entry.said_alive = true;
    append(entry, std::move(report.logs));
    if (report.latest_progress) entry.latest = std::move(report.latest_progress);
    if (!report.checkpoint.empty()) entry.checkpoint = std::move(report.checkpoint);
    if (!report.outcome) return talk(report.ref, entry);
    report.logs.assign(std::make_move_iterator(entry.lines.begin()), std::make_move_iterator(entry.lines.end()));
    report.latest_progress = std::move(entry.latest);
    report.checkpoint = std::move(entry.checkpoint);
    ready_.push_back(std::move(report));
    attempts_.erase(found);
}

void report_book::add_outcome(const attempt_ref& ref, attempt_outcome outcome) {
    ready_.emplace_back().ref = ref;
    ready_.back().outcome = std::move(outcome);
}

std::size_t report_book::weight(const attempt_report& report) {
    std::size_t bytes = sizeof(attempt_report) + report.checkpoint.size();
    if (report.outcome) bytes += report.outcome->result.size() + report.outcome->error.detail.size();
    for (const auto& line : report.logs) bytes += sizeof(log_line) + line.text.size();
    return bytes;
}

report_book::batch_id report_book::take(std::size_t reports_max, std::size_t bytes_max) {
    std::vector<attempt_report> batch;
    if (!spare_.empty()) {
        batch = std::move(spare_.back());
        spare_.pop_back();
    }
    std::size_t bytes = 0;
    while (!ready_.empty() && batch.size() < reports_max) {
        const std::size_t more = weight(ready_.front());
        if (!batch.empty() && bytes + more > bytes_max) break;
        bytes += more;
        batch.push_back(std::move(ready_.front()));
        ready_.pop_front();
    }
    outcomes_under_way_ += batch.size();
    while (!talkative_.empty() && batch.size() < reports_max && bytes < bytes_max) {
        const attempt_ref ref = talkative_.front();
        talkative_.pop_front();
        const auto found = attempts_.find(ref);
        if (found == attempts_.end()) continue;
        attempt_entry& entry = found->second;
        entry.talks = false;
        attempt_report& report = batch.emplace_back();
        report.ref = ref;
        report.logs.assign(std::make_move_iterator(entry.lines.begin()),
                           std::make_move_iterator(entry.lines.end()));
        entry.lines.clear();
        report.latest_progress = std::exchange(entry.latest, std::nullopt);
        report.checkpoint = std::exchange(entry.checkpoint, {});
        bytes += weight(report);
    }
    under_way_.emplace(++last_batch_, std::move(batch));
    return last_batch_;
}

bool report_book::answered(batch_id id, const std::vector<failure>& answers,
                           const std::function<void(const attempt_ref&)>& taken_away) {
    const auto found = under_way_.find(id);
    if (found == under_way_.end()) return false;
    std::vector<attempt_report> reports = std::move(found->second);
    under_way_.erase(found);
    std::vector<attempt_report> again;
    const failure unanswered{errc::internal, "the node did not answer for this report"};
    for (std::size_t i = 0; i < reports.size(); ++i) {
        const failure& answer = i < answers.size() ? answers[i] : unanswered;
        if (reports[i].outcome) --outcomes_under_way_;
        settle(reports[i], answer, again, taken_away);
    }
    reports.clear();
    if (spare_.size() < spare_batches) spare_.push_back(std::move(reports));
    const bool more = !again.empty();
    put_back(std::move(again));
    return more;
}

void report_book::settle(attempt_report& report, const failure& answer, std::vector<attempt_report>& again,
                         const std::function<void(const attempt_ref&)>& taken_away) {
    if (answer.code == errc::ok) {
        if (report.outcome) ++counts_.acknowledged;
    } else if (answer.code == errc::stale_attempt) {
        if (report.outcome)
            ++counts_.stale;
        else if (drop(report.ref))
            taken_away(report.ref);
    } else if (may_pass_later(answer.code)) {
        again.push_back(std::move(report));
    } else {
        ++counts_.refused;
        // Refused once as a result, it is told as a failure; a failure that is refused is of no more use to
        // anybody.
        if (!report.outcome || report.outcome->kind != outcome_kind::succeeded) return;
        report.logs.clear();
        report.outcome = refused_outcome(answer);
        again.push_back(std::move(report));
    }
}

void report_book::put_back(std::vector<attempt_report>&& reports) {
    for (auto report = reports.rbegin(); report != reports.rend(); ++report) {
        if (report->outcome) {
            ready_.push_front(std::move(*report));
            continue;
        }
        const auto found = attempts_.find(report->ref);
        if (found == attempts_.end()) continue;
        attempt_entry& entry = found->second;
        entry.lines.insert(entry.lines.begin(), std::make_move_iterator(report->logs.begin()),
                           std::make_move_iterator(report->logs.end()));
        append(entry, {});
        if (!entry.latest) entry.latest = std::move(report->latest_progress);
        if (entry.checkpoint.empty()) entry.checkpoint = std::move(report->checkpoint);
        talk(report->ref, entry);
    }
}

void report_book::put_back(batch_id id) {
    const auto found = under_way_.find(id);
    if (found == under_way_.end()) return;
    std::vector<attempt_report> reports = std::move(found->second);
    under_way_.erase(found);
    outcomes_under_way_ -= static_cast<std::size_t>(
        std::count_if(reports.begin(), reports.end(), [](const auto& r) { return r.outcome.has_value(); }));
    put_back(std::move(reports));
}

void report_book::put_back_all() {
    while (!under_way_.empty()) put_back(under_way_.rbegin()->first);
}

std::vector<attempt_ref> report_book::held() const {
    std::vector<attempt_ref> refs = all_running();
    for (const auto& report : ready_) refs.push_back(report.ref);
    for (const auto& [id, reports] : under_way_)
        for (const auto& report : reports)
            if (report.outcome) refs.push_back(report.ref);
    return refs;
}

std::vector<attempt_ref> report_book::keep_only(const std::vector<attempt_ref>& presented,
                                                const std::vector<attempt_ref>& kept) {
    std::unordered_set<attempt_ref> gone(presented.begin(), presented.end());
    for (const auto& ref : kept) gone.erase(ref);
    std::vector<attempt_ref> killed;
    for (const auto& ref : gone)
        if (drop(ref)) killed.push_back(ref);
    const auto dropped = std::remove_if(ready_.begin(), ready_.end(),
                                        [&](const attempt_report& report) { return gone.contains(report.ref); });
    counts_.stale += static_cast<std::uint64_t>(ready_.end() - dropped);
    ready_.erase(dropped, ready_.end());
    return killed;
}

} // namespace coppice::client
