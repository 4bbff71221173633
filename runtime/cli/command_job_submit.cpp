// coppice job submit: one job by flags, a stream of them by -f, or a graph of them by --graph.
#include <algorithm>

#include "runtime/cli/bulk_submit.hpp"
#include "runtime/cli/commands.hpp"
#include "runtime/cli/graph_lines.hpp"
#include "runtime/cli/interrupt.hpp"
#include "runtime/cli/job_flags.hpp"
#include "runtime/cli/job_line.hpp"
#include "runtime/cli/job_output.hpp"
#include "runtime/cli/progress_bar.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

struct submit_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::string tenant;
    std::string type;
    std::string payload;
    std::string key;
    int priority = 0;
    std::vector<std::string> after;
    std::string delay;
    std::string file;
    std::string graph;
    std::string traceparent;
    std::vector<std::string> labels;
    bool anyway = false;
    bool wait = false;
};

bool is_single(const submit_flags& f) {
    return !f.tenant.empty() || !f.type.empty() || !f.payload.empty() || !f.key.empty() || f.priority != 0 ||
           !f.after.empty() || !f.delay.empty() || !f.traceparent.empty() || !f.labels.empty() || f.anyway;
}

// Nothing, and it was said, when a flag is wrong; `status` is then what to exit with.
std::optional<client::job_spec> spec_of(const invocation& call, const submit_flags& flags, exit_status& status) {
    client::job_spec spec{.tenant = flags.tenant,
                          .type = flags.type,
                          .idempotency_key = flags.key,
                          .priority = flags.priority,
                          .run_anyway = flags.anyway,
                          .traceparent = flags.traceparent,
                          .labels = flags.labels};
    status = exit_status::usage;
    auto payload = read_payload(flags.payload);
    if (!payload) {
        status = call.refuse(payload.error(), "--payload");
        return std::nullopt;
    }
    spec.payload = std::move(*payload);
    for (const std::string& text : flags.after) {
        const auto id = parse_parent(text);
        if (!id) {
            call.misused("--after: " + id.error().detail);
            return std::nullopt;
        }
        spec.after.push_back(*id);
    }
    if (!flags.delay.empty()) {
        const auto delay = parse_delay(flags.delay);
        if (!delay) {
            call.misused("--delay: " + delay.error().detail);
            return std::nullopt;
        }
        spec.delay = *delay;
    }
    return spec;
}

// ---- one

using job_ends = std::vector<expected<client::job_end>>;

// How the jobs ended. Nothing, and it was said, when that was not to be learnt; `status` is then what to exit with.
// `existing`: they were there before, and may have ended before `since`. `later`: what goes on, and how to
// see more of it.
std::optional<job_ends> ends_of(invocation& call, client::blocking_client& node, std::vector<job_id> ids,
                                bool existing, const client::feed_place& since, const std::string& later,
                                exit_status& status) {
    interrupt_watch interrupt(node.io());
    progress_bar bar(call.con, "ended", wall_clock_now());
    const auto draw = [&bar](const client::wait_progress& p) {
        bar.update({p.ended, 0, p.total}, wall_clock_now());
    };
    bar.update({0, 0, ids.size()}, wall_clock_now());
    auto waiting =
        existing ? node.async().wait_all(std::move(ids), draw) : node.async().wait_all(std::move(ids), since, draw);
    auto ends = node.run(interrupt.or_interrupted(kj::mv(waiting)));
    call.con.clear_status();
    if (ends && *ends) return std::move(**ends);
    if (ends) {
        status = call.refuse(ends->error());
    } else {
        call.say("interrupted; " + later);
        status = exit_status::failed;
    }
    return std::nullopt;
}

exit_status wait_for_one(invocation& call, client::blocking_client& node, const client::submitted& sent,
                         const client::feed_place& since) {
    const std::string id = to_string(sent.id);
    exit_status status = exit_status::ok;
    const auto ends = ends_of(call, node, {sent.id}, sent.existing, since,
                              "job " + id + " goes on: coppice job watch " + id, status);
    if (!ends) return status;
    if (const auto& end = ends->front(); !end) return call.refuse(end.error(), id);
    const auto job = node.get(sent.id);
    if (!job) return call.refuse(job.error(), id);
    call.say("job " + id + " " + job_summary(*job));
    return job->state == job_state::SUCCEEDED ? exit_status::ok : exit_status::failed;
}

// Where to wait from, taken before a submit that is waited for.
expected<client::feed_place> place_before(client::blocking_client& node, bool wait) {
    return wait ? node.feed_position() : expected<client::feed_place>{};
}

