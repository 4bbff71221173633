#include "runtime/edge/job_views.hpp"

#include <algorithm>

#include "actors/governance/json_equality.hpp"
#include "schema/labels.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

void write_error(rec::JobRow::Reader row, api::JobView::Builder to) {
    if (row.getErrorCode() == 0) return;
    auto error = to.initError();
    error.setCode(row.getErrorCode());
    error.setDetail(row.getErrorMessage());
    to.setErrorAttempt(row.getErrorAttempt());
}

bool has_labels(rec::JobRow::Reader row, const std::vector<std::string>& wanted) {
    const auto labels = row.getLabels();
    return std::ranges::all_of(wanted, [&](const std::string& each) {
        const bool by_name = each.find('=') == std::string::npos;
        for (const auto label : labels)
            if ((by_name ? label_name(view_of(label)) : view_of(label)) == each) return true;
        return false;
    });
}

bool matches(const job_filter& filter, rec::JobRow::Reader row) {
    const instant submitted = from_us(row.getSubmittedUs());
    return (!filter.type || filter.type->value == row.getType()) &&
           (!filter.state || *filter.state == row.getState()) && (!filter.from || submitted >= *filter.from) &&
           (!filter.before || submitted < *filter.before) &&
           (!filter.error_code || *filter.error_code == row.getErrorCode()) && has_labels(row, filter.labels);
}

// Payloads that are no JSON objects have no fields.
bool has_field(capnp::Data::Reader payload, const payload_match& wanted) {
    const auto json = nlohmann::json::parse(payload.begin(), payload.end(), nullptr,
                                            false); // what was taken is within its bounds
    if (!json.is_object()) return false;
    const auto field = json.find(wanted.field);
    std::uint64_t work = 0;
    return field != json.end() && same_json(*field, wanted.value, work);
}

// The one job that a tenant's idempotency key answers with.
job_page list_by_key(read_tables& t, std::size_t shards, const job_filter& filter) {
    const shard_id shard = shard_of(*filter.tenant, shards);
    record_reader<rec::IdempotencyRow> known;
    record_reader<rec::JobRow> reader;
    const auto key = t.get(table::idempotency, keys::idempotency(shard, *filter.tenant, filter.key));
    if (!key) return {};
    const job_id id = read_id(known.read(*key).getJob());
    const auto job = t.get(table::jobs, keys::job(id));
    if (!job) return {};
    const auto row = reader.read(*job);
    if (!matches(filter, row) || (filter.payload && !has_field(payload_of(t, id, row), *filter.payload))) return {};
    return {.ids = {id}, .cursor = {}};
}

// Ids are made before the submission is written, by a clock that may be another node's: by no more than this.
constexpr milliseconds made_early_max = std::chrono::minutes{10};
constexpr milliseconds made_late_max = std::chrono::minutes{10};

std::uint64_t to_whole_ms(instant at) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, to_us(at) / 1000));
}

// Of a tenant's jobs, by their ids: none from here on was submitted before `filter.before`.
std::string first_not_before(const job_filter& filter, shard_id shard) {
    const auto end = to_whole_ms(*filter.before + made_late_max);
    return std::string{as_text(keys::tenant(shard, *filter.tenant).id(job_id::from_halves(end << 16, 0)))};
}

bool is_too_old(const job_filter& filter, const job_id& id) {
    return filter.from && id.time_ms() < to_whole_ms(*filter.from - made_early_max);
}

// The first key after everything that begins with (shard[, tenant]).
row_key end_of(shard_id shard, const std::optional<tenant_id>& tenant) {
    if (!tenant) return keys::end_of_shard(shard);
    return keys::shard(shard).u64((std::uint64_t{tenant->value} + 1) << 32);
}

} // namespace

capnp::Data::Reader payload_of(read_tables& t, const job_id& id, rec::JobRow::Reader row) {
    if (!row.getPayloadApart()) return row.getPayload();
    const auto stored = t.get(table::payloads, keys::job(id));
    if (!stored) return {};
    return {reinterpret_cast<const kj::byte*>(stored->data()), stored->size()};
}

void write_job(read_tables& t, const catalog& declared, const job_id& id, rec::JobRow::Reader row, bool whole,
               api::JobView::Builder to) {
    write_id(id, to.initId());
    if (const auto* tenant = declared.tenant(id.tenant())) to.setTenant(tenant->spec.name.c_str());
    if (const auto* type = declared.type(type_id{row.getType()})) to.setType(type->spec.name.c_str());
    to.setState(row.getState());
    to.setPriority(row.getPriority());
    to.setAttempts(row.getAttempt());
    to.setSubmittedUs(row.getSubmittedUs());
    to.setStartedUs(row.getStartedUs());
    to.setFinishedUs(row.getFinishedUs());
    to.setDueUs(row.getDueUs());
    to.setProgress(row.getProgress());
    to.setProgressText(row.getProgressText());
    to.setResultSize(row.getResultSize());
    to.setPendingAudit(is_terminal(row.getState()) && row.getEvidence() == 0);
    to.setRevision(row.getRevision());
    to.setCancelRequested(row.getCancelRequested());
    to.setParentsPending(row.getParentsPending());
    to.setIdempotencyKey(row.getIdempotencyKey());
    to.setSubmitter(row.getSubmitter());
    if (row.getAfter().size() > 0) to.setAfter(row.getAfter());
    to.setRunAnyway(row.getRunAnyway());
    if (row.hasGraph()) to.setGraph(row.getGraph());
    to.setCheckpointSize(row.getCheckpointSize());
    if (row.getSchedule() != 0)
        if (const auto* schedule = declared.schedule(schedule_id{row.getSchedule()}))
            to.setSchedule(schedule->spec.name.c_str());
    if (row.hasRedrives()) to.setRedrives(row.getRedrives());
    if (row.hasRedrivenAs()) to.setRedrivenAs(row.getRedrivenAs());
    to.setTraceparent(row.getTraceparent());
    to.setEdits(row.getEdits());
    to.setCallback(row.getCallback());
    if (row.hasLabels()) to.setLabels(row.getLabels());
    write_error(row, to);
    if (!whole) return;
    to.setPayload(payload_of(t, id, row));
    to.setHistory(row.getHistory());
}

