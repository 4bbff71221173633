// The lines that an attempt wrote: JobService.logs. The newest are in the tables, older ones may be in the result
// store.
#include "runtime/edge/job_service.hpp"
#include "runtime/edge/job_views.hpp"
#include "runtime/edge/loop_answer.hpp"
#include "runtime/edge/read_gate.hpp"
#include "runtime/results/stored_log.hpp"
#include "schema/wire_ids.hpp"
#include "schema/wire_text.hpp"

namespace coppice {

struct job_service::found_lines {
    attempt_ref ref;
    std::uint64_t from = 0;
    std::vector<log_line> lines; // of the tables
    bool may_be_stored = false;  // those before them, from `from` on
};

namespace {

// As many as were asked for.
void write_lines(std::uint32_t attempt, const std::vector<log_line>& lines,
                 api::JobService::LogsParams::Reader asked, api::JobService::LogsResults::Builder to) {
    auto rows = to.initLines(static_cast<unsigned>(std::min(lines.size(), rows_of_page(asked.getLimit()))));
    for (unsigned i = 0; i < rows.size(); ++i) {
        rows[i].setAttempt(attempt);
        rows[i].setSequence(lines[i].sequence);
        rows[i].setAtUs(to_us(lines[i].at));
        rows[i].setStream(static_cast<std::uint8_t>(lines[i].stream));
        rows[i].setText(lines[i].text.c_str());
    }
}

} // namespace

void job_service::read_lines(LogsContext& context, found_lines& found) {
    const auto params = context.getParams();
    const job_id id = read_id(params.getId());
    const auto tables = edge_.data->begin_read();
    const auto stored = tables->get(table::jobs, keys::job(id));
    if (!stored) return write_failure(no_such_job(id), context.getResults().initFailure());
    record_reader<rec::JobRow> job;
    const auto row = job.read(*stored);
    found.ref = {id, params.getAttempt() == 0 ? row.getAttempt() : params.getAttempt()};
    found.from = params.getFromSequence();
    const std::size_t wanted = rows_of_page(params.getLimit());
    const row_key prefix = keys::logs_of(id, found.ref.attempt);
    record_reader<rec::LogRow> reader;
    for (auto r = tables->seek(table::logs, keys::log(id, found.ref.attempt, found.from));
         r && has_prefix(r->key, prefix) && found.lines.size() < wanted; r = tables->next(table::logs)) {
        const auto line = reader.read(r->value);
        found.lines.push_back({key_reader{r->key.subspan(prefix.view().size())}.u64(), from_us(line.getAtUs()),
                               static_cast<log_stream>(line.getStream()), std::string{view(line.getText())}});
    }
    // The newest line is always here: where there is none from there on, there is none anywhere.
    found.may_be_stored =
        row.getHasStoredLines() && !found.lines.empty() && found.lines.front().sequence > found.from;
}

// A store that is away hides what it has, and not what is here.
kj::Promise<void> job_service::answer_stored_lines(LogsContext context, std::shared_ptr<found_lines> found) {
    auto call = take_call(identity_.connection);
    if (!call) return refuse(context, call.error());
    auto [promise, answer] = make_loop_answer<expected<std::vector<log_line>>>(edge_.inbox);
    fetch_lines(edge_.results, found->ref, found->from,
                [answer = std::move(answer)](expected<std::vector<log_line>> r) { answer->give(std::move(r)); });
    return promise
        .then([this, context, found](expected<std::vector<log_line>> older) mutable {
            if (!older)
                edge_.log.warn("lines of a log that are stored cannot be got",
                               {{"job", to_string(found->ref.job)}, {"why", older.error().detail}});
            write_lines(found->ref.attempt, older && !older->empty() ? *older : found->lines, context.getParams(),
                        context.getResults());
        })
        .attach(kj::mv(call));
}

kj::Promise<void> job_service::logs(LogsContext context) {
    const job_id id = read_id(context.getParams().getId());
    return with_job(context, id, permission::read_jobs, [this, context, id]() mutable {
        const auto found = std::make_shared<found_lines>();
        return when_readable(
                   edge_, {id.shard()}, context.getParams().getStaleOk(),
                   [this, context, found]() mutable { read_lines(context, *found); }, refusing(context))
            .then([this, context, found]() mutable -> kj::Promise<void> {
                if (context.getResults().hasFailure()) return kj::READY_NOW;
                if (found->may_be_stored && edge_.results) return answer_stored_lines(context, found);
                write_lines(found->ref.attempt, found->lines, context.getParams(), context.getResults());
                return kj::READY_NOW;
            });
    });
}

} // namespace coppice