exit_status submit_one(invocation& call, const submit_flags& flags) {
    if (flags.type.empty()) return call.misused("--type is needed, or -f FILE with one job a line");
    exit_status status = exit_status::ok;
    auto spec = spec_of(call, flags, status);
    if (!spec) return status;
    if (flags.wait)
        if (const auto there = try_login(flags.connection); !there) return call.refuse(there.error());
    client::blocking_client node(connect_options(flags.connection, flags.wait ? patience::kept : patience::none));
    const auto since = place_before(node, flags.wait);
    if (!since) return call.refuse(since.error());
    const auto sent = node.submit(std::move(*spec));
    if (!sent) return call.refuse(sent.error());
    const std::string id = to_string(sent->id);
    call.con.print(flags.format == output_format::json
                       ? json_object{}.text("id", id).boolean("existing", sent->existing).done() + "\n"
                       : id + "\n");
    call.con.flush();
    if (sent->existing)
        call.say(flags.key.empty() ? "a job like it is there already: this is its id"
                                   : "the key was used before, or a job like it is there: this is that one's id");
    return flags.wait ? wait_for_one(call, node, *sent, *since) : exit_status::ok;
}

// ---- many

class bulk_run {
  public:
    bulk_run(invocation& call, client::blocking_client& node, input_source& input, const submit_flags& flags,
             const client::feed_place& since)
        : call_(call), wait_(flags.wait), interrupt_(node.io()),
          bar_(call.con, flags.wait ? "ended" : "submitted", wall_clock_now()),
          submit_(call, node.async(), input, node.io().provider->getTimer(), flags.format,
                  wait_ ? &ends_ : nullptr),
          follower_(node.async(), ends_, since, [this] { news(); }) {
        submit_.on_answers([this] { answered(); });
        auto done = kj::newPromiseAndFulfiller<void>();
        all_ended_ = kj::mv(done.fulfiller);
        ended_ = kj::mv(done.promise);
    }

    exit_status run(client::blocking_client& node) {
        auto interrupted = interrupt_.arrived()
                               .then([this] {
                                   interrupted_ = true;
                                   submit_.stop();
                               })
                               .eagerlyEvaluate(nullptr);
        kj::Promise<expected<void>> followed = expected<void>{};
        if (wait_) followed = follower_.follow().eagerlyEvaluate(nullptr);
        node.run(submit_.run());
        all_answered_ = true;
        follower_.no_more();
        expected<void> waited;
        if (wait_ && !interrupted_ && ends_.awaited_count() > 0) {
            auto all = followed.exclusiveJoin(ended_.then([] { return expected<void>{}; }));
            const auto outcome = node.run(interrupt_.or_interrupted(kj::mv(all)));
            if (outcome)
                waited = *outcome;
            else
                interrupted_ = true;
        }
        return close(waited);
    }

  private:
    void answered() {
        if (wait_)
            if (auto ids = submit_.take_existing(); !ids.empty())
                questions_ =
                    questions_
                        .then([this, ids = std::move(ids)]() mutable { return follower_.ask(std::move(ids)); })
                        .then([](expected<void>) {})
                        .eagerlyEvaluate(nullptr);
        news();
    }

    void news() {
        bar_.update(counts(), wall_clock_now());
        if (all_answered_ && ends_.awaited_count() == 0) all_ended_->fulfill();
    }

    progress_counts counts() const {
        progress_counts c{submit_.lines(), submit_.refused(), std::nullopt};
        if (wait_) c = {ends_.ended_count(), ends_.failed_count(), ends_.accepted_count()};
        return c;
    }

    exit_status close(const expected<void>& waited) {
        if (!call_.con.out_closed()) bar_.finish(wall_clock_now());
        exit_status status = exit_status::ok;
        if (submit_.refused() > 0) {
            call_.say(std::to_string(submit_.refused()) + " of " + std::to_string(submit_.lines()) +
                      " lines were not submitted");
            status = exit_status::failed;
        }
        if (submit_.fatal()) status = worse(status, call_.refuse(*submit_.fatal(), "stopped reading"));
        if (!waited) status = worse(status, call_.refuse(waited.error(), "stopped waiting"));
        if (interrupted_) {
            call_.say("interrupted; " + std::to_string(submit_.accepted()) + " jobs were submitted" +
                      (wait_ ? " and go on, " + std::to_string(ends_.awaited_count()) + " of them not ended" : ""));
            status = worse(status, exit_status::failed);
        }
        if (!submit_.input_ended() || ends_.failed_count() > 0) status = worse(status, exit_status::failed);
        return status;
    }

    invocation& call_;
    bool wait_;
    bool interrupted_ = false;
    bool all_answered_ = false;
    interrupt_watch interrupt_;
    progress_bar bar_;
    end_tracker ends_;
    bulk_submit submit_;
    end_follower follower_;
    kj::Own<kj::PromiseFulfiller<void>> all_ended_;
    kj::Promise<void> ended_ = nullptr;
    kj::Promise<void> questions_ = kj::READY_NOW;
};

exit_status submit_many(invocation& call, const submit_flags& flags) {
    if (is_single(flags)) return call.misused("-f takes everything from the file; no other flag describes a job");
    if (const auto there = try_login(flags.connection); !there) return call.refuse(there.error());
    client::blocking_client node(connect_options(flags.connection, patience::kept));
    auto input = input_source::open(flags.file, node.io().unixEventPort);
    if (!input) return call.refuse(input.error(), "-f");
    const auto since = place_before(node, flags.wait);
    if (!since) return call.refuse(since.error());
    bulk_run run(call, node, **input, flags, *since);
    return run.run(node);
}

// ---- a graph

