#include "runtime/edge/submission.hpp"

#include <algorithm>
#include <openssl/evp.h>
#include <random>

#include "actors/governance/bounded_json.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

std::string_view text_of(capnp::Data::Reader data) {
    return {reinterpret_cast<const char*>(data.begin()), data.size()};
}

bool is_empty_object(std::string_view payload) { return payload.empty() || payload == "{}"; }

// 128 bits of the SHA-256 over everything that makes a submission the same one.
std::pair<std::uint64_t, std::uint64_t> body_hash(api::JobSpec::Reader spec) {
    const auto payload = parse_json(text_of(spec.getPayload()));
    std::string body{view_of(spec.getType())};
    body += '\0';
    body += payload ? canonical_json(*payload) : std::string{text_of(spec.getPayload())};
    body += '\0' + std::to_string(spec.getPriority()) + ' ' + std::to_string(spec.getDelayMs()) + ' ' +
            std::to_string(spec.getNotBeforeUs());
    for (const auto id : spec.getAfter()) body += ' ' + to_string(job_id::from_halves(id.getHigh(), id.getLow()));
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    EVP_Digest(body.data(), body.size(), digest.data(), &size, EVP_sha256(), nullptr);
    const auto number = [&](std::size_t at) {
        std::uint64_t value = 0;
        for (std::size_t i = at; i < at + 8; ++i) value = value << 8 | digest[i];
        return value;
    };
    return {number(0), number(8)};
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
    const std::string_view named = view_of(spec.getTenant());
    const std::string tenant_name{named.empty() && identity_.who.tenant ? std::string_view{*identity_.who.tenant}
                                                                        : named};
    if (tenant_name.empty()) return failure{errc::invalid_argument, "name the tenant of the job", 0};
    if (auto no = denied(identity_, permission::submit_jobs, tenant_name, now_)) return no;
    const declared_tenant* tenant = declared_.tenant(tenant_name);
    if (tenant == nullptr) return failure{errc::unknown_tenant, "no tenant \"" + tenant_name + "\"", 0};
    const std::string type_name{view_of(spec.getType())};
    const declared_type* type = declared_.type(type_name);
    if (type == nullptr) return failure{errc::unknown_type, "no job type \"" + type_name + "\"", 0};
    if (auto wrong = check_bounds(spec)) return wrong;
    const shard_id shard = shard_of(tenant->id, shards_);
    const job_id id = minter_.next(to_ms(now_), shard, tenant->id, random_bits());
    if (auto wrong = check_payload(spec, *type)) {
        evidence = true;
        auto refuse = entries.next(shard).initRefuse();
        write_id(id, refuse.initJob());
        refuse.setType(type->id.value);
        refuse.setTypeVersion(static_cast<std::uint32_t>(type->version));
        refuse.setCode(static_cast<std::uint16_t>(wrong->code));
        refuse.setDetail(wrong->detail.c_str());
        refuse.setSubmitter(identity_.who.subject.c_str());
        return wrong;
    }
    fill(spec, id, *type, entries.next(shard).initSubmit());
    return std::nullopt;
}

std::optional<failure> submission_builder::check_bounds(api::JobSpec::Reader spec) const {
    if (spec.getPayload().size() > limits::payload_size_max)
        return failure{errc::payload_too_large,
                       "the payload has " + std::to_string(spec.getPayload().size()) + " bytes; at most " +
                           std::to_string(limits::payload_size_max) + " are accepted",
                       0};
    if (spec.getPriority() > limits::priority_last)
        return failure{errc::invalid_argument, "priority is 1 (first) to 5 (last), or 0 for the default", 0};
    if (spec.getIdempotencyKey().size() > limits::idempotency_key_size_max)
        return failure{errc::invalid_argument, "an idempotency key has at most 255 bytes", 0};
    if (spec.getAfter().size() > limits::parents_max)
        return failure{errc::invalid_argument,
                       "`after` names " + std::to_string(spec.getAfter().size()) + " jobs; at most " +
                           std::to_string(limits::parents_max),
                       0};
    const auto furthest = std::chrono::duration_cast<milliseconds>(limits::delay_max);
    if (spec.getDelayMs() > static_cast<std::uint64_t>(furthest.count()) ||
        spec.getNotBeforeUs() > to_us(now_ + furthest) || spec.getNotBeforeUs() < 0)
        return failure{errc::invalid_argument, "a job may be delayed by 366 days at most", 0};
    return std::nullopt;
}

std::optional<failure> submission_builder::check_payload(api::JobSpec::Reader spec,
                                                         const declared_type& type) const {
    const std::string_view payload = text_of(spec.getPayload());
    if (!type.schema && is_empty_object(payload)) return std::nullopt;
    const auto json = parse_json(payload.empty() ? std::string_view{"null"} : payload, {}, errc::payload_invalid);
    if (!json) return json.error();
    if (!type.schema) return std::nullopt;
    const auto violations = type.schema->validate(*json);
    if (violations.empty()) return std::nullopt;
    return failure{errc::payload_invalid, join(violations), 0};
}

void submission_builder::fill(api::JobSpec::Reader spec, const job_id& id, const declared_type& type,
                              cmd::Submit::Builder to) const {
    write_id(id, to.initJob());
    to.setType(type.id.value);
    to.setTypeVersion(static_cast<std::uint32_t>(type.version));
    to.setPriority(spec.getPriority());
    to.setNotBeforeUs(spec.getNotBeforeUs());
    if (spec.getDelayMs() > 0)
        to.setNotBeforeUs(to_us(now_ + milliseconds{static_cast<std::int64_t>(spec.getDelayMs())}));
    if (spec.getPayload().size() > 0) to.setPayload(spec.getPayload());
    if (spec.getIdempotencyKey().size() > 0) {
        const auto [high, low] = body_hash(spec);
        to.setIdempotencyKey(spec.getIdempotencyKey());
        to.setBodyHigh(high);
        to.setBodyLow(low);
    }
    if (spec.getAfter().size() > 0) {
        // By value: a struct of the wire may carry more than its schema says, which a copy of it would keep.
        auto after = to.initAfter(spec.getAfter().size());
        for (unsigned i = 0; i < after.size(); ++i) write_id(read_id(spec.getAfter()[i]), after[i]);
    }
    to.setSubmitter(identity_.who.subject.c_str());
}

} // namespace coppice
