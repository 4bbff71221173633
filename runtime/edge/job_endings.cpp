// Part of job_service: what is done with jobs that have ended, which is to do them again, or to delete them.
#include <algorithm>
#include <capnp/message.h>
#include <map>
#include <numeric>

#include "runtime/edge/feature_gate.hpp"
#include "runtime/edge/job_changes.hpp"
#include "runtime/edge/submission.hpp"

namespace coppice {
namespace {

// What becomes of each job of a redrive: refused, answered by what is known, or by a command's result.
struct redrive_slot {
    std::optional<failure> refused;
    job_id existing;
    std::size_t command = 0;
};

// Reads what is to be done again and writes the commands that do it.
class redrive_builder {
  public:
    redrive_builder(read_tables& tables, const catalog& declared, submission_builder& submissions,
                    shard_entries& entries)
        : tables_(tables), declared_(declared), submissions_(submissions), entries_(entries) {}

    // Parents before their children: a redriven child waits for its parent's redrive.
    redrive_slot redrive(const job_id& id) {
        redrive_slot slot;
        if (again_.contains(id)) { // named twice
            slot.existing = again_.at(id);
            return slot;
        }
        const auto stored = tables_.get(table::jobs, keys::job(id));
        if (!stored) {
            slot.refused = no_such_job(id);
            return slot;
        }
        const auto row = reader_.read(*stored);
        slot.existing = read_id(row.getRedrivenAs());
        slot.command = entries_.size(); // if there will be one
        if (slot.existing.is_nil()) slot.refused = write(id, row);
        return slot;
    }

  private:
    std::optional<failure> write(const job_id& id, rec::JobRow::Reader row) {
        std::vector<job_id> after;
        if (auto no = parents(row, after)) return no;
        capnp::MallocMessageBuilder message;
        auto spec = message.initRoot<api::JobSpec>();
        const declared_tenant* tenant = declared_.tenant(id.tenant());
        const declared_type* type = declared_.type(type_id{row.getType()});
        if (tenant == nullptr || type == nullptr) return no_such_job(id);
        spec.setTenant(tenant->spec.name.c_str());
        spec.setType(type->spec.name.c_str());
        spec.setPriority(row.getPriority());
        spec.setRunAnyway(row.getRunAnyway());
        spec.setTraceparent(row.getTraceparent());
        if (row.hasLabels()) spec.setLabels(row.getLabels());
        spec.setPayload(payload_of(tables_, id, row));
        payload_bytes_ += spec.getPayload().size();
        if (payload_bytes_ > limits::rpc_message_size_max / 2)
            return failure{errc::overloaded, "the payloads of one call are more than is taken at once; ask again",
                           0};
        const auto known = submissions_.check(spec.asReader());
        if (!known) return known.error();
        if (known->bad_payload) return known->bad_payload;
        auto command = entries_.next(known->shard).initSubmit();
        submissions_.fill(spec.asReader(), *known, after, command);
        write_id(id, command.initRedrives());
        again_[id] = known->id;
        return std::nullopt;
    }

    // What the new job waits for; or why it could not but be cancelled again.
    std::optional<failure> parents(rec::JobRow::Reader row, std::vector<job_id>& after) {
        for (const auto each : row.getAfter()) {
            const job_id parent = read_id(each);
            const auto stored = tables_.get(table::jobs, keys::job(parent));
            if (!stored) continue; // kept no longer
            const auto found = parent_reader_.read(*stored);
            const job_id again = again_.contains(parent) ? again_.at(parent) : read_id(found.getRedrivenAs());
            if (again.is_nil() && is_terminal(found.getState()) && found.getState() != job_state::SUCCEEDED &&
                !row.getRunAnyway())
                return failure{errc::illegal_transition,
                               "it would wait for job " + to_string(parent) + ", which is " +
                                   std::string{to_string(found.getState())} +
                                   "; redrive that first, or both at once",
                               0};
            after.push_back(again.is_nil() ? parent : again);
        }
        return std::nullopt;
    }

