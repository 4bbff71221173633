// coppice job watch | logs
#include "runtime/cli/commands.hpp"
#include "runtime/cli/interrupt.hpp"
#include "runtime/cli/job_flags.hpp"
#include "runtime/cli/job_output.hpp"
#include "runtime/cli/terminal_text.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

constexpr std::size_t watched_max = limits::rpc_calls_per_connection_max / 2; // a long poll each
constexpr milliseconds watch_poll = limits::long_poll_max;
constexpr milliseconds log_poll{1000}; // lines come without a change of the job's revision

class job_watcher {
  public:
    job_watcher(invocation& call, client::client& node, output_format format)
        : call_(call), node_(node), format_(format) {}

    kj::Promise<void> watch(job_id id) {
        return node_.get(id).then([this, id](expected<client::job_view> job) { return seen(id, std::move(job)); });
    }
    exit_status status() const { return status_; }

  private:
    kj::Promise<void> seen(job_id id, expected<client::job_view> job) {
        if (!job) {
            status_ = worse(status_, call_.refuse(job.error(), to_string(id)));
            return kj::READY_NOW;
        }
        print(*job);
        if (is_terminal(job->state)) {
            if (job->state != job_state::SUCCEEDED) status_ = worse(status_, exit_status::failed);
            return kj::READY_NOW;
        }
        if (call_.con.out_closed()) return kj::READY_NOW;
        return next(id, job->revision);
    }

    kj::Promise<void> next(job_id id, std::uint64_t revision) {
        return node_.watch(id, revision, watch_poll)
            .then([this, id, revision](expected<client::job_view> job) -> kj::Promise<void> {
                if (job && job->revision <= revision) return next(id, revision);
                return seen(id, std::move(job));
            });
    }

    void print(const client::job_view& job) {
        if (format_ == output_format::json) {
            call_.con.print(job_json(job, false) + "\n");
        } else {
            std::string line = to_string(job.id) + "  " + job_summary(job);
            if (!is_terminal(job.state) && (job.progress > 0 || !job.progress_text.empty()))
                line += ", " + std::to_string(static_cast<int>(job.progress * 100)) + "% " + job.progress_text;
            call_.con.print(printable(line) + "\n");
        }
        call_.con.flush();
    }

    invocation& call_;
    client::client& node_;
    output_format format_;
    exit_status status_ = exit_status::ok;
};

exit_status run_watch(invocation& call, const ids_flags& flags) {
    const auto ids = parse_ids(call, flags.ids);
    if (!ids) return exit_status::usage;
    if (ids->size() > watched_max)
        return call.misused("at most " + std::to_string(watched_max) + " jobs can be watched at a time");
    if (const auto there = try_login(flags.connection); !there) return call.refuse(there.error());
    client::blocking_client node(connect_options(flags.connection, patience::kept));
    interrupt_watch interrupt(node.io());
    job_watcher watcher(call, node.async(), flags.format);
    auto watches = kj::heapArrayBuilder<kj::Promise<void>>(ids->size());
    for (const job_id& id : *ids) watches.add(watcher.watch(id));
    auto all = kj::joinPromises(watches.finish()).then([] { return true; });
    if (node.run(interrupt.or_interrupted(kj::mv(all)))) return watcher.status();
    call.say("interrupted; the jobs go on");
    return exit_status::failed;
}

struct log_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::vector<std::string> ids;
    std::uint32_t attempt = 0;
    bool follow = false;
    bool stale_ok = false;
};

std::string_view word_of(log_stream s) {
    return s == log_stream::out ? "out" : s == log_stream::err ? "err" : s == log_stream::system ? "sys" : "?";
}

void print_line(invocation& call, const job_id& id, const client::log_view& line, output_format format) {
    if (format == output_format::json)
        call.con.print(json_object{}
                           .text("id", to_string(id))
                           .number("attempt", line.attempt)
                           .number("sequence", line.sequence)
                           .time("at", line.at)
                           .text("stream", word_of(line.stream))
                           .text("text", line.text)
                           .done() +
                       "\n");
    else
        call.con.print(to_rfc3339(line.at) + " " + std::string{word_of(line.stream)} + " " + printable(line.text) +
                       "\n");
}

// Where the reading of one job's lines stands.
struct log_position {
    std::uint32_t attempt = 0; // 0: the newest, not known yet
    std::uint64_t sequence = 0;
};