exit_status wait_for_graph(invocation& call, client::blocking_client& node, const client::graph_submitted& sent,
                           const client::feed_place& since) {
    exit_status status = exit_status::ok;
    const auto ends = ends_of(call, node, sent.ids, sent.existing, since,
                              "the jobs go on: coppice job graph " + to_string(sent.ids.front()), status);
    if (!ends) return status;
    const auto succeeded = static_cast<std::size_t>(
        std::ranges::count_if(*ends, [](const auto& end) { return end && end->state == job_state::SUCCEEDED; }));
    call.say(std::to_string(succeeded) + " of " + std::to_string(sent.ids.size()) + " jobs succeeded");
    return succeeded == sent.ids.size() ? exit_status::ok : exit_status::failed;
}

void print_graph_ids(invocation& call, const submit_flags& flags, const std::vector<client::graph_job>& jobs,
                     const client::graph_submitted& sent) {
    for (std::size_t i = 0; i < sent.ids.size() && i < jobs.size(); ++i) {
        const std::string id = to_string(sent.ids[i]);
        call.con.print(flags.format == output_format::json ? json_object{}
                                                                     .text("id", id)
                                                                     .text("name", jobs[i].name)
                                                                     .boolean("existing", sent.existing)
                                                                     .done() +
                                                                 "\n"
                                                           : id + "\n");
    }
    call.con.flush();
}

exit_status submit_graph(invocation& call, const submit_flags& flags) {
    if (!flags.file.empty() || !flags.type.empty() || !flags.payload.empty() || flags.priority != 0 ||
        !flags.after.empty() || !flags.delay.empty() || !flags.traceparent.empty() || !flags.labels.empty() ||
        flags.anyway)
        return call.misused("with --graph go --tenant, --key and --wait; the rest stands in the file");
    const auto text = read_whole(flags.graph, limits::rpc_message_size_max);
    if (!text) return call.refuse(text.error(), "--graph");
    auto jobs = parse_graph(*text);
    if (!jobs) return call.refuse(jobs.error(), flags.graph);
    for (client::graph_job& job : *jobs)
        if (job.spec.tenant.empty()) job.spec.tenant = flags.tenant;
    client::blocking_client node(connect_options(flags.connection, flags.wait ? patience::kept : patience::none));
    const auto since = place_before(node, flags.wait);
    if (!since) return call.refuse(since.error());
    const auto sent = node.run(node.async().submit_graph(*jobs, flags.key));
    if (!sent) return call.refuse(sent.error());
    print_graph_ids(call, flags, *jobs, *sent);
    if (sent->existing) call.say("the key was used before: these are the first graph's jobs");
    return flags.wait ? wait_for_graph(call, node, *sent, *since) : exit_status::ok;
}

} // namespace

void add_job_submit_command(const command_registry& commands, CLI::App& job) {
    auto flags = std::make_shared<submit_flags>();
    auto* app = job.add_subcommand(
        "submit", "Submit a job, or one for each line of a file; prints ids on stdout, each after its commit");
    app->add_option("--tenant", flags->tenant, "The tenant (default: the token's)");
    app->add_option("--type", flags->type, "The job type, as declared");
    app->add_option("--payload", flags->payload, "JSON, or @FILE, or - for stdin");
    app->add_option("--key", flags->key, "Idempotency key: the same key and body give the first job's id again");
    app->add_option("--priority", flags->priority, "1 (first) to 5; default 3")
        ->check(CLI::Range(limits::priority_first, limits::priority_last));
    app->add_option("--after", flags->after, "Start when this job succeeded; may be repeated")
        ->allow_extra_args(false);
    app->add_flag("--anyway", flags->anyway, "Start when those have ended, however they did");
    app->add_option("--delay", flags->delay, "Start not before that much time has passed: 90s, 1h30m");
    app->add_option("--traceparent", flags->traceparent,
                    "W3C Trace Context of the caller's span; attempts are handed it");
    app->add_option("--label", flags->labels, "NAME=VALUE, to search by; may be repeated")->allow_extra_args(false);
    app->add_option(
        "-f,--file", flags->file,
        "NDJSON, or - for stdin: an object a line with tenant, type, payload, key, priority, after, anyway, delay, "
        "traceparent, labels");
    app->add_option(
        "--graph", flags->graph,
        "The same, and a name for each job; `after` may name jobs of the file; `callback` is true of one that "
        "starts when all others have ended. All of them or none");
    app->add_flag("--wait", flags->wait, "Until they have ended; exit 1 when one did not succeed");
    add_output_flag(*app, flags->format);
    add_connection_flags(*app, flags->connection);
    teach(*app,
          {"coppice job submit --tenant acme --type wordcount --payload '{\"path\": \"/usr/share/dict/words\"}'",
           "id=$(coppice job submit --type report --after $A --after $B --wait)",
           "generate | coppice job submit -f - --wait", "coppice job submit --graph nightly.ndjson --wait"});
    commands.on_chosen(*app, "job submit", [flags](invocation& call) {
        if (!flags->graph.empty()) return submit_graph(call, *flags);
        return flags->file.empty() ? submit_one(call, *flags) : submit_many(call, *flags);
    });
}

} // namespace coppice::cli
