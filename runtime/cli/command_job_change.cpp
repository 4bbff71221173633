// coppice job cancel | edit | redrive | delete
#include "runtime/cli/commands.hpp"
#include "runtime/cli/input_source.hpp"
#include "runtime/cli/job_selection.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

using answers = std::vector<expected<std::string>>;

answers without_text(const std::vector<expected<void>>& results) {
    answers to;
    for (const auto& r : results) {
        if (r)
            to.emplace_back(std::string{});
        else
            to.emplace_back(tl::unexpected(r.error()));
    }
    return to;
}

void add_cancel(const command_registry& commands, CLI::App& job) {
    auto flags = std::make_shared<selection_flags>();
    auto reason = std::make_shared<std::string>("cancelled from the command line");
    auto* app = job.add_subcommand("cancel", "Cancel jobs: waiting ones at once, running ones are told to stop");
    add_selection_flags(*app, *flags);
    app->add_option("--reason", *reason, "Stands in the job's record");
    teach(*app, {"coppice job cancel 0199a1b2-... --reason 'wrong input'",
                 "coppice job cancel --tenant acme --type resize --status queued --dry-run"});
    commands.on_chosen(*app, "job cancel", [flags, reason](invocation& call) {
        const job_change cancel{"cancelled", "told to stop",
                                [](const client::job_view& j) { return !is_terminal(j.state); },
                                [&](client::blocking_client& node, const std::vector<job_id>& ids) {
                                    return without_text(node.cancel(ids, *reason));
                                }};
        return change_selected(call, *flags, cancel);
    });
}

struct edit_flags {
    int priority = 0;
    std::string payload;
    std::string reason = "edited from the command line";
};

exit_status edit_jobs(invocation& call, const selection_flags& selected, const edit_flags& flags) {
    if (flags.priority == 0 && flags.payload.empty())
        return call.misused("say what to change: --priority, --payload");
    if (!flags.payload.empty() && selected.ids.empty())
        return call.misused("--payload goes with ids, not with what a filter finds");
    client::job_edit change{.priority = flags.priority};
    if (!flags.payload.empty()) {
        auto payload = read_payload(flags.payload);
        if (!payload) return call.refuse(payload.error(), "--payload");
        change.payload = std::move(*payload);
    }
    const job_change edit{"edited", "edited", [](const client::job_view& j) { return is_waiting(j.state); },
                          [&](client::blocking_client& node, const std::vector<job_id>& ids) {
                              return without_text(node.edit(ids, change, flags.reason));
                          }};
    return change_selected(call, selected, edit);
}

void add_edit(const command_registry& commands, CLI::App& job) {
    auto flags = std::make_shared<selection_flags>();
    auto what = std::make_shared<edit_flags>();
    auto* app = job.add_subcommand("edit", "Change jobs that wait: their priority, or their payload");
    add_selection_flags(*app, *flags);
    app->add_option("--priority", what->priority,
                    "1 (first) to 5; the job moves to the place that it would have had")
        ->check(CLI::Range(limits::priority_first, limits::priority_last));
    app->add_option("--payload", what->payload, "JSON, or @FILE, or - for stdin; in place of the one that it has");
    app->add_option("--reason", what->reason, "Stands in the evidence");
    teach(*app, {"coppice job edit 0199a1b2-... --payload '{\"w\": 4}' --reason 'was mistyped'",
                 "coppice job edit --tenant acme --type resize --priority 1 --dry-run"});
    commands.on_chosen(*app, "job edit",
                       [flags, what](invocation& call) { return edit_jobs(call, *flags, *what); });
}

// Those that were too much for one call are asked for again, as long as some get through.
answers redrive_each(client::blocking_client& node, const std::vector<job_id>& ids) {
    answers to(ids.size(), tl::unexpected(failure{errc::overloaded, {}, 0}));
    for (std::size_t done = 0, before = 0; done < ids.size(); before = done) {
        std::vector<std::size_t> places;
        std::vector<job_id> rest;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            if (to[i] || to[i].error().code != errc::overloaded) continue;
            places.push_back(i);
            rest.push_back(ids[i]);
        }
        const auto results = node.redrive(rest);
        for (std::size_t i = 0; i < results.size(); ++i) {
            if (results[i])
                to[places[i]] = to_string(results[i]->id);
            else
                to[places[i]] = tl::unexpected(results[i].error());
            if (results[i] || results[i].error().code != errc::overloaded) ++done;
        }
        if (done == before) break;
    }
    return to;
}

void add_redrive(const command_registry& commands, CLI::App& job) {
    auto flags = std::make_shared<selection_flags>();
    auto* app =
        job.add_subcommand("redrive", "Do jobs that failed or were cancelled again, as new jobs; each once");
    add_selection_flags(*app, *flags);
    teach(*app, {"coppice job redrive 0199a1b2-...",
                 "coppice job redrive --tenant acme --status failed --since 2h --dry-run"});
    commands.on_chosen(*app, "job redrive", [flags](invocation& call) {
        const job_change redrive{"redriven", "redriven",
                                 [](const client::job_view& j) {
                                     return (j.state == job_state::FAILED || j.state == job_state::CANCELLED) &&
                                            j.redriven_as.is_nil();
                                 },
                                 redrive_each};
        return change_selected(call, *flags, redrive);
    });
}

void add_delete(const command_registry& commands, CLI::App& job) {
    auto flags = std::make_shared<selection_flags>();
    auto reason = std::make_shared<std::string>("deleted from the command line");
    auto* app =
        job.add_subcommand("delete", "Erase jobs that have ended, with logs and result; evidence of them stays");
    add_selection_flags(*app, *flags);
    app->add_option("--reason", *reason, "Stands in the evidence");
    teach(*app, {"coppice job delete 0199a1b2-...",
                 "coppice job delete --tenant acme --status cancelled --until 30d --dry-run"});
    commands.on_chosen(*app, "job delete", [flags, reason](invocation& call) {
        const job_change erase{"deleted", "deleted", [](const client::job_view& j) { return is_terminal(j.state); },
                               [&](client::blocking_client& node, const std::vector<job_id>& ids) {
                                   return without_text(node.delete_jobs(ids, *reason));
                               }};
        return change_selected(call, *flags, erase);
    });
}

} // namespace

void add_job_change_commands(const command_registry& commands, CLI::App& job) {
    add_cancel(commands, job);
    add_edit(commands, job);
    add_redrive(commands, job);
    add_delete(commands, job);
}

} // namespace coppice::cli
