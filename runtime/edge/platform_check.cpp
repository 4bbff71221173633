// Part of platform_service: the walk over the store, and the repair of what it finds.
#include <kj/thread.h>

#include <set>
#include <thread>

#include "actors/jobs/repair_command.hpp"
#include "runtime/edge/feature_gate.hpp"
#include "runtime/edge/platform_service.hpp"
#include "runtime/edge/read_gate.hpp"
#include "runtime/edge/shard_entries.hpp"
#include "schema/wire_text.hpp"

namespace coppice {
namespace {

// What of a report is to be repaired: commands for it, and what each is about.
struct planned_repairs {
    explicit planned_repairs(std::size_t most) : entries(most) {}

    shard_entries entries;
    std::vector<std::pair<job_id, std::string>> of; // a job, or counters by name
};

std::shared_ptr<planned_repairs> plan_repairs(const check_report& found,
                                              api::PlatformService::RepairParams::Reader wanted,
                                              const edge_context& edge, const repair_wish& wish) {
    std::set<job_id> named;
    for (const auto id : wanted.getJobs()) named.insert(read_id(id));
    auto made = std::make_shared<planned_repairs>(found.jobs.size() + found.counters.size());
    for (const auto& [id, rows] : found.jobs) {
        if ((!wanted.getAll() && !named.contains(id)) || id.shard().value >= edge.shards) continue;
        write_repair(id, rows, wish, made->entries.next(id.shard()).initRepair());
        made->of.emplace_back(id, "");
    }
    if (!wanted.getAll() && !wanted.getCounters()) return made;
    const catalog_ptr declared = edge.board->get();
    for (const tenant_id each : found.counters) {
        write_repair(each, wish, made->entries.next(shard_of(each, edge.shards)).initRepair());
        const declared_tenant* tenant = declared->tenant(each);
        made->of.emplace_back(job_id{}, tenant ? tenant->spec.name : std::to_string(each.value));
    }
    return made;
}

void write_repairs(const planned_repairs& made, const std::vector<command_result>& results,
                   capnp::List<api::PlatformService::Repair>::Builder to) {
    for (unsigned i = 0; i < to.size(); ++i) {
        write_id(made.of[i].first, to[i].initJob());
        to[i].setCounters(made.of[i].second);
        if (results[i].code != errc::ok) write_failure(failure_of(results[i]), to[i].initFailure());
    }
}

} // namespace

// In a thread of its own: a walk over a big store must not hold up the calls of others.
kj::Promise<check_report> platform_service::walk() {
    checking_ = true;
    auto paf = kj::newPromiseAndCrossThreadFulfiller<check_report>();
    auto walker = kj::heap<kj::Thread>([store = edge_.data, shards = edge_.shards,
                                        fulfiller = kj::mv(paf.fulfiller)]() mutable {
        KJ_IF_MAYBE (fault, kj::runCatchingExceptions([&] { fulfiller->fulfill(check_shards(*store, shards)); }))
            fulfiller->reject(kj::mv(*fault));
    });
    return paf.promise.attach(kj::mv(walker), kj::defer([this] { checking_ = false; }));
}

kj::Promise<void> platform_service::check(CheckContext context) {
    if (const auto no = denied(identity_, permission::operate, "", edge_.clock())) return refuse(context, *no);
    if (checking_) return refuse(context, {errc::overloaded, "a check is under way on this connection", 1000});
    return walk().then([this, context](check_report report) mutable {
        auto answer = context.getResults();
        answer.setRows(report.rows);
        write_texts(report.findings, answer.initFindings(static_cast<unsigned>(report.findings.size())));
        answer.setRepairable(static_cast<std::uint32_t>(report.jobs.size() + report.counters.size()));
        const audit_summary newest = edge_.newest_audit ? edge_.newest_audit() : audit_summary{};
        auto audit = answer.initAudit();
        audit.setAt(to_us(newest.at));
        audit.setRows(newest.rows);
        audit.setFindings(static_cast<std::uint32_t>(newest.findings));
    });
}

kj::Promise<void> platform_service::repair(RepairContext context) {
    if (const auto no = denied(identity_, permission::operate, "", edge_.clock())) return refuse(context, *no);
    if (const auto no = not_everywhere(edge_, feature::repairs)) return refuse(context, *no);
    if (checking_) return refuse(context, {errc::overloaded, "a check is under way on this connection", 1000});
    auto repaired = [this, context](check_report found) mutable {
        const auto wanted = context.getParams();
        const std::string reason{view_of(wanted.getReason()).substr(0, limits::progress_text_size_max)};
        const auto made = plan_repairs(found, wanted, edge_, {identity_.who.subject, reason});
        return made->entries.propose(edge_, false)
            .then([context, made](std::vector<command_result> results) mutable {
                write_repairs(*made, results,
                              context.getResults().initRepairs(static_cast<unsigned>(results.size())));
            });
    };
    return walk()
        .then(std::move(repaired))
        .then([this] { return walk(); })
        .then([context](check_report left) mutable {
            write_texts(left.findings,
                        context.getResults().initRemaining(static_cast<unsigned>(left.findings.size())));
        });
}

} // namespace coppice
