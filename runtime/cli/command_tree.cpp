// coppice tree [PATH] [--all] [--watch]
#include <algorithm>

#include "runtime/cli/commands.hpp"
#include "runtime/cli/every_node.hpp"
#include "runtime/cli/tree_output.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

constexpr auto redraw = 1 * kj::SECONDS;

struct tree_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::string path;
    std::uint32_t limit = limits::page_size_max;
    bool watch = false;
    bool all = false; // nodes of the cluster
};

void print(invocation& call, const client::tree_page& page, const tree_flags& flags) {
    if (flags.format == output_format::json) {
        std::vector<std::string> items;
        for (const client::tree_row& row : page.rows) items.push_back(tree_row_json(row));
        call.con.print(json_object{}.raw("rows", json_array(items)).boolean("cut", page.cut).done() + "\n");
    } else {
        // From the top left, then whatever was below: without a flicker.
        const bool in_place = flags.watch && call.con.out_is_terminal();
        if (in_place) call.con.print("\x1b[H\x1b[2J");
        call.con.print(tree_text(page.rows, call.con.out_width()));
        if (flags.watch && !in_place) call.con.print("\n");
    }
    call.con.flush();
}

expected<client::tree_page> tree_of(const tree_flags& flags, const asked_node& whom) {
    client::blocking_client node(options_for(flags.connection, whom));
    auto page = node.tree(flags.path, flags.limit);
    if (!page || whom.name.empty()) return page;
    for (client::tree_row& row : page->rows) // "node/..." of each, told apart
        row.path.replace(0, std::min(row.path.find('/'), row.path.size()), whom.name);
    return page;
}

exit_status run_all(invocation& call, const tree_flags& flags) {
    const auto nodes = every_node(flags.connection);
    if (!nodes) return call.refuse(nodes.error());
    client::tree_page all;
    std::vector<std::string> silent;
    for (const asked_node& each : *nodes) {
        auto page = tree_of(flags, each);
        if (!page) {
            silent.push_back(each.name + " at " + each.server + ": " + to_string(page.error()));
            continue;
        }
        all.cut = all.cut || page->cut;
        std::ranges::move(page->rows, std::back_inserter(all.rows));
    }
    if (all.rows.empty() && silent.empty())
        return call.refuse({errc::not_found, "no actor at \"" + flags.path + "\" of any node", 0});
    print(call, all, flags);
    for (const std::string& each : silent) call.say(each);
    return silent.empty() ? exit_status::ok : exit_status::failed;
}

exit_status run_tree(invocation& call, const tree_flags& flags) {
    if (flags.all) return run_all(call, flags);
    if (flags.watch)
        if (const auto there = try_login(flags.connection); !there) return call.refuse(there.error());
    client::blocking_client node(connect_options(flags.connection, flags.watch ? patience::kept : patience::none));
    for (;;) {
        const auto page = node.tree(flags.path, flags.limit);
        if (!page) return call.refuse(page.error());
        if (page->rows.empty()) return call.refuse({errc::not_found, "no actor at \"" + flags.path + "\"", 0});
        print(call, *page, flags);
        if (page->cut && flags.format == output_format::table)
            call.con.say("cut at " + std::to_string(flags.limit) + " rows; name a PATH to see more of one part");
        if (!flags.watch || call.con.out_closed()) return exit_status::ok;
        node.run(node.io().provider->getTimer().afterDelay(redraw).then([] { return true; }));
    }
}

} // namespace

void add_tree_command(const command_registry& commands) {
    auto flags = std::make_shared<tree_flags>();
    auto* app = commands.root.add_subcommand(
        "tree", "Show the supervision tree: every actor, its state, mailbox, restarts, last failure");
    app->add_option("PATH", flags->path, "This actor and what is below it, such as node/shards");
    auto* watch = app->add_flag("--watch", flags->watch, "Again every second");
    app->add_flag("--all", flags->all, "Of every node of the cluster, one after the other; 1 when one is silent")
        ->excludes(watch);
    app->add_option("--limit", flags->limit, "At most so many rows (default 1000)")
        ->check(CLI::Range(std::uint32_t{1}, static_cast<std::uint32_t>(limits::page_size_max)));
    add_output_flag(*app, flags->format);
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice tree", "coppice tree node/shards --watch", "coppice tree --all"});
    commands.on_chosen(*app, "tree", [flags](invocation& call) { return run_tree(call, *flags); });
}

} // namespace coppice::cli
