#include "runtime/edge/submission.hpp"

#include <algorithm>
#include <random>
#include <set>

#include "actors/governance/bounded_json.hpp"
#include "schema/labels.hpp"
#include "schema/trace_context.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

bool is_empty_object(std::string_view payload) { return payload.empty() || payload == "{}"; }

// Of everything that makes a submission the same one.
hash128 body_hash(api::JobSpec::Reader spec, const nlohmann::json& payload) {
    std::string body{view_of(spec.getType())};
    body += '\0' + (spec.getPayload().size() == 0 ? std::string{} : canonical_json(payload));
    body += '\0' + std::to_string(spec.getPriority()) + ' ' + std::to_string(spec.getDelayMs()) + ' ' +
            std::to_string(spec.getNotBeforeUs()) + (spec.getRunAnyway() ? " anyway" : "");
    for (const auto id : spec.getAfter()) body += ' ' + to_string(read_id(id));
    for (const auto label : spec.getLabels()) body += '\0' + std::string{view_of(label)};
    return sha256_head(body);
}

std::optional<failure> wrong_labels(capnp::List<capnp::Text>::Reader labels) {
    if (labels.size() > limits::job_labels_max)
        return failure{errc::invalid_argument,
                       "a job has at most " + std::to_string(limits::job_labels_max) + " labels, not " +
                           std::to_string(labels.size()),
                       0};
    std::set<std::string_view> names;
    for (const auto label : labels) {
        if (!is_label(view_of(label)))
            return failure{
                errc::invalid_argument,
                "a label is NAME=VALUE, its name 1 to 63 of a-z, 0-9 and -_./, its value at most 128 bytes "
                "without control characters",
                0};
        if (!names.insert(label_name(view_of(label))).second)
            return failure{errc::invalid_argument,
                           "two labels are named \"" + std::string{label_name(view_of(label))} + "\"", 0};
    }
    return std::nullopt;
}

std::string join(const std::vector<violation>& violations) {
    std::string text;
    for (const violation& v : violations) {
        if (!text.empty()) text += "; ";
        text += v.message;
    }
    return text;
}

std::uint64_t random_bits() {
    thread_local std::mt19937_64 generator{std::random_device{}()};
    return generator();
}

} // namespace

std::optional<failure> submission_builder::build(api::JobSpec::Reader spec, shard_entries& entries,
                                                 bool& evidence) {
    const auto known = check(spec);
    if (!known) return known.error();
    if (known->bad_payload) {
        evidence = true;
        fill_refusal(*known, entries.next(known->shard).initRefuse());
        return known->bad_payload;
    }
    std::vector<job_id> after;
    for (const auto id : spec.getAfter()) after.push_back(read_id(id));
    fill(spec, *known, after, entries.next(known->shard).initSubmit());
    return std::nullopt;
}

expected<submission_builder::checked> submission_builder::check(api::JobSpec::Reader spec) {
    const std::string_view named = view_of(spec.getTenant());
    const std::string tenant_name{named.empty() && identity_.who.tenant ? std::string_view{*identity_.who.tenant}
                                                                        : named};
    if (tenant_name.empty()) return fail(errc::invalid_argument, "name the tenant of the job");
    if (auto no = denied(identity_, wanted_, tenant_name, now_)) return tl::unexpected(*no);
    const declared_tenant* tenant = declared_.tenant(tenant_name);
    if (tenant == nullptr) return fail(errc::unknown_tenant, "no tenant \"" + tenant_name + "\"");
    const std::string type_name{view_of(spec.getType())};
    const declared_type* type = declared_.type(type_name);
    if (type == nullptr) return fail(errc::unknown_type, "no job type \"" + type_name + "\"");
    if (auto wrong = check_bounds(spec)) return tl::unexpected(*wrong);
    checked known{.tenant = tenant, .type = type, .shard = shard_of(tenant->id, shards_)};
    known.id = minter_.next(to_ms(now_), known.shard, tenant->id, random_bits());
    auto payload = check_payload(payload_text(spec.getPayload()), *type, spec.getIdempotencyKey().size() > 0);
    if (payload)
        known.payload = std::move(*payload);
    else
        known.bad_payload = payload.error();
    return known;
}

