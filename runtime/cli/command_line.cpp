#include "runtime/cli/command_line.hpp"

#include <CLI/Error.hpp>

#include <algorithm>
#include <csignal>

#include "runtime/cli/commands.hpp"

namespace coppice::cli {
namespace {

constexpr const char* introduction =
    "Coppice runs the jobs of many tenants, durably.\n"
    "`coppice serve` is a node; every other command talks to one. `coppice COMMAND --help` teaches each.";

void add_all(const command_registry& commands) {
    add_serve_command(commands);
    add_cluster_commands(commands);
    add_node_commands(commands);
    add_shard_commands(commands);
    add_apply_command(commands);
    add_get_command(commands);
    add_job_commands(commands);
    add_schedule_commands(commands);
    add_queue_commands(commands);
    add_worker_command(commands);
    add_token_command(commands);
    add_tree_command(commands);
    add_top_command(commands);
    add_metrics_command(commands);
    add_doctor_command(commands);
    add_export_command(commands);
    add_import_command(commands);
    add_bench_commands(commands);
    add_completion_command(commands);
    add_version_command(commands);
}

// What stands behind "--" is not ours to understand: it goes to the command as it is, and CLI11 never sees it.
std::vector<std::string> take_after_dashes(std::vector<std::string>& arguments) {
    const auto dashes = std::ranges::find(arguments, "--");
    if (dashes == arguments.end() || arguments.front() != "worker") return {};
    std::vector<std::string> rest(dashes + 1, arguments.end());
    arguments.erase(dashes, arguments.end());
    return rest;
}

// The command that the line got to before it went wrong, for the hint.
std::string reached(const CLI::App& root) {
    std::string words;
    for (const CLI::App* at = &root; at != nullptr;) {
        const auto below = at->get_subcommands();
        at = below.empty() ? nullptr : below.front();
        if (at != nullptr) words += at->get_name() + " ";
    }
    return words;
}

int misunderstood(console& con, const CLI::App& root, const CLI::ParseError& error) {
    if (error.get_name() == "CallForHelp" || error.get_name() == "CallForAllHelp") {
        con.print(root.help());
        return con.finish() ? 0 : 1;
    }
    const std::string words = reached(root);
    const std::string prefix = words.empty() ? "" : words.substr(0, words.size() - 1) + ": ";
    std::string what = error.what();
    std::ranges::replace(what, '\n', ' ');
    con.say("coppice: " + prefix + what);
    con.say("  hint: coppice " + words + "--help");
    return static_cast<int>(exit_status::usage);
}

} // namespace

int run_command_line(std::vector<std::string> arguments, console& con, serve_function serve) {
    std::signal(SIGPIPE, SIG_IGN);
    auto after_dashes = take_after_dashes(arguments);

    CLI::App root(introduction, "coppice");
    root.require_subcommand(1);
    std::string name;
    action chosen;
    add_all({root, name, chosen, serve});
    teach(root, {"coppice serve --dev --data ./coppice-data", "coppice apply -f platform.yaml",
                 "coppice job submit --tenant acme --type wordcount --payload '{\"path\": "
                 "\"/usr/share/dict/words\"}' --wait",
                 "coppice tree --watch"});
    if (!arguments.empty() && arguments.front() == "__complete") { // a shell asks; `completion` told it to
        for (const std::string& word : completions(root, {arguments.begin() + 1, arguments.end()}))
            con.print(word + "\n");
        return con.finish() ? 0 : 1;
    }
    try {
        std::ranges::reverse(arguments); // CLI11 takes a vector from its end
        root.parse(arguments);
    } catch (const CLI::ParseError& error) {
        return misunderstood(con, root, error);
    }
    invocation call{con, name, std::move(after_dashes)};
    return static_cast<int>(call.ended(chosen(call)));
}

int run_command_line(int argc, char** argv, serve_function serve) {
    console con;
    return run_command_line(std::vector<std::string>(argv + std::min(argc, 1), argv + argc), con, serve);
}

} // namespace coppice::cli
