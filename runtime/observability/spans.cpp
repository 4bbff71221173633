#include "runtime/observability/spans.hpp"

#include <array>
#include <cstdio>

#include "runtime/observability/log_text.hpp"
#include "schema/trace_context.hpp"

namespace coppice {
namespace {

std::string hex(std::uint64_t value) {
    std::array<char, 17> text{};
    std::snprintf(text.data(), text.size(), "%016llx", static_cast<unsigned long long>(value));
    return text.data();
}

std::string nanoseconds(instant at) { return std::to_string(to_us(at)) + "000"; }

void append_attribute(std::string& to, std::string_view name, std::string_view value) {
    to += R"({"key":)";
    append_json_string(to, name);
    to += R"(,"value":{"stringValue":)";
    append_json_string(to, value);
    to += "}}";
}

void append_span(std::string& to, const span& s) {
    const trace_parts of = *read_traceparent(s.traceparent); // only such are added
    to += R"({"traceId":")" + std::string{of.trace} + R"(","spanId":")" + hex(s.id) + R"(","parentSpanId":")" +
          std::string{of.parent} + R"(","name":")" + std::string{s.name} + R"(","kind":)" +
          std::to_string(static_cast<int>(s.kind)) + R"(,"startTimeUnixNano":")" + nanoseconds(s.begun) +
          R"(","endTimeUnixNano":")" + nanoseconds(std::max(s.begun, s.ended)) + R"(","attributes":[)";
    for (std::size_t i = 0; i < s.attributes.size(); ++i) {
        if (i > 0) to += ',';
        append_attribute(to, s.attributes[i].first, s.attributes[i].second);
    }
    to += "]";
    if (!s.error.empty()) {
        to += R"(,"status":{"code":2,"message":)";
        append_json_string(to, s.error);
        to += '}';
    }
    to += '}';
}

// What the protocol has a client send again.
bool may_go_again(const http_result& r) {
    return !r.answered || r.status == 429 || r.status == 502 || r.status == 503 || r.status == 504;
}

} // namespace

std::uint64_t span_id(const job_id& job, std::uint32_t attempt, std::string_view name) {
    std::uint64_t id = job.high() * 0x9e3779b97f4a7c15ULL ^ job.low();
    const auto mix = [&id](std::uint64_t word) {
        id = (id ^ word) * 0xbf58476d1ce4e5b9ULL;
        id ^= id >> 31;
    };
    mix(attempt);
    for (const char c : name) mix(static_cast<unsigned char>(c));
    return id == 0 ? 1 : id;
}

std::string otlp_json(const std::vector<span>& spans, std::string_view node) {
    std::string text = R"({"resourceSpans":[{"resource":{"attributes":[)";
    append_attribute(text, "service.name", "coppice");
    text += ',';
    append_attribute(text, "service.version", COPPICE_VERSION);
    text += ',';
    append_attribute(text, "service.instance.id", node);
    text += R"(]},"scopeSpans":[{"scope":{"name":"coppice"},"spans":[)";
    for (std::size_t i = 0; i < spans.size(); ++i) {
        if (i > 0) text += ',';
        append_span(text, spans[i]);
    }
    return text + "]}]}]}";
}

std::shared_ptr<span_exporter> span_exporter::make(settings chosen, logger log,
                                                   std::shared_ptr<span_totals> totals) {
    if (chosen.endpoint.empty()) return nullptr;
    return std::make_shared<span_exporter>(std::move(chosen), std::move(log), std::move(totals));
}

span_exporter::span_exporter(settings chosen, logger log, std::shared_ptr<span_totals> totals)
    : settings_(std::move(chosen)), log_(std::move(log)), totals_(std::move(totals)), loop_(http_tls{}) {
    loop_.post([this] { look_again(); });
}

span_exporter::~span_exporter() {
    loop_.post([this] { send(); });
    {
        std::unique_lock lock(mutex_);
        all_gone_.wait_for(lock, farewell, [this] { return waiting_.empty() && !under_way_; });
    }
    loop_.stop();
}

void span_exporter::committed(const commit_report& report) {
    for (const start_effect& start : report.output.starts)
        if (!start.work.traceparent.empty()) started(start);
    if (open_count_ == 0) return;
    for (const end_effect& end : report.output.ends) ended(end);
}

