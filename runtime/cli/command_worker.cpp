// coppice worker --types a,b --slots N -- CMD ...
#include "runtime/client/command_worker.hpp"

#include "runtime/cli/commands.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

struct worker_flags {
    connection_flags connection;
    std::string name;
    std::vector<std::string> types;
    std::vector<std::string> labels;
    std::uint32_t slots = 1;
    std::string work_root;
};

std::string host_name() {
    char name[256] = {};
    return ::gethostname(name, sizeof name - 1) == 0 && name[0] != '\0' ? name : "worker";
}

exit_status run_worker_command(invocation& call, const worker_flags& flags) {
    if (call.after_dashes.empty()) return call.misused("the command is missing; it stands behind --");
    call.say("running " + call.after_dashes.front() + " for jobs; SIGINT or SIGTERM ends after those under way");
    const auto done = client::run_command_worker(connect_options(flags.connection, patience::kept),
                                                 {.name = flags.name.empty() ? host_name() : flags.name,
                                                  .types = flags.types,
                                                  .labels = flags.labels,
                                                  .slots = flags.slots},
                                                 {.argv = call.after_dashes, .work_root = flags.work_root});
    return done ? exit_status::ok : call.refuse(done.error());
}

} // namespace

void add_worker_command(const command_registry& commands) {
    auto flags = std::make_shared<worker_flags>();
    auto* app = commands.root.add_subcommand(
        "worker",
        "Run jobs of the node here, each as a run of a command.\n"
        "The command gets the payload on stdin and JOB_ID, JOB_ATTEMPT, JOB_TENANT, JOB_TYPE in its "
        "environment;\nits stdout is the result, its stderr the log. It ends with 0 for success, 100 for a "
        "failure\nthat is not to be tried again, anything else for one that is.");
    app->add_option("--types", flags->types, "Job types to run, a,b,c")
        ->delimiter(',')
        ->allow_extra_args(false)
        ->required();
    app->add_option("--label", flags->labels,
                    "What this worker is or has, for job types that ask for it; may be repeated")
        ->allow_extra_args(false);
    app->add_option("--slots", flags->slots, "Jobs at a time (default 1)")
        ->check(CLI::Range(std::uint32_t{1}, static_cast<std::uint32_t>(limits::exec_attempts_max)));
    app->add_option("--name", flags->name, "Shown in the tree (default: the host's name)");
    app->add_option("--work-root", flags->work_root,
                    "Directory for the jobs' working directories (default: TMPDIR)");
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice worker --types resize,thumbnail --slots 4 -- ./resize.sh --fast"});
    commands.on_chosen(*app, "worker", [flags](invocation& call) { return run_worker_command(call, *flags); });
}

} // namespace coppice::cli
