// Part of job_service: changes of jobs that wait.
#include "runtime/edge/feature_gate.hpp"
#include "runtime/edge/job_changes.hpp"
#include "runtime/edge/submission.hpp"

namespace coppice {
namespace {

std::optional<failure> wrong_edit(api::JobService::Edit::Reader change) {
    if (change.getPriority() > limits::priority_last)
        return failure{errc::invalid_argument, "priority is 1 (first) to 5 (last), or 0 to leave it as it is", 0};
    if (change.getPriority() == 0 && !change.getHasPayload())
        return failure{errc::invalid_argument, "an edit has a priority or a payload", 0};
    return payload_too_large(change.getPayload());
}

// The type of the job decides whether the payload is one, and what it counts under.
std::optional<failure> check_new_payload(read_tables& tables, const catalog& declared, const job_id& id,
                                         std::string_view payload, cmd::EditJob::Builder to) {
    const auto stored = tables.get(table::jobs, keys::job(id));
    if (!stored) return no_such_job(id);
    record_reader<rec::JobRow> reader;
    const declared_type* type = declared.type(type_id{reader.read(*stored).getType()});
    if (type == nullptr) return no_such_job(id);
    const auto json = check_payload(payload, *type, false);
    if (!json) return json.error();
    to.setTypeVersion(static_cast<std::uint32_t>(type->version));
    fill_keys(*type, *json, to);
    return std::nullopt;
}

} // namespace

struct job_service::edit_call {
    explicit edit_call(std::size_t jobs) : entries(jobs), refused(jobs) {}
    shard_entries entries;
    std::vector<std::optional<failure>> refused; // in the order of the call
};

kj::Promise<void> job_service::edit(EditContext context) {
    if (const auto no = not_everywhere(edge_, feature::batches)) return refuse(context, *no);
    if (const auto wrong = wrong_edit(context.getParams().getChange())) return refuse(context, *wrong);
    return with_jobs(context, [this, context](call_place call) mutable {
        const auto made = std::make_shared<edit_call>(context.getParams().getIds().size());
        auto plan = [this, context, made]() mutable { plan_edit(context.getParams(), *made); };
        auto answer = [context, made](const std::vector<command_result>& results) mutable {
            answer_each(made->refused, results,
                        context.getResults().initResults(static_cast<unsigned>(made->refused.size())));
        };
        return change_as_read(context, kj::mv(call), made, std::move(plan), std::move(answer));
    });
}

void job_service::plan_edit(EditParams::Reader params, edit_call& made) {
    const auto ids = params.getIds();
    const auto change = params.getChange();
    const catalog_ptr declared = edge_.board->get();
    const auto tables = edge_.data->begin_read();
    const std::string reason{view_of(params.getReason()).substr(0, limits::progress_text_size_max)};
    capnp::MallocMessageBuilder scratch;
    for (unsigned i = 0; i < ids.size(); ++i) {
        const job_id id = read_id(ids[i]);
        auto command = scratch.initRoot<cmd::EditJob>();
        made.refused[i] = barred(id, permission::edit_jobs);
        if (!made.refused[i] && change.getHasPayload())
            made.refused[i] = check_new_payload(*tables, *declared, id, payload_text(change.getPayload()), command);
        if (made.refused[i]) continue;
        write_id(id, command.initJob());
        command.setPriority(change.getPriority());
        command.setHasPayload(change.getHasPayload());
        command.setPayload(change.getPayload());
        command.setBy(identity_.who.subject.c_str());
        command.setReason(reason.c_str());
        made.entries.next(id.shard()).setEditJob(command.asReader());
    }
}

} // namespace coppice
