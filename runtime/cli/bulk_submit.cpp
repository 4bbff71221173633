#include "runtime/cli/bulk_submit.hpp"

#include <algorithm>

#include "runtime/cli/job_line.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

constexpr milliseconds delay_max{2000};

// What the next line would meet as well.
bool is_fatal(errc code) {
    return code == errc::unavailable || code == errc::unauthenticated || code == errc::token_expired ||
           code == errc::token_audience;
}

// A bound that gives way when work gets done. `unavailable` was waited for by the client already.
bool gives_way(errc code) { return describe(code).retryable && code != errc::unavailable; }

kj::Duration to_kj(milliseconds d) { return d.count() * kj::MILLISECONDS; }

kj::Duration patience_time() { return to_kj(std::chrono::duration_cast<milliseconds>(limits::submit_patience)); }

} // namespace

bulk_submit::bulk_submit(invocation& call, client::client& node, input_source& input, kj::Timer& timer,
                         output_format format, end_tracker* ends, line_manner how)
    : call_(call), node_(node), input_(input), timer_(timer), format_(format), ends_(ends), how_(std::move(how)),
      reader_(limits::job_line_size_max), filling_(std::make_unique<batch>()), stopped_(nullptr), tasks_(*this) {
    auto stop = kj::newPromiseAndFulfiller<void>();
    stop_asked_ = kj::mv(stop.fulfiller);
    stopped_ = stop.promise.fork();
}

void bulk_submit::stop() {
    stopping_ = true;
    stop_asked_->fulfill();
}

kj::Promise<void> bulk_submit::run() {
    return read_on().then([this] { return all_answered(); });
}

kj::Promise<void> bulk_submit::all_answered() { return tasks_.onEmpty(); }

kj::Promise<void> bulk_submit::read_on() {
    if (call_.con.out_closed()) stop();
    if (stopping_) return kj::READY_NOW;
    if (under_way_ >= limits::submit_calls_max) {
        auto slot = kj::newPromiseAndFulfiller<void>();
        slot_free_ = kj::mv(slot.fulfiller);
        return slot.promise.then([this] { return read_on(); });
    }
    if (fill()) {
        send();
        return kj::evalLater([this] { return read_on(); });
    }
    if (input_ended_) {
        send();
        return kj::READY_NOW;
    }
    auto bytes = input_.read_now();
    if (bytes && !*bytes) {
        send();
        return input_.readable().exclusiveJoin(stopped_.addBranch()).then([this] { return read_on(); });
    }
    if (!bytes) {
        fatal_ = std::move(bytes.error());
        stop();
        return kj::READY_NOW;
    }
    if ((*bytes)->empty()) {
        reader_.end();
        input_ended_ = true;
    } else {
        bytes_read_ += (*bytes)->size();
        reader_.feed(**bytes);
    }
    return kj::evalLater([this] { return read_on(); });
}

// True when the batch has what one call takes.
bool bulk_submit::fill() {
    const auto full = [this] {
        return filling_->lines.size() >= limits::submit_call_jobs_max ||
               filling_->bytes >= limits::submit_call_bytes_max;
    };
    while (!full()) {
        auto line = reader_.next();
        if (!line) return false;
        take(std::move(*line));
    }
    return true;
}

void bulk_submit::take(input_line line) {
    batch& b = *filling_;
    if (line.too_long) {
        b.lines.push_back(
            {line.number, fail(errc::payload_too_large,
                               "the line has more than " + std::to_string(limits::job_line_size_max) + " bytes")});
        return;
    }
    b.bytes += line.text.size();
    auto spec = how_.parse
                    ? how_.parse(line.text)
                    : parse_job_line(line.text).map([](client::job_spec s) { return std::optional{std::move(s)}; });
    if (spec && !*spec) return;
    if (!spec) {
        b.lines.push_back({line.number, tl::unexpected(std::move(spec.error()))});
        return;
    }
    b.open.push_back(b.lines.size());
    b.lines.push_back({line.number, client::submitted{}});
    b.specs.push_back(std::move(**spec));
}

void bulk_submit::send() {
    if (filling_->lines.empty()) return;
    sent_.push_back(std::exchange(filling_, std::make_unique<batch>()));
    batch& b = *sent_.back();
    if (ends_ != nullptr) b.ticket = ends_->sending();
    b.patient_until = timer_.now() + patience_time();
    ++under_way_;
    tasks_.add(deliver(b).then([this, &b] { close(b); }));
}