void submission_builder::fill_refusal(const checked& known, cmd::Refuse::Builder to) const {
    write_id(known.id, to.initJob());
    to.setType(known.type->id.value);
    to.setTypeVersion(static_cast<std::uint32_t>(known.type->version));
    to.setCode(static_cast<std::uint16_t>(known.bad_payload->code));
    to.setDetail(known.bad_payload->detail.c_str());
    to.setSubmitter(identity_.who.subject.c_str());
}

std::optional<failure> submission_builder::check_bounds(api::JobSpec::Reader spec) const {
    if (auto too_large = payload_too_large(spec.getPayload())) return too_large;
    if (spec.getPriority() > limits::priority_last)
        return failure{errc::invalid_argument, "priority is 1 (first) to 5 (last), or 0 for the default", 0};
    if (spec.getIdempotencyKey().size() > limits::idempotency_key_size_max)
        return failure{errc::invalid_argument, "an idempotency key has at most 255 bytes", 0};
    if (spec.getAfter().size() > limits::parents_max)
        return failure{errc::invalid_argument,
                       "`after` names " + std::to_string(spec.getAfter().size()) + " jobs; at most " +
                           std::to_string(limits::parents_max),
                       0};
    if (spec.getTraceparent().size() > 0 && !is_traceparent(view_of(spec.getTraceparent())))
        return failure{
            errc::invalid_argument,
            "traceparent is no W3C Trace Context, version 00: 00-<32 hex digits>-<16>-<2>, in lower case", 0};
    if (auto wrong = wrong_labels(spec.getLabels())) return wrong;
    const auto furthest = std::chrono::duration_cast<milliseconds>(limits::delay_max);
    if (spec.getDelayMs() > static_cast<std::uint64_t>(furthest.count()) ||
        spec.getNotBeforeUs() > to_us(now_ + furthest) || spec.getNotBeforeUs() < 0)
        return failure{errc::invalid_argument, "a job may be delayed by 366 days at most", 0};
    return std::nullopt;
}

std::optional<failure> payload_too_large(capnp::Data::Reader payload) {
    if (payload.size() <= limits::payload_size_max) return std::nullopt;
    return failure{errc::payload_too_large,
                   "the payload has " + std::to_string(payload.size()) + " bytes; at most " +
                       std::to_string(limits::payload_size_max) + " are accepted",
                   0};
}

expected<nlohmann::json> check_payload(std::string_view payload, const declared_type& type, bool has_key) {
    const bool is_asked = type.schema || has_key || type.spec.unique || !type.spec.concurrency.by.empty();
    if (!is_asked && is_empty_object(payload)) return nlohmann::json{};
    auto json = parse_json(payload.empty() ? std::string_view{"null"} : payload, {}, errc::payload_invalid);
    if (!json || !type.schema) return json;
    const auto violations = type.schema->validate(*json);
    if (violations.empty()) return json;
    return fail(errc::payload_invalid, join(violations));
}

void submission_builder::fill(api::JobSpec::Reader spec, const checked& known, const std::vector<job_id>& after,
                              cmd::Submit::Builder to) const {
    const declared_type& type = *known.type;
    write_id(known.id, to.initJob());
    to.setType(type.id.value);
    to.setTypeVersion(static_cast<std::uint32_t>(type.version));
    to.setPriority(spec.getPriority());
    to.setNotBeforeUs(spec.getNotBeforeUs());
    if (spec.getDelayMs() > 0)
        to.setNotBeforeUs(to_us(now_ + milliseconds{static_cast<std::int64_t>(spec.getDelayMs())}));
    if (spec.getPayload().size() > 0) to.setPayload(spec.getPayload());
    if (spec.getIdempotencyKey().size() > 0) {
        const hash128 body = body_hash(spec, known.payload);
        to.setIdempotencyKey(spec.getIdempotencyKey());
        to.setBodyHigh(body.high);
        to.setBodyLow(body.low);
    }
    fill_keys(type, known.payload, to);
    to.setRunAnyway(spec.getRunAnyway());
    if (traces_ && spec.getTraceparent().size() > 0) to.setTraceparent(spec.getTraceparent());
    if (spec.getLabels().size() > 0) to.setLabels(spec.getLabels());
    if (!after.empty()) {
        auto ids = to.initAfter(static_cast<unsigned>(after.size()));
        for (unsigned i = 0; i < ids.size(); ++i) write_id(after[i], ids[i]);
    }
    to.setSubmitter(identity_.who.subject.c_str());
}

} // namespace coppice
