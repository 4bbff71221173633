// coppice shard list | move SHARD NODE
#include <algorithm>

#include "runtime/cli/commands.hpp"

namespace coppice::cli {
namespace {

constexpr int hops_max = 3; // a shard whose primary changes while we go after it

struct shard_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::uint16_t shard = 0;
    std::uint32_t to = 0;
};

std::string joined(const std::vector<std::uint32_t>& numbers) {
    std::string text;
    for (const std::uint32_t n : numbers) text += (text.empty() ? "" : ",") + std::to_string(n);
    return text_or_dash(text);
}

std::string json_numbers(const std::vector<std::uint32_t>& numbers) {
    std::vector<std::string> items;
    for (const std::uint32_t n : numbers) items.push_back(std::to_string(n));
    return json_array(items);
}

std::string shards_text(const std::vector<client::shard_view>& shards, std::size_t width) {
    table out({{"SHARD", true},
               {"EPOCH", true},
               {"PRIMARY", true},
               {"IN SYNC", false},
               {"REPLICAS", false},
               {"ROLE HERE", false},
               {"APPLIED HERE", true},
               {"LEASE HERE", false}});
    for (const client::shard_view& s : shards)
        out.add({std::to_string(s.shard), std::to_string(s.epoch), s.primary == 0 ? "-" : std::to_string(s.primary),
                 joined(s.in_sync), joined(s.replicas), s.role, std::to_string(s.applied),
                 s.lease_valid ? "valid" : "-"});
    return out.take(width);
}

std::string shard_json(const client::shard_view& s) {
    json_object o;
    o.number("shard", s.shard).number("epoch", s.epoch);
    if (s.primary == 0)
        o.null("primary");
    else
        o.number("primary", s.primary);
    return o.raw("in_sync", json_numbers(s.in_sync))
        .raw("replicas", json_numbers(s.replicas))
        .text("role", s.role)
        .number("applied", s.applied)
        .boolean("lease_valid", s.lease_valid)
        .done();
}

exit_status run_list(invocation& call, const shard_flags& flags) {
    client::blocking_client node(connect_options(flags.connection, patience::none));
    const auto shards = node.shards();
    if (!shards) return call.refuse(shards.error());
    if (flags.format == output_format::table) {
        call.con.print(shards_text(*shards, call.con.out_width()));
        return exit_status::ok;
    }
    for (const client::shard_view& s : *shards) call.con.print(shard_json(s) + "\n");
    return exit_status::ok;
}

// Asks one node; of one that does not lead the shard it learns where to ask next.
struct answer {
    client::move_result result;
    std::string next; // its address; empty: nobody leads, or its address is not known
};
expected<answer> ask(const shard_flags& flags, const std::string& server) {
    client::options where = connect_options(flags.connection, patience::none);
    if (!server.empty()) where.server = server;
    client::blocking_client node(std::move(where));
    const auto moved = node.move_shard(flags.shard, flags.to);
    if (!moved) return tl::unexpected(moved.error());
    if (moved->moved) return answer{*moved, {}};
    const auto nodes = node.nodes();
    if (!nodes) return tl::unexpected(nodes.error());
    const auto found = std::ranges::find(*nodes, moved->primary, &client::node_view::node);
    return answer{*moved, found == nodes->end() ? std::string{} : found->rpc};
}

exit_status run_move(invocation& call, const shard_flags& flags) {
    std::string server;
    for (int hop = 0; hop <= hops_max; ++hop) {
        const auto answered = ask(flags, server);
        if (!answered) return call.refuse(answered.error(), server);
        if (answered->result.moved) {
            if (flags.format == output_format::json)
                call.con.print(json_object{}.number("shard", flags.shard).number("primary", flags.to).done() +
                               "\n");
            else
                call.con.print("shard " + std::to_string(flags.shard) + " is led by node " +
                               std::to_string(flags.to) + "\n");
            return exit_status::ok;
        }
        if (answered->next.empty()) break;
        server = answered->next;
    }
    return call.refuse({errc::not_primary, "no node was found that leads shard " + std::to_string(flags.shard), 0});
}

} // namespace

void add_shard_commands(const command_registry& commands) {
    auto* shard = commands.root.add_subcommand("shard", "The shards of a cluster: who leads and holds them");
    shard->require_subcommand(1);

    auto listed = std::make_shared<shard_flags>();
    auto* list = shard->add_subcommand("list", "The shards, and what the node that is asked has of them");
    add_output_flag(*list, listed->format);
    add_connection_flags(*list, listed->connection);
    teach(*list, {"coppice shard list", "coppice shard list -o json"});
    commands.on_chosen(*list, "shard list", [listed](invocation& call) { return run_list(call, *listed); });

    auto moved = std::make_shared<shard_flags>();
    auto* move = shard->add_subcommand("move", "Have a node that is in sync lead a shard");
    move->add_option("SHARD", moved->shard, "Its number, as `coppice shard list` has it")->required();
    move->add_option("NODE", moved->to, "Who is to lead it")
        ->required()
        ->check(CLI::Range(std::uint32_t{1}, std::numeric_limits<std::uint32_t>::max()));
    add_output_flag(*move, moved->format);
    add_connection_flags(*move, moved->connection);
    teach(*move, {"coppice shard move 0 2"});
    commands.on_chosen(*move, "shard move", [moved](invocation& call) { return run_move(call, *moved); });
}

} // namespace coppice::cli