void span_exporter::started(const start_effect& start) {
    const assignment& a = start.work;
    add({.name = "coppice.queue",
         .traceparent = a.traceparent,
         .id = span_id(a.ref.job, a.ref.attempt, "queue"),
         .begun = start.queued_at,
         .ended = start.started_at,
         .attributes = {{"coppice.job", to_string(a.ref.job)},
                        {"coppice.attempt", std::to_string(a.ref.attempt)},
                        {"coppice.tenant", a.tenant},
                        {"coppice.type", a.type}},
         .error = {}});
    const auto trace = read_traceparent(a.traceparent);
    if (!trace || !trace->sampled) return;
    if (open_count_ >= open_attempts_max) {
        totals_->dropped.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    if (open_[a.ref.job].insert_or_assign(a.ref.attempt, open_attempt{a.traceparent, a.tenant, a.type}).second)
        ++open_count_;
}

void span_exporter::ended(const end_effect& end) {
    const auto job = open_.find(end.ref.job);
    if (job == open_.end()) return;
    const auto attempt = job->second.find(end.ref.attempt);
    if (attempt == job->second.end()) return;
    open_attempt& was = attempt->second;
    const bool went_well = end.outcome == outcome_kind::succeeded;
    add({.name = "coppice.attempt",
         .kind = span_kind::consumer,
         .traceparent = std::move(was.traceparent),
         .id = span_id(end.ref.job, end.ref.attempt, "attempt"),
         .begun = end.started_at,
         .ended = end.ended_at,
         .attributes = {{"coppice.job", to_string(end.ref.job)},
                        {"coppice.attempt", std::to_string(end.ref.attempt)},
                        {"coppice.tenant", std::move(was.tenant)},
                        {"coppice.type", std::move(was.type)},
                        {"coppice.job.state", std::string{to_string(end.state)}}},
         .error = went_well ? std::string{} : std::string{to_string(end.code)}});
    job->second.erase(attempt);
    if (job->second.empty()) open_.erase(job);
    --open_count_;
}

void span_exporter::add(span one) {
    const auto trace = read_traceparent(one.traceparent);
    if (!trace || !trace->sampled) return;
    const std::scoped_lock lock(mutex_);
    if (waiting_.size() >= waiting_max) {
        totals_->dropped.fetch_add(1, std::memory_order_relaxed);
        return;
    }
    waiting_.push_back(std::move(one));
    if (waiting_.size() == per_request_max) loop_.post([this] { send(); });
}

void span_exporter::look_again() {
    send();
    loop_.after(milliseconds{1000}, [this] { look_again(); });
}

void span_exporter::send() {
    std::vector<span> batch;
    {
        const std::scoped_lock lock(mutex_);
        if (under_way_ || waiting_.empty()) return;
        under_way_ = true;
        while (!waiting_.empty() && batch.size() < per_request_max) {
            batch.push_back(std::move(waiting_.front()));
            waiting_.pop_front();
        }
    }
    body_ = otlp_json(batch, settings_.node);
    in_body_ = batch.size();
    tries_ = 0;
    post_request();
}

void span_exporter::post_request() {
    ++tries_;
    http_request request;
    request.url = settings_.endpoint;
    request.body = body_;
    request.timeout = milliseconds{10'000};
    request.done = [this](const http_result& result) { answered(result); };
    loop_.start(std::move(request));
}

void span_exporter::answered(const http_result& r) {
    if (r.answered && r.status / 100 == 2) return done_with_batch(true, {});
    const std::string why = r.answered ? "status " + std::to_string(r.status) : r.problem;
    if (!may_go_again(r) || tries_ == tries_max) return done_with_batch(false, why);
    loop_.after(milliseconds{1000 << (tries_ - 1)}, [this] { post_request(); });
}

void span_exporter::done_with_batch(bool sent, const std::string& why) {
    (sent ? totals_->sent : totals_->dropped).fetch_add(in_body_, std::memory_order_relaxed);
    if (!sent && !in_trouble_) log_.warn("spans were not taken", {{"url", settings_.endpoint}, {"why", why}});
    if (sent && in_trouble_) log_.info("spans are taken again", {{"url", settings_.endpoint}});
    in_trouble_ = !sent;
    body_.clear();
    {
        const std::scoped_lock lock(mutex_);
        under_way_ = false;
        if (waiting_.empty()) all_gone_.notify_all();
    }
    send();
}

} // namespace coppice