// Everything of a shard lies together, so all tenants are one walk through all shards.
job_page list_jobs(read_tables& t, std::size_t shards, const job_filter& filter, std::size_t limit,
                   std::string_view cursor) {
    if (!filter.key.empty() && filter.tenant) return list_by_key(t, shards, filter);
    job_page page;
    std::size_t payload_bytes = 0;
    record_reader<rec::JobRow> reader;
    const shard_id shard =
        filter.tenant ? shard_of(*filter.tenant, shards) : shard_id{static_cast<std::uint16_t>(shards - 1)};
    const row_key prefix = filter.tenant ? keys::tenant(shard, *filter.tenant) : row_key{};
    std::string before{as_text(end_of(shard, filter.tenant))};
    if (filter.tenant && filter.before) before = std::min(before, first_not_before(filter, shard));
    if (!cursor.empty()) before = cursor;
    for (std::size_t looked = 0; looked < limits::list_scan_max && payload_bytes <= limits::list_payload_bytes_max;
         ++looked) {
        const auto r = t.seek_before(table::jobs, as_bytes_view(before));
        if (!r || !has_prefix(r->key, prefix)) return page;
        if (page.ids.size() == limit) break;
        before = as_text(r->key);
        key_reader k{r->key};
        k.u16();
        k.u32();
        const job_id id = k.id();
        if (filter.tenant && is_too_old(filter, id)) return page;
        const auto row = reader.read(r->value);
        if (!matches(filter, row)) continue;
        if (filter.payload) {
            const auto payload = payload_of(t, id, row);
            payload_bytes += payload.size();
            if (!has_field(payload, *filter.payload)) continue;
        }
        page.ids.push_back(id);
    }
    page.cursor = before;
    return page;
}

void cut_to_bytes(read_tables& t, job_page& page) {
    record_reader<rec::JobRow> reader;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < page.ids.size(); ++i) {
        const auto stored = t.get(table::jobs, keys::job(page.ids[i]));
        if (stored) bytes += stored->size() + payload_of(t, page.ids[i], reader.read(*stored)).size();
        if (bytes <= limits::list_payload_bytes_max || i == 0) continue;
        page.cursor = as_text(keys::job(page.ids[i - 1]).view()); // the next page begins before that one
        page.ids.resize(i);
        return;
    }
}

std::uint64_t count_jobs(read_tables& t, std::size_t shards, const job_filter& filter) {
    std::uint64_t count = 0;
    record_reader<rec::CountersRow> reader;
    const row_key prefix =
        filter.tenant ? keys::tenant(shard_of(*filter.tenant, shards), *filter.tenant) : row_key{};
    for (auto r = t.seek(table::counters, prefix); r && has_prefix(r->key, prefix); r = t.next(table::counters)) {
        key_reader k{r->key.subspan(6)};
        if (filter.type && k.u32() != filter.type->value) continue;
        const auto row = reader.read(r->value);
        const std::array counts{row.getBlocked(),   row.getScheduled(), row.getQueued(),    row.getRunning(),
                                row.getSucceeded(), row.getFailed(),    row.getCancelled(), row.getRejected()};
        for (std::size_t i = 0; i < counts.size(); ++i)
            if (!filter.state || index_of(*filter.state) == i) count += counts[i];
    }
    return count;
}

namespace {

template <class Row>
sequence_rows read_sequence(read_tables& t, table from, shard_id shard, std::optional<tenant_id> tenant,
                            std::uint64_t after, std::size_t limit) {
    sequence_rows page;
    page.last = after;
    const row_key prefix = keys::shard(shard);
    record_reader<Row> reader;
    std::size_t looked = 0;
    for (auto r = t.seek(from, row_key{prefix}.u64(after + 1)); r && has_prefix(r->key, prefix); r = t.next(from)) {
        key_reader k{r->key};
        k.u16();
        const std::uint64_t sequence = k.u64();
        if (looked == 0 && sequence > after + 1) {
            page.expired = true;
            return page;
        }
        if (++looked > limits::list_scan_max || page.rows.size() == limit) return page;
        page.last = sequence;
        const auto job = reader.read(r->value).getJob();
        if (tenant && job_id::from_halves(job.getHigh(), job.getLow()).tenant() != *tenant) continue;
        page.rows.emplace_back(sequence, bytes{r->value.begin(), r->value.end()});
    }
    return page;
}

} // namespace

sequence_rows read_events(read_tables& t, shard_id shard, std::optional<tenant_id> tenant, std::uint64_t after,
                          std::size_t limit) {
    return read_sequence<rec::EventRow>(t, table::events, shard, tenant, after, limit);
}

sequence_rows read_evidence(read_tables& t, shard_id shard, std::optional<tenant_id> tenant, std::uint64_t after,
                            std::size_t limit) {
    return read_sequence<rec::EvidenceRow>(t, table::evidence, shard, tenant, after, limit);
}

} // namespace coppice