// What is there from `at` on. A gap in the sequence is said: lines were dropped.
expected<std::size_t> print_lines(invocation& call, client::blocking_client& node, const job_id& id,
                                  log_position& at, const log_flags& flags) {
    std::size_t count = 0;
    while (!call.con.out_closed()) {
        const auto lines = node.logs(id, at.attempt, at.sequence, limits::page_size_max, mode_of(flags.stale_ok));
        if (!lines) return tl::unexpected(lines.error());
        if (lines->empty()) break;
        for (const client::log_view& line : *lines) {
            if (line.sequence > at.sequence)
                call.say(to_string(id) + ": attempt " + std::to_string(line.attempt) + ": " +
                         std::to_string(line.sequence - at.sequence) + " lines were dropped");
            print_line(call, id, line, flags.format);
            at = {line.attempt, line.sequence + 1};
        }
        count += lines->size();
    }
    call.con.flush();
    return count;
}

// Until the job has ended and its last line was printed. Each attempt's lines follow the one before.
expected<void> follow_lines(invocation& call, client::blocking_client& node, const job_id& id,
                            const log_flags& flags) {
    log_position at{flags.attempt, 0};
    std::uint64_t revision = 0;
    while (!call.con.out_closed()) {
        // The job first: an end seen here means that the lines read next are all.
        const auto job = revision == 0 ? node.get(id) : node.watch(id, revision, log_poll);
        if (!job) return tl::unexpected(job.error());
        revision = job->revision;
        if (at.attempt == 0) at.attempt = job->attempts;
        if (at.attempt != 0)
            if (const auto printed = print_lines(call, node, id, at, flags); !printed)
                return tl::unexpected(printed.error());
        const bool over = is_terminal(job->state) || flags.attempt != 0;
        if (at.attempt < job->attempts && flags.attempt == 0)
            at = {at.attempt + 1, 0};
        else if (over && (is_terminal(job->state) || at.attempt < job->attempts))
            return {};
    }
    return {};
}

exit_status run_logs(invocation& call, const log_flags& flags) {
    const auto ids = parse_ids(call, flags.ids);
    if (!ids) return exit_status::usage;
    if (flags.follow)
        if (const auto there = try_login(flags.connection); !there) return call.refuse(there.error());
    client::blocking_client node(connect_options(flags.connection, flags.follow ? patience::kept : patience::none));
    exit_status status = exit_status::ok;
    for (const job_id& id : *ids) {
        expected<void> done;
        if (flags.follow) {
            done = follow_lines(call, node, id, flags);
        } else {
            log_position at{flags.attempt, 0};
            if (const auto printed = print_lines(call, node, id, at, flags); !printed)
                done = tl::unexpected(printed.error());
        }
        if (!done) status = worse(status, call.refuse(done.error(), to_string(id)));
        if (status == exit_status::unavailable) break;
    }
    return status;
}

} // namespace

void add_job_follow_commands(const command_registry& commands, CLI::App& job) {
    auto watch = std::make_shared<ids_flags>();
    auto* watch_app = job.add_subcommand(
        "watch", "Print a line for each change until the jobs have ended; 1 when one did not succeed");
    add_ids_flags(*watch_app, *watch);
    teach(*watch_app, {"coppice job watch 0199a1b2-..."});
    commands.on_chosen(*watch_app, "job watch", [watch](invocation& call) { return run_watch(call, *watch); });

    auto logs = std::make_shared<log_flags>();
    auto* logs_app = job.add_subcommand("logs", "Print what jobs wrote: time, stream, text");
    logs_app->add_option("ID", logs->ids, "Jobs, as `job submit` prints them")->required();
    logs_app->add_option("--attempt", logs->attempt, "Of this attempt (default: the newest)");
    logs_app->add_flag("--follow", logs->follow, "Go on until the job has ended");
    add_stale_flag(*logs_app, logs->stale_ok);
    add_output_flag(*logs_app, logs->format);
    add_connection_flags(*logs_app, logs->connection);
    teach(*logs_app, {"coppice job logs --follow 0199a1b2-..."});
    commands.on_chosen(*logs_app, "job logs", [logs](invocation& call) { return run_logs(call, *logs); });
}

} // namespace coppice::cli