    read_tables& tables_;
    const catalog& declared_;
    submission_builder& submissions_;
    shard_entries& entries_;
    std::map<job_id, job_id> again_; // of this call
    std::size_t payload_bytes_ = 0;
    record_reader<rec::JobRow> reader_;
    record_reader<rec::JobRow> parent_reader_;
};

void write_redriven(const redrive_slot& slot, const std::vector<command_result>& results,
                    api::Submitted::Builder to) {
    if (slot.refused) return write_failure(*slot.refused, to.initFailure());
    if (!slot.existing.is_nil()) {
        write_id(slot.existing, to.initId());
        return to.setExisting(true);
    }
    const command_result& r = results[slot.command];
    if (r.code != errc::ok) return write_failure(failure_of(r), to.initFailure());
    write_id(r.job, to.initId());
    to.setExisting(r.existing);
}

} // namespace

// What a redrive reads and then proposes; kept until it is answered.
struct job_service::redrive_call {
    explicit redrive_call(std::size_t jobs) : entries(jobs), slots(jobs) {}
    shard_entries entries;
    std::vector<redrive_slot> slots; // in the order of the call
};

kj::Promise<void> job_service::redrive(RedriveContext context) {
    if (const auto over = expired(identity_, edge_.clock())) return refuse(context, *over);
    if (const auto no = not_everywhere(edge_, feature::retention)) return refuse(context, *no);
    return with_jobs(context,
                     [this, context](call_place call) mutable { return redrive_known(context, kj::mv(call)); });
}

kj::Promise<void> job_service::redrive_known(RedriveContext context, call_place call) {
    const auto made = std::make_shared<redrive_call>(context.getParams().getIds().size());
    auto plan = [this, context, made]() mutable { plan_redrive(context.getParams().getIds(), *made); };
    auto answer = [context, made](const std::vector<command_result>& results) mutable {
        auto answers = context.getResults().initResults(static_cast<unsigned>(made->slots.size()));
        for (unsigned i = 0; i < answers.size(); ++i) write_redriven(made->slots[i], results, answers[i]);
    };
    return change_as_read(context, kj::mv(call), made, std::move(plan), std::move(answer));
}

// Ids lie in the order in which jobs were made, and parents are made before their children.
void job_service::plan_redrive(capnp::List<rec::Id>::Reader ids, redrive_call& made) {
    const catalog_ptr declared = edge_.board->get();
    submission_builder submissions{identity_,    *declared,     minter_,
                                   edge_.shards, edge_.clock(), permission::redrive_jobs};
    const auto tables = edge_.data->begin_read();
    redrive_builder builder{*tables, *declared, submissions, made.entries};
    std::vector<unsigned> order(ids.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::sort(order, {}, [&](unsigned i) { return read_id(ids[i]); });
    for (const unsigned i : order) {
        const job_id id = read_id(ids[i]);
        auto no = barred(id, permission::redrive_jobs);
        made.slots[i] =
            no ? redrive_slot{.refused = std::move(no), .existing = {}, .command = 0} : builder.redrive(id);
    }
}

kj::Promise<void> job_service::deleteJobs(DeleteJobsContext context) {
    if (const auto no = not_everywhere(edge_, feature::retention)) return refuse(context, *no);
    return with_jobs(context, [this, context](call_place call) mutable {
        const std::string reason{
            view_of(context.getParams().getReason()).substr(0, limits::progress_text_size_max)};
        return change_each(context, kj::mv(call), permission::delete_jobs,
                           [this, reason](const job_id& id, cmd::Command::Builder to) {
                               auto command = to.initDeleteJob();
                               write_id(id, command.initJob());
                               command.setBy(identity_.who.subject.c_str());
                               command.setReason(reason.c_str());
                           });
    });
}

} // namespace coppice
