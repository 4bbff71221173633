#include "actors/governance/control_actor.hpp"

#include "actors/journal/entry_builder.hpp"

namespace coppice {
namespace {

using request_ptr = std::shared_ptr<declare_documents>;

// Reads one row into the catalog; a row that this version can't read is damage.
expected<void> put_row(const declared_row& row, const spec_readers& readers, catalog& into) {
    if (row.kind == tenant_kind) {
        auto spec = readers.tenant(row.spec);
        if (!spec) return tl::unexpected(spec.error());
        spec->name = row.name;
        into.put(declared_tenant{tenant_id{row.number}, row.version, std::move(*spec)});
    } else if (row.kind == job_type_kind) {
        auto spec = readers.job_type(row.spec);
        if (!spec) return tl::unexpected(spec.error());
        spec->name = row.name;
        declared_type type{type_id{row.number}, row.version, std::move(*spec), std::nullopt};
        if (!type.spec.schema.empty()) {
            auto schema = compiled_schema::compile(type.spec.schema);
            if (!schema) return tl::unexpected(schema.error());
            type.schema = std::move(*schema);
        }
        into.put(std::move(type));
    }
    return {};
}

std::uint64_t ms(milliseconds d) { return static_cast<std::uint64_t>(d.count()); }

void write_tenant(const declared_tenant& t, cmd::DeclareTenant::Builder to) {
    to.setTenant(t.id.value);
    auto row = to.initRow();
    row.setName(t.spec.name.c_str());
    row.setVersion(t.version);
    row.setWeight(t.spec.weight);
    row.setRunningMax(t.spec.running_max);
    row.setQueuedMax(t.spec.queued_max);
    auto types = row.initTypes(static_cast<unsigned>(t.spec.types.size()));
    for (unsigned i = 0; i < types.size(); ++i) types.set(i, t.spec.types[i].c_str());
}

void write_type(const declared_type& y, cmd::DeclareType::Builder to) {
    to.setType(y.id.value);
    auto row = to.initRow();
    row.setName(y.spec.name.c_str());
    row.setVersion(y.version);
    row.setExecutor(static_cast<std::uint8_t>(y.spec.executor));
    row.setAttemptsMax(y.spec.attempts_max);
    row.setRetryBaseMs(ms(y.spec.retry.base));
    row.setRetryMaxMs(ms(y.spec.retry.max));
    row.setQueuedTimeoutMs(ms(y.spec.timeouts.queued));
    row.setAttemptTimeoutMs(ms(y.spec.timeouts.attempt));
    row.setJobTimeoutMs(ms(y.spec.timeouts.job));
    row.setHeartbeatTimeoutMs(ms(y.spec.timeouts.heartbeat));
    row.setCancelGraceMs(ms(y.spec.timeouts.cancel_grace));
    row.setResultBytesMax(y.spec.result_bytes_max);
    row.setRunningMax(y.spec.running_max);
}

// Tells the shard everything that is declared; rows that it has already change nothing.
void tell_shard(const catalog& all, const journal_port& journal, proposal::done_function done) {
    const std::size_t count = all.tenants.size() + all.types.size();
    if (count == 0) {
        if (done) done({});
        return;
    }
    journal.propose(make_proposal(count, false, std::move(done), [&](auto commands) {
        unsigned at = 0;
        for (const auto& [name, type] : all.types) write_type(*type, commands[at++].initDeclareType());
        for (const auto& [name, tenant] : all.tenants) write_tenant(*tenant, commands[at++].initDeclareTenant());
    }));
}

struct applied {
    std::vector<document_change> changes;
    std::shared_ptr<const catalog> next;
};

expected<applied> apply_documents(const control_options& options, const declare_documents& request) {
    applied result;
    auto next = std::make_shared<catalog>(*options.board->get());
    const auto transaction = options.control->begin_write();
    for (const document& d : request.documents) {
        capnp::MallocMessageBuilder message;
        auto command = message.initRoot<cmd::Declare>();
        command.setKind(d.kind.c_str());
        command.setName(d.name.c_str());
        command.setSpec(d.spec.c_str());
        command.setBy(request.by.c_str());
        const auto declared = declare(*transaction, command.asReader(), options.clock());
        if (!declared) return tl::unexpected(declared.error());
        if (auto put = put_row(declared->row, options.readers, *next); !put) return tl::unexpected(put.error());
        result.changes.push_back({d.kind, d.name, declared->change, declared->row.version});
    }
    if (request.dry_run) return result;
    if (auto done = transaction->commit(); !done) return tl::unexpected(done.error());
    result.next = std::move(next);
    return result;
}

void handle(const control_options& options, const request_ptr& request) {
    auto result = apply_documents(options, *request);
    if (!result || !result->next) {
        if (result)
            request->done(std::move(result->changes));
        else
            request->done(tl::unexpected(result.error()));
        return;
    }
    // The shard first, then the board: whoever finds a new type on the board finds it in the shard too.
    tell_shard(*result->next, options.journal,
               [request, board = options.board, next = result->next,
                changes = std::move(result->changes)](std::span<command_result> results) mutable {
                   for (const command_result& r : results)
                       if (r.code != errc::ok)
                           return request->done(fail(r.code, "declared, but not yet in force: " + r.detail));
                   board->set(next);
                   request->done(std::move(changes));
               });
}

} // namespace

expected<void> load_catalog(store& control, const spec_readers& readers, catalog_board& board) {
    auto all = std::make_shared<catalog>();
    for (const declared_row& row : declared_rows(*control.begin_read(), ""))
        if (auto put = put_row(row, readers, *all); !put)
            return fail(errc::store_damaged, row.kind + " \"" + row.name + "\": " + put.error().detail);
    board.set(std::move(all));
    return {};
}

control_handle::behavior_type control_actor(control_handle::stateful_pointer<control_state> self, tree_handle card,
                                            control_options given) {
    self->state.card = std::move(card);
    const auto options = std::make_shared<const control_options>(std::move(given));
    tell_shard(*options->board->get(), options->journal, nullptr);
    return {
        [options](const request_ptr& request) { handle(*options, request); },
    };
}

} // namespace coppice
