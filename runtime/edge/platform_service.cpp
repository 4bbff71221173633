#include "runtime/edge/platform_service.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "actors/governance/bounded_json.hpp"
#include "actors/schedules/schedule_times.hpp"
#include "runtime/edge/declared_gate.hpp"
#include "runtime/edge/feature_gate.hpp"
#include "runtime/edge/loop_answer.hpp"
#include "runtime/edge/read_gate.hpp"

namespace coppice {
namespace {

constexpr std::size_t apply_files_max = 1000;

permission permission_to_apply(const declared_document& d) {
    return d.kind == declared_kind::tenant ? permission::apply_tenants : permission::apply_declared;
}

// Everything in the files, or all that is wrong with them.
loaded_documents load_files(capnp::List<api::PlatformService::File>::Reader files) {
    std::vector<declared_document> all;
    document_errors errors;
    std::set<std::pair<declared_kind, std::string>> seen;
    for (const auto file : files) {
        auto loaded = load_documents(view_of(file.getText()), view_of(file.getName()));
        if (!loaded) {
            errors.append(std::move(loaded.error()));
            continue;
        }
        for (declared_document& d : *loaded) {
            if (!seen.emplace(d.kind, d.name).second)
                errors.add({d.file,
                            {d.line, 1},
                            "metadata.name",
                            std::string{to_string(d.kind)} + " \"" + d.name + "\" is declared twice"});
            all.push_back(std::move(d));
        }
    }
    if (!errors.empty()) return tl::unexpected(std::move(errors));
    return all;
}

// What one document alone cannot show: what it names is declared somewhere, schemas compile, payloads meet them.
class whole_check {
  public:
    whole_check(const std::vector<declared_document>& documents, const catalog& declared)
        : documents_(documents), declared_(declared) {
        for (const declared_document& d : documents) {
            if (d.kind == declared_kind::tenant) tenants_.insert(d.name);
            if (const auto* type = std::get_if<job_type_spec>(&d.spec)) add_type(d, *type);
        }
    }

    document_errors run() {
        for (const declared_document& d : documents_) {
            if (const auto* schedule = std::get_if<schedule_spec>(&d.spec)) check(d, *schedule);
            if (const auto* tenant = std::get_if<tenant_spec>(&d.spec))
                for (const std::string& name : tenant->types)
                    if (name != "*" && !is_type(name))
                        wrong(d, "types", "job type " + shown(name) + " is declared neither here nor on the node");
        }
        return std::move(errors_);
    }

  private:
    void wrong(const declared_document& d, const std::string& field, std::string what) {
        errors_.add({d.file, {d.line, 1}, "spec." + field, std::move(what)});
    }

    void add_type(const declared_document& d, const job_type_spec& type) {
        std::optional<compiled_schema>& schema = types_[d.name];
        if (type.schema.empty()) return;
        auto compiled = compiled_schema::compile(type.schema);
        if (compiled)
            schema = std::move(*compiled);
        else
            wrong(d, "schema", compiled.error().detail);
    }

    bool is_type(const std::string& name) const { return types_.contains(name) || declared_.type(name) != nullptr; }

    // Null: any payload will do.
    const compiled_schema* schema_of(const std::string& type) const {
        if (const auto here = types_.find(type); here != types_.end())
            return here->second ? &*here->second : nullptr;
        const declared_type* known = declared_.type(type);
        return known != nullptr && known->schema ? &*known->schema : nullptr;
    }

    // Its zone is known here, its tenant and type are declared and belong together, and the payload is one for the
    // type.
    void check(const declared_document& d, const schedule_spec& s) {
        if (const auto times = schedule_times::make(s.timing); !times)
            wrong(d, s.timing.cron.empty() ? "every" : "timezone", times.error().detail);
        if (!tenants_.contains(s.tenant) && declared_.tenant(s.tenant) == nullptr)
            wrong(d, "tenant", "tenant " + shown(s.tenant) + " is declared neither here nor on the node");
        if (!is_type(s.type))
            wrong(d, "type", "job type " + shown(s.type) + " is declared neither here nor on the node");
        if (const compiled_schema* schema = schema_of(s.type)) {
            const auto json = parse_json(s.payload.empty() ? "null" : s.payload); // that it is JSON was seen before
            const auto violations = json ? schema->validate(*json) : std::vector<violation>{};
            if (!violations.empty()) wrong(d, "payload", violations.front().message);
        }
        const declared_schedule* known = declared_.schedule(d.name);
        if (known != nullptr && known->spec.tenant != s.tenant)
            wrong(d, "tenant",
                  "the schedule is tenant " + shown(known->spec.tenant) +
                      "'s, and stays it: declare another one, and pause this");
    }

