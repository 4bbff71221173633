#include "runtime/executors/http_runner.hpp"

#include <strings.h>

#include "runtime/executors/http_outcome.hpp"
#include "runtime/executors/public_address.hpp"

namespace coppice {
namespace {

bool is_header(const std::string& line, const std::string& name) {
    return line.size() > name.size() && line[name.size()] == ':' &&
           ::strncasecmp(line.c_str(), name.c_str(), name.size()) == 0;
}

std::vector<std::string> headers_of(const assignment& work, const http_spec& spec) {
    std::vector<std::string> lines{"Content-Type: application/json",
                                   std::string{"User-Agent: coppice/"} + COPPICE_VERSION,
                                   "Idempotency-Key: " + to_string(work.ref.job),
                                   "Coppice-Job: " + to_string(work.ref.job),
                                   "Coppice-Attempt: " + std::to_string(work.ref.attempt),
                                   "Coppice-Tenant: " + work.tenant,
                                   "Coppice-Type: " + work.type};
    if (!work.traceparent.empty()) lines.push_back("traceparent: " + work.traceparent);
    for (const auto& given : spec.headers) { // stands in place of ours
        std::erase_if(lines, [&](const std::string& line) { return is_header(line, given.first); });
        lines.push_back(given.first + ": " + given.second);
    }
    return lines;
}

} // namespace

http_runner::http_runner(report_sink sink) : sink_(std::move(sink)), loop_(http_tls{}) {}

http_runner::~http_runner() { stop(); }

expected<void> http_runner::start(assignment work, http_spec spec) {
    if (!loop_.post([this, work = std::move(work), spec = std::move(spec)] { begin(work, spec); }))
        return fail(errc::unavailable, "this node stops");
    return {};
}

void http_runner::begin(const assignment& work, const http_spec& spec) {
    if (under_way_.contains(work.ref)) return; // its first start answers
    http_request request;
    request.url = spec.url;
    request.method = spec.method;
    request.headers = headers_of(work, spec);
    request.connect_timeout = limits::http_connect_timeout;
    request.response_size_max = work.result_bytes_max;
    if (spec.method != "GET" && spec.method != "DELETE")
        request.body = work.payload.empty() ? "null" : work.payload;
    if (!spec.private_networks) request.may_reach = is_public;
    request.done = [this, ref = work.ref, method = spec.method, url = spec.url](http_result result) {
        under_way_.erase(ref);
        std::string account = http_account(method, url, result);
        report(ref, std::move(account), http_outcome(std::move(result), wall_clock_now()));
    };
    under_way_.emplace(work.ref, loop_.start(std::move(request)));
}

void http_runner::cancel(const attempt_ref& ref) {
    loop_.post([this, ref] {
        drop(ref, outcome_kind::cancelled, {errc::cancelled, "the request was dropped", 0});
    });
}

void http_runner::drop(const attempt_ref& ref, outcome_kind kind, failure why) {
    const auto found = under_way_.find(ref);
    if (found == under_way_.end()) return;
    loop_.abort(found->second);
    under_way_.erase(found);
    attempt_outcome outcome;
    outcome.kind = kind;
    std::string account = why.detail;
    outcome.error = std::move(why);
    report(ref, std::move(account), std::move(outcome));
}

void http_runner::report(const attempt_ref& ref, std::string account, attempt_outcome outcome) {
    std::vector<attempt_report> reports;
    attempt_report& one = reports.emplace_back();
    one.ref = ref;
    one.logs.push_back(
        {.sequence = 0, .at = wall_clock_now(), .stream = log_stream::system, .text = std::move(account)});
    one.outcome = std::move(outcome);
    sink_(std::move(reports));
}

void http_runner::stop() {
    loop_.stop([this] {
        while (!under_way_.empty()) {
            const attempt_ref ref = under_way_.begin()->first; // a copy: the row goes before it is told
            drop(ref, outcome_kind::lost, {errc::node_stopping, "this node stops", 0});
        }
    });
}

} // namespace coppice
