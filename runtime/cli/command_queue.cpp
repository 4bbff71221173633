// coppice queue explain | pause | resume | drain
#include "runtime/cli/commands.hpp"
#include "runtime/cli/declared_change.hpp"
#include "runtime/cli/interrupt.hpp"
#include "runtime/cli/job_flags.hpp"
#include "runtime/cli/terminal_text.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

exit_status run_explain(invocation& call, const ids_flags& flags) {
    return for_each_job(
        call, flags,
        [&](client::blocking_client& node, const job_id& id) {
            return node.run(node.async().explain(id, mode_of(flags.stale_ok)));
        },
        [&](const job_id& id, const std::vector<std::string>& reasons) {
            if (flags.format == output_format::json) {
                json_object o;
                o.text("id", to_string(id)).raw("reasons", json_texts(reasons));
                return call.con.print(o.done() + "\n");
            }
            call.con.print(to_string(id) + "\n");
            for (const std::string& each : reasons) call.con.print("  " + printable(each) + "\n");
        });
}

struct pause_flags {
    connection_flags connection;
    std::string tenant;
    std::string type;
};

exit_status run_pause(invocation& call, const pause_flags& flags, bool paused) {
    if (flags.tenant.empty() == flags.type.empty()) return call.misused("either --tenant or --type is needed");
    client::blocking_client node(connect_options(flags.connection, patience::none));
    return flags.tenant.empty() ? set_paused(call, node, declared_kind::job_type, flags.type, paused)
                                : set_paused(call, node, declared_kind::tenant, flags.tenant, paused);
}

// How many jobs of it run: exactly, up to a page of them.
expected<std::size_t> running(client::blocking_client& node, const pause_flags& flags) {
    client::job_filter filter{.tenant = flags.tenant, .type = flags.type, .state = job_state::RUNNING};
    std::string cursor;
    do {
        const auto page = node.list(filter, static_cast<std::uint32_t>(limits::page_size_max), cursor);
        if (!page) return tl::unexpected(page.error());
        if (!page->jobs.empty()) return page->jobs.size();
        cursor = page->cursor;
    } while (!cursor.empty());
    return 0;
}

// Pauses, and goes on when nothing of it runs any more.
exit_status run_drain(invocation& call, const pause_flags& flags) {
    if (const exit_status paused = run_pause(call, flags, true); paused != exit_status::ok) return paused;
    client::blocking_client node(connect_options(flags.connection, patience::kept));
    interrupt_watch interrupt(node.io());
    for (std::size_t said = 0;;) {
        const auto left = running(node, flags);
        if (!left) return call.refuse(left.error());
        if (*left == 0) {
            call.con.print("drained\n");
            return exit_status::ok;
        }
        if (*left != said) call.say(std::to_string(*left) + " still running");
        said = *left;
        auto pause = node.io().provider->getTimer().afterDelay(500 * kj::MILLISECONDS).then([] { return true; });
        if (node.run(interrupt.or_interrupted(kj::mv(pause)))) continue;
        call.say("interrupted; it stays paused: coppice queue resume");
        return exit_status::failed;
    }
}

void add_drain(const command_registry& commands, CLI::App& queue) {
    auto flags = std::make_shared<pause_flags>();
    auto* app = queue.add_subcommand("drain", "Pause a tenant or a job type, and wait until nothing of it runs");
    app->add_option("--tenant", flags->tenant, "The tenant");
    app->add_option("--type", flags->type, "The job type, of all tenants");
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice queue drain --tenant acme", "coppice queue drain --type resize"});
    commands.on_chosen(*app, "queue drain", [flags](invocation& call) { return run_drain(call, *flags); });
}

void add_pause(const command_registry& commands, CLI::App& queue, bool paused) {
    auto flags = std::make_shared<pause_flags>();
    const std::string word = paused ? "pause" : "resume";
    auto* app =
        queue.add_subcommand(word, paused ? "Start nothing more of a tenant or a job type; what runs goes on"
                                          : "Let a tenant or a job type start its jobs again");
    app->add_option("--tenant", flags->tenant, "The tenant");
    app->add_option("--type", flags->type, "The job type, of all tenants");
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice queue " + word + " --tenant acme", "coppice queue " + word + " --type resize"});
    commands.on_chosen(*app, "queue " + word,
                       [flags, paused](invocation& call) { return run_pause(call, *flags, paused); });
}

} // namespace

void add_queue_commands(const command_registry& commands) {
    auto* queue = commands.root.add_subcommand("queue", "Why jobs wait; pause, drain and resume");
    queue->require_subcommand(1);
    teach(*queue, {"coppice queue explain 0199a1b2-...", "coppice queue pause --tenant acme"});
    auto flags = std::make_shared<ids_flags>();
    auto* explain = queue->add_subcommand("explain", "Say what a job waits for, in words");
    add_ids_flags(*explain, *flags);
    add_stale_flag(*explain, flags->stale_ok);
    teach(*explain,
          {"coppice queue explain 0199a1b2-...", "coppice queue explain $id -o json | jq -r '.reasons[]'"});
    commands.on_chosen(*explain, "queue explain", [flags](invocation& call) { return run_explain(call, *flags); });
    add_pause(commands, *queue, true);
    add_pause(commands, *queue, false);
    add_drain(commands, *queue);
}

} // namespace coppice::cli
