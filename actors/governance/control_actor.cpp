#include "actors/governance/control_actor.hpp"

#include <capnp/message.h>

#include "actors/governance/declared_commands.hpp"

namespace coppice {
namespace {

using request_ptr = std::shared_ptr<declare_documents>;

// Tells the shard everything that is declared; rows that it has already change nothing.
void tell_shard(const catalog& all, const journal_port& journal, proposal::done_function done) {
    if (all.tenants.empty() && all.types.empty()) {
        if (done) done({});
        return;
    }
    declarations what{.types = {}, .tenants = {}, .schedules = schedules_of(all, {}, 1)};
    for (const auto& [name, type] : all.types) what.types.push_back(type);
    for (const auto& [name, tenant] : all.tenants) what.tenants.push_back(tenant);
    journal.propose(make_declarations(what, {}, std::move(done)));
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
