// coppice node list | drain N | resume N | remove N
#include "runtime/cli/commands.hpp"
#include "runtime/cli/every_node.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

struct node_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::uint32_t node = 0;
    bool all = false;
};

std::string state_cell(const client::node_view& n) {
    if (n.is_self) return n.state + " (asked)";
    return n.linked || n.state == "removed" ? n.state : n.state + ", no link";
}

std::string known_or_dash(std::uint64_t number) { return number == 0 ? "-" : std::to_string(number); }

std::string nodes_text(const std::vector<client::node_view>& nodes, std::size_t width) {
    table out({{"NODE", true},
               {"STATE", false},
               {"ZONE", false, true},
               {"ADDRESS", false},
               {"PEER", false},
               {"LEADS", true},
               {"IN SYNC", true},
               {"HOLDS", true},
               {"APPLIED", true},
               {"SEEN", true}});
    for (const client::node_view& n : nodes)
        out.add({std::to_string(n.node), state_cell(n), text_or_dash(n.zone), n.rpc, n.peer,
                 std::to_string(n.leads), std::to_string(n.in_sync), std::to_string(n.holds),
                 known_or_dash(n.applied), n.seen ? age_cell(*n.seen) : "-"});
    return out.take(width);
}

std::string node_json(const client::node_view& n) {
    json_object o;
    o.number("node", n.node).text("name", n.name).text("state", n.state);
    if (n.zone.empty())
        o.null("zone");
    else
        o.text("zone", n.zone);
    o.text("rpc", n.rpc)
        .text("peer", n.peer)
        .number("leads", n.leads)
        .number("in_sync", n.in_sync)
        .number("holds", n.holds)
        .boolean("asked", n.is_self)
        .boolean("linked", n.linked);
    if (n.seen)
        o.number("seen_ms", n.seen->count());
    else
        o.null("seen_ms");
    if (n.applied == 0)
        o.null("applied");
    else
        o.number("applied", n.applied);
    return o.done();
}

exit_status run_list(invocation& call, const node_flags& flags) {
    client::blocking_client node(connect_options(flags.connection, patience::none));
    auto nodes = node.nodes();
    if (!nodes) return call.refuse(nodes.error());
    if (!flags.all) std::erase_if(*nodes, [](const client::node_view& n) { return n.state == "removed"; });
    if (flags.format == output_format::table) {
        call.con.print(nodes_text(*nodes, call.con.out_width()));
        return exit_status::ok;
    }
    for (const client::node_view& n : *nodes) call.con.print(node_json(n) + "\n");
    return exit_status::ok;
}

exit_status run_change(invocation& call, const node_flags& flags, client::node_change change, const char* becomes) {
    client::blocking_client node(connect_options(flags.connection, patience::none));
    if (const auto done = node.change_node(flags.node, change); !done) return call.refuse(done.error());
    if (flags.format == output_format::json)
        call.con.print(json_object{}.number("node", flags.node).text("state", becomes).done() + "\n");
    else
        call.con.print("node " + std::to_string(flags.node) + " " + becomes + "\n");
    return exit_status::ok;
}

void add_change(const command_registry& commands, CLI::App& node, const char* word, client::node_change change,
                const char* becomes, const char* what) {
    auto flags = std::make_shared<node_flags>();
    auto* app = node.add_subcommand(word, what);
    app->add_option("NODE", flags->node, "Its number, as `coppice node list` has it")
        ->required()
        ->check(CLI::Range(std::uint32_t{1}, std::numeric_limits<std::uint32_t>::max()));
    add_output_flag(*app, flags->format);
    add_connection_flags(*app, flags->connection);
    teach(*app, {std::string{"coppice node "} + word + " 2"});
    commands.on_chosen(*app, std::string{"node "} + word, [flags, change, becomes](invocation& call) {
        return run_change(call, *flags, change, becomes);
    });
}

struct starts_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::uint32_t rate = 0;
    bool all = false;
};

std::string starts_words(const client::start_setting& is) {
    if (is.closed) return "starts no jobs";
    return is.per_second == 0 ? "starts jobs"
                              : "starts at most " + std::to_string(is.per_second) + " jobs a second";
}

exit_status change_starts(invocation& call, const starts_flags& flags, const client::start_setting& to) {
    const auto nodes = flags.all ? every_node(flags.connection) : std::vector<asked_node>{{}};
    if (!nodes) return call.refuse(nodes.error());
    exit_status status = exit_status::ok;
    for (const asked_node& each : *nodes) {
        const std::string name = each.name.empty() ? "the node" : each.name;
        client::blocking_client node(options_for(flags.connection, each));
        const auto is = node.starts(to);
        if (!is) {
            status = worse(status, call.refuse(is.error(), each.name));
        } else if (flags.format == output_format::json) {
            call.con.print(json_object{}
                               .text("node", each.name)
                               .boolean("paused", is->closed)
                               .number("per_second", is->per_second)
                               .done() +
                           "\n");
        } else {
            call.con.print(name + " " + starts_words(*is) + "\n");
        }
    }
    return status;
}

void add_starts_flags(CLI::App& app, starts_flags& flags) {
    app.add_flag("--all", flags.all, "Every node of the cluster, not only the one that is asked");
    add_output_flag(app, flags.format);
    add_connection_flags(app, flags.connection);
}

void add_pause_and_release(const command_registry& commands, CLI::App& node) {
    auto paused = std::make_shared<starts_flags>();
    auto* pause = node.add_subcommand(
        "pause", "Start no jobs of the shards that a node leads; what runs goes on, what is submitted waits");
    add_starts_flags(*pause, *paused);
    teach(*pause, {"coppice node pause --all"});
    commands.on_chosen(*pause, "node pause",
                       [paused](invocation& call) { return change_starts(call, *paused, {.closed = true}); });

    auto released = std::make_shared<starts_flags>();
    auto* release =
        node.add_subcommand("release", "Start jobs again, as fast as there are slots or slowly at first");
    release->add_option("--rate", released->rate, "At most so many a second, of each node (default: no bound)")
        ->check(CLI::Range(std::uint32_t{1}, limits::rate_starts_max));
    add_starts_flags(*release, *released);
    teach(*release, {"coppice node release --all --rate 50", "coppice node release --all"});
    commands.on_chosen(*release, "node release", [released](invocation& call) {
        return change_starts(call, *released, {.per_second = released->rate});
    });
}

} // namespace

void add_node_commands(const command_registry& commands) {
    auto* node = commands.root.add_subcommand(
        "node", "The nodes of a cluster: list, drain, resume, remove; pause and release starts");
    node->require_subcommand(1);

    auto flags = std::make_shared<node_flags>();
    auto* list = node->add_subcommand("list", "The nodes, as the one that is asked sees them");
    list->add_flag("--all", flags->all, "Those that were removed, too");
    add_output_flag(*list, flags->format);
    add_connection_flags(*list, flags->connection);
    teach(*list, {"coppice node list", "coppice node list -o json --server 10.0.0.1:7400,10.0.0.2:7400"});
    commands.on_chosen(*list, "node list", [flags](invocation& call) { return run_list(call, *flags); });

    add_pause_and_release(commands, *node);
    add_change(commands, *node, "drain", client::node_change::drain, "draining",
               "Have others take over what a node leads, then what it holds: before its machine is worked on");
    add_change(commands, *node, "resume", client::node_change::resume, "active",
               "Let a node that was drained hold and lead again");
    add_change(commands, *node, "remove", client::node_change::remove, "removed",
               "Take a node out of the cluster for good: it stops, and cannot come back; drain it first");
}

} // namespace coppice::cli
