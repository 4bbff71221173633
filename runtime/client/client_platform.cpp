// The calls of the client to the platform's side: declared documents, the tree, metrics, the check of the store.
#include "runtime/client/client.hpp"
#include "runtime/client/link.hpp"
#include "runtime/client/wire.hpp"

namespace coppice::client {
namespace {

constexpr milliseconds check_wait{600'000}; // walks the whole store

} // namespace

kj::Promise<expected<apply_result>> client::apply(std::vector<document_file> files, bool dry_run) {
    const auto mode = dry_run ? repeat::safe : repeat::never;
    return link_->call<apply_result>(
        mode, no_wait, [files = std::move(files), dry_run](session& s) -> kj::Promise<expected<apply_result>> {
            if (!s.grant.may_operate) return expected<apply_result>(not_granted(s, "the platform"));
            auto request = s.platform.applyRequest();
            auto list = request.initFiles(static_cast<unsigned>(files.size()));
            for (unsigned i = 0; i < list.size(); ++i) {
                auto to = list[i];
                write_text(files[i].name, [&](unsigned size) { return to.initName(size); });
                write_text(files[i].text, [&](unsigned size) { return to.initText(size); });
            }
            request.setDryRun(dry_run);
            return request.send().then(
                [](capnp::Response<api::PlatformService::ApplyResults> r) -> expected<apply_result> {
                    apply_result result{read_all<change>(r.getChanges()), read_all<document_error>(r.getErrors())};
                    // A refusal that names lines is an answer; one that does not is a failure.
                    if (auto ok = read(r.getFailure()); !ok && result.errors.empty())
                        return tl::unexpected(std::move(ok.error()));
                    return result;
                });
        });
}

kj::Promise<expected<std::vector<declared_view>>> client::get_declared(std::string kind, std::string name) {
    using views = std::vector<declared_view>;
    return link_->call<views>(
        repeat::safe, no_wait,
        [kind = std::move(kind), name = std::move(name)](session& s) -> kj::Promise<expected<views>> {
            if (!s.grant.may_operate) return expected<views>(not_granted(s, "the platform"));
            auto request = s.platform.getRequest();
            request.setKind(kind);
            request.setName(name);
            return request.send().then([](capnp::Response<api::PlatformService::GetResults> r) -> expected<views> {
                if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                return read_all<declared_view>(r.getDocuments());
            });
        });
}

kj::Promise<expected<tree_page>> client::tree(std::string path, std::uint32_t limit) {
    return link_->call<tree_page>(
        repeat::safe, no_wait, [path = std::move(path), limit](session& s) -> kj::Promise<expected<tree_page>> {
            if (!s.grant.may_operate) return expected<tree_page>(not_granted(s, "the platform"));
            auto request = s.platform.treeRequest();
            request.setPath(path);
            request.setLimit(limit);
            return request.send().then(
                [](capnp::Response<api::PlatformService::TreeResults> r) -> expected<tree_page> {
                    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                    return tree_page{read_all<tree_row>(r.getRows()), r.getCut()};
                });
        });
}

kj::Promise<expected<std::string>> client::metrics() {
    return link_->call<std::string>(repeat::safe, no_wait, [](session& s) -> kj::Promise<expected<std::string>> {
        if (!s.grant.may_operate) return expected<std::string>(not_granted(s, "the platform"));
        return s.platform.metricsRequest().send().then(
            [](capnp::Response<api::PlatformService::MetricsResults> r) -> expected<std::string> {
                if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                return text_of(r.getText());
            });
    });
}

kj::Promise<expected<check_result>> client::check() {
    return link_->call<check_result>(
        repeat::safe, check_wait, [](session& s) -> kj::Promise<expected<check_result>> {
            if (!s.grant.may_operate) return expected<check_result>(not_granted(s, "the platform"));
            return s.platform.checkRequest().send().then(
                [](capnp::Response<api::PlatformService::CheckResults> r) -> expected<check_result> {
                    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                    const auto audit = r.getAudit();
                    return check_result{texts_of(r.getFindings()),
                                        r.getRows(),
                                        r.getRepairable(),
                                        {from_us(audit.getAt()), audit.getRows(), audit.getFindings()}};
                });
        });
}

kj::Promise<expected<start_setting>> client::starts(std::optional<start_setting> change) {
    return link_->call<start_setting>(
        repeat::safe, no_wait, [change](session& s) -> kj::Promise<expected<start_setting>> {
            if (!s.grant.may_operate) return expected<start_setting>(not_granted(s, "the platform"));
            auto request = s.platform.startsRequest();
            request.setChange(change.has_value());
            if (change) {
                request.setClosed(change->closed);
                request.setPerSecond(change->per_second);
            }
            return request.send().then(
                [](capnp::Response<api::PlatformService::StartsResults> r) -> expected<start_setting> {
                    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                    return start_setting{r.getClosed(), r.getPerSecond()};
                });
        });
}

// Safe to repeat: what has been put right is not found again.
kj::Promise<expected<repair_result>> client::repair(repair_request wanted) {
    return link_->call<repair_result>(
        repeat::safe, 2 * check_wait,
        [wanted = std::move(wanted)](session& s) -> kj::Promise<expected<repair_result>> {
            if (!s.grant.may_operate) return expected<repair_result>(not_granted(s, "the platform"));
            auto request = s.platform.repairRequest();
            write_ids(request.initJobs(static_cast<unsigned>(wanted.jobs.size())), wanted.jobs);
            request.setCounters(wanted.counters);
            request.setAll(wanted.all);
            request.setReason(wanted.reason);
            return request.send().then(
                [](capnp::Response<api::PlatformService::RepairResults> r) -> expected<repair_result> {
                    if (auto ok = read(r.getFailure()); !ok) return tl::unexpected(std::move(ok.error()));
                    repair_result result{{}, texts_of(r.getRemaining())};
                    for (const auto each : r.getRepairs())
                        result.repairs.push_back(
                            {read(each.getJob()), text_of(each.getCounters()), read(each.getFailure())});
                    return result;
                });
        });
}

} // namespace coppice::client
