// Who did what: JobService.evidence.
#include "runtime/edge/declared_gate.hpp"
#include "runtime/edge/job_service.hpp"
#include "runtime/edge/job_views.hpp"
#include "runtime/edge/read_gate.hpp"
#include "schema/wire_ids.hpp"

namespace coppice {
namespace {

struct found_evidence {
    shard_id shard;
    std::uint64_t sequence = 0;
    bytes row;
};

void write_evidence(const catalog& declared, const std::vector<found_evidence>& found,
                    capnp::List<api::Evidence>::Builder to) {
    record_reader<rec::EvidenceRow> reader;
    for (unsigned i = 0; i < to.size(); ++i) {
        const auto row = reader.read(found[i].row);
        to[i].setShard(found[i].shard.value);
        to[i].setSequence(found[i].sequence);
        to[i].setAtUs(row.getAtUs());
        to[i].setKind(row.getKind());
        const job_id job = read_id(row.getJob());
        if (const auto* tenant = job.is_nil() ? nullptr : declared.tenant(job.tenant()))
            to[i].setTenant(tenant->spec.name.c_str());
        to[i].setJob(row.getJob());
        if (const auto* type = declared.type(type_id{row.getType()})) to[i].setType(type->spec.name.c_str());
        to[i].setTypeVersion(row.getTypeVersion());
        to[i].setState(row.getState());
        to[i].setAttempt(row.getAttempt());
        to[i].setCode(row.getCode());
        to[i].setBy(row.getSubmitter());
        to[i].setDetail(row.getDetail());
    }
}

} // namespace

void job_service::read_evidence_page(EvidenceContext& context, const feed_question& asked) {
    const std::size_t wanted = rows_of_page(context.getParams().getLimit());
    watch_hub::place last = asked.after, newest(edge_.shards);
    std::vector<found_evidence> found;
    const auto tables = edge_.data->begin_read();
    for (const shard_id shard : asked.shards) {
        newest[shard.value] = keys::last_sequence(*tables, table::evidence, shard);
        if (found.size() == wanted) continue;
        auto page = read_evidence(*tables, shard, asked.tenant, last[shard.value], wanted - found.size());
        last[shard.value] = page.last;
        for (auto& [sequence, row] : page.rows) found.push_back({shard, sequence, std::move(row)});
    }
    auto answer = context.getResults();
    write_place(last, answer.initLast(static_cast<unsigned>(last.size())));
    write_place(newest, answer.initNewest(static_cast<unsigned>(newest.size())));
    write_evidence(*edge_.board->get(), found, answer.initRows(static_cast<unsigned>(found.size())));
}

kj::Promise<void> job_service::evidence(EvidenceContext context) {
    const auto tenant = feed_tenant(permission::read_evidence);
    return when_declared(edge_, timer_, tenant || !is_undeclared(tenant.error().code),
                         [this, context] { return evidence_known(context); });
}

kj::Promise<void> job_service::evidence_known(EvidenceContext context) {
    const auto tenant = feed_tenant(permission::read_evidence);
    if (!tenant) return refuse(context, tenant.error());
    auto after = place_of(context.getParams().getAfter());
    if (!after) return refuse(context, after.error());
    const feed_question asked{*tenant, shards_of(edge_, *tenant), std::move(*after)};
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    return when_readable(
               edge_, asked.shards, false, [this, context, asked]() mutable { read_evidence_page(context, asked); },
               refusing(context))
        .attach(kj::mv(call));
}

} // namespace coppice
