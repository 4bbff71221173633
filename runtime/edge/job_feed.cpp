// The feed of events: JobService.follow.
#include "runtime/edge/declared_gate.hpp"
#include "runtime/edge/job_service.hpp"
#include "runtime/edge/job_views.hpp"
#include "runtime/edge/read_gate.hpp"

namespace coppice {
namespace {

void write_events(const catalog& declared, const std::vector<std::pair<std::uint64_t, bytes>>& rows,
                  capnp::List<api::Event>::Builder to) {
    record_reader<rec::EventRow> reader;
    for (unsigned i = 0; i < to.size(); ++i) {
        const auto row = reader.read(rows[i].second);
        to[i].setSequence(rows[i].first);
        to[i].setAtUs(row.getAtUs());
        to[i].setJob(row.getJob());
        if (const auto* type = declared.type(type_id{row.getType()})) to[i].setType(type->spec.name.c_str());
        to[i].setState(row.getState());
        to[i].setAttempt(row.getAttempt());
        to[i].setCode(row.getCode());
    }
}

} // namespace

expected<std::optional<tenant_id>> job_service::feed_tenant(permission wanted) const {
    const std::string_view name = tenant_of(identity_);
    if (const auto no = denied(identity_, wanted, name, edge_.clock())) return tl::unexpected(*no);
    if (name.empty()) return std::optional<tenant_id>{};
    const catalog_ptr declared = edge_.board->get();
    const declared_tenant* tenant = declared->tenant(name);
    if (tenant == nullptr) return fail(errc::unknown_tenant, "no tenant \"" + std::string{name} + "\"");
    return std::optional{tenant->id};
}

// Where the caller is in the feed, with a sequence for each shard.
expected<watch_hub::place> job_service::place_of(capnp::List<std::uint64_t>::Reader given) const {
    if (given.size() > edge_.shards)
        return fail(errc::invalid_argument,
                    "a place in this feed has at most " + std::to_string(edge_.shards) + " sequences, one a shard");
    watch_hub::place after(edge_.shards);
    for (unsigned i = 0; i < given.size(); ++i) after[i] = given[i];
    return after;
}

bool job_service::answer_follow(FollowContext& context, const feed_question& asked, bool whatever) {
    const std::size_t wanted = rows_of_page(context.getParams().getLimit());
    auto answer = context.getResults();
    watch_hub::place last = asked.after;
    std::vector<std::pair<std::uint64_t, bytes>> found;
    {
        const auto tables = edge_.data->begin_read();
        for (const shard_id shard : asked.shards) {
            if (found.size() == wanted) break;
            sequence_rows page =
                read_events(*tables, shard, asked.tenant, last[shard.value], wanted - found.size());
            if (page.expired) {
                write_failure({errc::cursor_expired,
                               "events after " + std::to_string(last[shard.value]) + " of shard " +
                                   std::to_string(shard.value) + " were pruned",
                               0},
                              answer.initFailure());
                return true;
            }
            last[shard.value] = page.last;
            std::ranges::move(page.rows, std::back_inserter(found));
        }
    }
    // Events of others move the cursor, so that the next call does not look at them again.
    if (found.empty() && !whatever && last == asked.after) return false;
    write_place(last, answer.initLast(static_cast<unsigned>(last.size())));
    write_events(*edge_.board->get(), found, answer.initEvents(static_cast<unsigned>(found.size())));
    return true;
}

void job_service::read_oldest(FollowContext& context) {
    watch_hub::place before = edge_.hub->newest(); // where there are none
    const auto tables = edge_.data->begin_read();
    for (std::size_t i = 0; i < before.size(); ++i) {
        const row_key prefix = keys::shard(shard_id{static_cast<std::uint16_t>(i)});
        const auto first = tables->seek(table::events, prefix);
        if (!first || !has_prefix(first->key, prefix)) continue;
        key_reader k{first->key};
        k.u16();
        before[i] = k.u64() - 1;
    }
    write_place(before, context.getResults().initLast(static_cast<unsigned>(before.size())));
}

kj::Promise<void> job_service::follow(FollowContext context) {
    const auto tenant = feed_tenant(permission::read_jobs);
    return when_declared(edge_, timer_, tenant || !is_undeclared(tenant.error().code),
                         [this, context] { return follow_known(context); });
}

kj::Promise<void> job_service::follow_known(FollowContext context) {
    const auto tenant = feed_tenant(permission::read_jobs);
    if (!tenant) return refuse(context, tenant.error());
    if (context.getParams().getNewest()) {
        const auto newest = edge_.hub->newest();
        write_place(newest, context.getResults().initLast(static_cast<unsigned>(newest.size())));
        return kj::READY_NOW;
    }
    if (context.getParams().getOldest())
        return when_readable(
            edge_, shards_of(edge_, *tenant), false, [this, context]() mutable { read_oldest(context); },
            refusing(context));
    auto after = place_of(context.getParams().getAfter());
    if (!after) return refuse(context, after.error());
    const feed_question asked{*tenant, shards_of(edge_, *tenant), std::move(*after)};
    auto call = take_call(identity_.connection, call_kind::waits);
    if (!call) return refuse(context, call.error());
    const auto wait = bounded_wait(context.getParams().getTimeoutMs());
    context.allowCancellation();
    const auto answered = std::make_shared<bool>(false);
    auto refuse = [context, answered](const failure& f) mutable {
        *answered = true;
        write_failure(f, context.getResults().initFailure());
    };
    auto look = [this, context, asked, answered](bool whatever) mutable {
        *answered = answer_follow(context, asked, whatever);
    };
    return when_readable(
               edge_, asked.shards, false,
               [look, at_once = wait == 0 * kj::MILLISECONDS]() mutable { look(at_once); }, refuse)
        .then([this, asked, wait, answered, look, refuse, call = kj::mv(call)]() mutable -> kj::Promise<void> {
            if (*answered) return kj::READY_NOW;
            return edge_.hub->event_after(asked.after, asked.shards)
                .exclusiveJoin(timer_.afterDelay(wait))
                .then([this, asked, look, refuse, call = kj::mv(call)]() mutable {
                    return when_readable(
                        edge_, asked.shards, false, [look]() mutable { look(true); }, refuse);
                });
        });
}

} // namespace coppice