    const std::vector<declared_document>& documents_;
    const catalog& declared_;
    std::set<std::string, std::less<>> tenants_;
    std::map<std::string, std::optional<compiled_schema>, std::less<>> types_; // of the documents
    document_errors errors_;
};

// What of the declaration older versions do not know.
std::vector<std::string_view> features_of(const declared_document& d) {
    std::vector<std::string_view> used;
    if (const auto* t = std::get_if<tenant_spec>(&d.spec); t != nullptr && (t->paused || t->rate.bounds()))
        used.push_back(feature::limits);
    if (const auto* t = std::get_if<tenant_spec>(&d.spec); t != nullptr && t->keep.bounds())
        used.push_back(feature::retention);
    const auto* y = std::get_if<job_type_spec>(&d.spec);
    if (y != nullptr && (y->paused || !y->concurrency.by.empty())) used.push_back(feature::limits);
    if (y != nullptr && y->workers != workers_spec{}) used.push_back(feature::labels);
    if (y != nullptr && y->slots > 1) used.push_back(feature::job_slots);
    if (y != nullptr && y->logs != logs_spec{}) used.push_back(feature::log_bounds);
    if (y != nullptr && y->logs.stored > 0) used.push_back(feature::stored_lines);
    if (y != nullptr && y->workers.sticky == stickiness::soft) used.push_back(feature::repairs);
    if (y != nullptr && y->workers.sticky == stickiness::hard) used.push_back(feature::hard_sticky);
    if (y != nullptr && y->executor == executor_kind::http) used.push_back(feature::http);
    if (y != nullptr && y->unique) used.push_back(feature::unique);
    if (d.kind == declared_kind::schedule) used.push_back(feature::schedules);
    return used;
}

void write_errors(const document_errors& errors, api::PlatformService::ApplyResults::Builder to) {
    write_failure({errc::document_invalid,
                   std::to_string(errors.list.size() + errors.unreported) + " errors; nothing was applied", 0},
                  to.initFailure());
    auto rows = to.initErrors(static_cast<unsigned>(errors.list.size()));
    for (unsigned i = 0; i < rows.size(); ++i) {
        const document_error& e = errors.list[i];
        rows[i].setFile(e.file.c_str());
        rows[i].setLine(static_cast<std::uint32_t>(e.at.line));
        rows[i].setColumn(static_cast<std::uint32_t>(e.at.column));
        rows[i].setPath(e.path.c_str());
        rows[i].setMessage(e.message.c_str());
    }
}

void write_changes(const std::vector<document_change>& changes, api::PlatformService::ApplyResults::Builder to) {
    auto rows = to.initChanges(static_cast<unsigned>(changes.size()));
    for (unsigned i = 0; i < rows.size(); ++i) {
        rows[i].setKind(changes[i].kind.c_str());
        rows[i].setName(changes[i].name.c_str());
        rows[i].setAction(static_cast<api::Change::Action>(changes[i].change));
        rows[i].setVersion(changes[i].version);
    }
}

} // namespace

kj::Promise<void> platform_service::apply(ApplyContext context) {
    const auto params = context.getParams();
    auto answer = context.getResults();
    // Asked before the files are read: who may apply nothing costs nothing, and learns nothing.
    if (const auto no = denied(identity_, permission::apply_declared, "", edge_.clock()))
        return refuse(context, *no);
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    if (params.getFiles().size() > apply_files_max)
        return refuse(context, {errc::invalid_argument, "at most 1000 files", 0});
    auto loaded = load_files(params.getFiles());
    if (!loaded) {
        write_errors(loaded.error(), answer);
        return kj::READY_NOW;
    }
    for (const declared_document& d : *loaded)
        if (const auto no = denied(identity_, permission_to_apply(d), "", edge_.clock()))
            return refuse(context, *no);
    for (const declared_document& d : *loaded)
        for (const std::string_view used : features_of(d))
            if (const auto no = not_everywhere(edge_, used)) return refuse(context, *no);
    const bool whole = whole_check(*loaded, *edge_.board->get()).run().empty();
    return when_declared(edge_, timer_, whole,
                         [this, context, documents = std::move(*loaded), call = kj::mv(*call)]() mutable {
                             return apply_known(context, std::move(documents), kj::mv(call));
                         });
}

kj::Promise<void> platform_service::apply_known(ApplyContext context, std::vector<declared_document> documents,
                                                call_place call) {
    const auto params = context.getParams();
    if (const auto errors = whole_check(documents, *edge_.board->get()).run(); !errors.empty()) {
        write_errors(errors, context.getResults());
        return kj::READY_NOW;
    }
    auto request = std::make_shared<declare_documents>();
    for (const declared_document& d : documents)
        request->documents.push_back({std::string{to_string(d.kind)}, d.name,
                                      std::visit([](const auto& spec) { return to_json(spec); }, d.spec)});
    using outcome = expected<std::vector<document_change>>;
    auto [promise, answered] = make_loop_answer<outcome>(edge_.inbox);
    request->by = identity_.who.subject;
    request->dry_run = params.getDryRun();
    request->done = [answered = std::move(answered)](outcome result) { answered->give(std::move(result)); };
    caf::anon_send(edge_.control_actor, std::move(request));
    return promise.then([context, call = kj::mv(call)](outcome result) mutable {
        if (result)
            write_changes(*result, context.getResults());
        else
            write_failure(result.error(), context.getResults().initFailure());
    });
}

kj::Promise<void> platform_service::get(GetContext context) {
    const std::string_view own = tenant_of(identity_);
    if (const auto no = denied(identity_, permission::read_declared, own, edge_.clock()))
        return refuse(context, *no);
    return when_declared(edge_, timer_, false, [this, context]() mutable -> kj::Promise<void> {
        get_known(context);
        return kj::READY_NOW;
    });
}

void platform_service::get_known(GetContext& context) {
    const auto params = context.getParams();
    auto answer = context.getResults();
    const std::string_view own = tenant_of(identity_);
    auto rows = edge_.declared(view_of(params.getKind()));
    std::erase_if(rows, [&](const declared_row& r) {
        const bool foreign = !own.empty() && r.kind == tenant_kind && r.name != own;
        return foreign || (params.getName().size() > 0 && r.name != view_of(params.getName()));
    });
    if (rows.empty() && params.getName().size() > 0) {
        write_failure({errc::not_found,
                       "no " + std::string{view_of(params.getKind())} + " \"" +
                           std::string{view_of(params.getName())} + "\" is declared",
                       0},
                      answer.initFailure());
        return;
    }
    auto to = answer.initDocuments(static_cast<unsigned>(rows.size()));
    for (unsigned i = 0; i < to.size(); ++i) {
        to[i].setKind(rows[i].kind.c_str());
        to[i].setName(rows[i].name.c_str());
        to[i].setVersion(rows[i].version);
        to[i].setSpec(rows[i].spec.c_str());
        to[i].setChangedUs(to_us(rows[i].changed_at));
        to[i].setChangedBy(rows[i].changed_by.c_str());
    }
}

kj::Promise<void> platform_service::tree(TreeContext context) {
    const auto params = context.getParams();
    auto answer = context.getResults();
    if (const auto no = denied(identity_, permission::read_tree, "", edge_.clock())) return refuse(context, *no);
    auto rows = edge_.tree->snapshot(view_of(params.getPath()), rows_of_page(params.getLimit()));
    if (!rows.empty() && rows.back().cut) {
        answer.setCut(true);
        rows.pop_back();
    }
    auto to = answer.initRows(static_cast<unsigned>(rows.size()));
    const instant now = edge_.clock();
    for (unsigned i = 0; i < to.size(); ++i) {
        to[i].setPath(rows[i].path.c_str());
        to[i].setKind(rows[i].kind.c_str());
        to[i].setState(rows[i].state.c_str());
        to[i].setMailbox(rows[i].mailbox);
        to[i].setHandled(rows[i].handled);
        to[i].setRestarts(rows[i].restarts);
        to[i].setLastFailure(rows[i].last_failure.c_str());
        to[i].setMemoryBytes(rows[i].memory_bytes);
        if (rows[i].started_at != never)
            to[i].setAgeMs(to_ms(now) - std::min(to_ms(now), to_ms(rows[i].started_at)));
    }
    return kj::READY_NOW;
}

kj::Promise<void> platform_service::starts(StartsContext context) {
    if (const auto no = denied(identity_, permission::operate, "", edge_.clock())) return refuse(context, *no);
    const auto params = context.getParams();
    if (params.getChange()) {
        edge_.log.info("starts are ordered to change", {{"closed", params.getClosed()},
                                                        {"per_second", std::uint64_t{params.getPerSecond()}},
                                                        {"by", identity_.who.subject}});
        edge_.valve->set({params.getClosed(), params.getClosed() ? 0 : params.getPerSecond()});
    }
    const start_valve::setting is = edge_.valve->get();
    auto answer = context.getResults();
    answer.setClosed(is.closed);
    answer.setPerSecond(is.per_second);
    return kj::READY_NOW;
}

kj::Promise<void> platform_service::metrics(MetricsContext context) {
    auto answer = context.getResults();
    if (const auto no = denied(identity_, permission::read_tree, "", edge_.clock()))
        write_failure(*no, answer.initFailure());
    else
        answer.setText(edge_.metrics_text().c_str());
    return kj::READY_NOW;
}

} // namespace coppice