kj::Promise<void> bulk_submit::deliver(batch& b) {
    if (b.open.empty()) return kj::READY_NOW;
    return node_.submit(b.specs).then(
        [this, &b](std::vector<expected<client::submitted>> answers) { return settle(b, std::move(answers)); });
}

kj::Promise<void> bulk_submit::settle(batch& b, std::vector<expected<client::submitted>> answers) {
    std::vector<std::size_t> open;
    std::vector<client::job_spec> specs;
    bool any_accepted = false;
    milliseconds asked_to_wait{};
    const bool patient = timer_.now() < b.patient_until && !stopping_;
    for (std::size_t i = 0; i < b.open.size(); ++i) {
        auto& answer = answers[i];
        any_accepted = any_accepted || answer.has_value();
        if (!answer && patient && gives_way(answer.error().code)) {
            asked_to_wait = std::max(asked_to_wait, milliseconds{answer.error().retry_after_ms});
            open.push_back(b.open[i]);
            specs.push_back(std::move(b.specs[i]));
        } else {
            b.lines[b.open[i]].answer = std::move(answer);
        }
    }
    b.open = std::move(open);
    b.specs = std::move(specs);
    if (b.open.empty()) return kj::READY_NOW;
    if (any_accepted) b.patient_until = timer_.now() + patience_time();
    const milliseconds delay = std::min(std::max(b.next_delay, asked_to_wait), delay_max);
    b.next_delay = std::min(b.next_delay * 2, delay_max);
    return timer_.afterDelay(to_kj(delay)).exclusiveJoin(stopped_.addBranch()).then([this, &b] {
        return deliver(b);
    });
}

void bulk_submit::close(batch& b) {
    b.answered = true;
    --under_way_;
    std::vector<job_id> ids;
    for (const line_outcome& each : b.lines) {
        if (each.answer) {
            ids.push_back(each.answer->id);
            if (each.answer->existing) existing_.push_back(each.answer->id);
        } else if (is_fatal(each.answer.error().code) && !fatal_) {
            fatal_ = each.answer.error();
            stop();
        }
    }
    if (ends_ != nullptr)
        ends_->answered(b.ticket, ids);
    else
        existing_.clear();
    print_ready();
    if (slot_free_.get() != nullptr) slot_free_->fulfill();
    if (heard_) heard_();
}

void bulk_submit::print_ready() {
    while (!sent_.empty() && sent_.front()->answered) {
        print(*sent_.front());
        sent_.pop_front();
    }
    call_.con.flush();
}

void bulk_submit::print(const batch& b) {
    for (std::size_t i = 0; i < b.lines.size(); ++i) {
        const auto& [line, answer] = b.lines[i];
        if (answer) {
            ++accepted_;
            if (answer->existing) ++were_there_;
            if (!how_.prints_ids) continue;
            const std::string id = to_string(answer->id);
            call_.con.print(format_ == output_format::json ? json_object{}
                                                                     .number("line", line)
                                                                     .text("id", id)
                                                                     .boolean("existing", answer->existing)
                                                                     .done() +
                                                                 "\n"
                                                           : id + "\n");
            continue;
        }
        // Lines in a row that met the same are one report.
        std::size_t last = i;
        while (last + 1 < b.lines.size() && !b.lines[last + 1].answer &&
               b.lines[last + 1].answer.error() == answer.error())
            ++last;
        report(b, i, last);
        i = last;
    }
}

void bulk_submit::report(const batch& b, std::size_t first, std::size_t last) {
    refused_ += last - first + 1;
    const failure& why = b.lines[first].answer.error();
    if (format_ == output_format::json && how_.prints_ids)
        for (std::size_t i = first; i <= last; ++i)
            call_.con.print(json_object{}.number("line", b.lines[i].line).raw("error", json_failure(why)).done() +
                            "\n");
    std::string where = "line " + std::to_string(b.lines[first].line);
    if (last > first)
        where = "lines " + std::to_string(b.lines[first].line) + " to " + std::to_string(b.lines[last].line);
    call_.say(where + ": " + to_string(why));
}

void bulk_submit::taskFailed(kj::Exception&& exception) {
    if (!fatal_) fatal_ = failure{errc::internal, exception.getDescription().cStr(), 0};
    stop();
}

} // namespace coppice::cli
