// coppice top: what all nodes of the cluster do, again and again.
#include <kj/async-io.h>
#include <kj/vector.h>

#include "runtime/cli/commands.hpp"
#include "runtime/cli/every_node.hpp"
#include "runtime/cli/load_view.hpp"

namespace coppice::cli {
namespace {

struct top_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::string interval = "2s";
    std::uint32_t count = 0; // 0: until it is interrupted
};

constexpr milliseconds interval_min{100};

// One loop for all of them: a thread has one.
class all_nodes {
  public:
    all_nodes(const connection_flags& connection, const std::vector<asked_node>& nodes) {
        for (const asked_node& each : nodes)
            clients_.emplace_back(each.name, std::make_unique<client::client>(io_, options_for(connection, each)));
    }

    // Asks all at once. Of those that answer; what the others said is in `silent`. A failure when none does.
    expected<load_look> look(std::vector<std::string>& silent) {
        kj::Vector<kj::Promise<expected<std::string>>> asked;
        for (auto& [name, node] : clients_) asked.add(node->metrics());
        load_look now;
        std::optional<failure> last;
        for (std::size_t i = 0; i < clients_.size(); ++i) {
            const auto text = asked[i].wait(io_.waitScope);
            if (text) {
                add_metrics(now, *text);
                continue;
            }
            last = text.error();
            silent.push_back(clients_[i].first + ": " + to_string(text.error()));
        }
        now.at = wall_clock_now();
        if (now.nodes == 0 && last) return tl::unexpected(*last);
        return now;
    }
    void pause(milliseconds time) {
        io_.provider->getTimer().afterDelay(time.count() * kj::MILLISECONDS).wait(io_.waitScope);
    }

  private:
    kj::AsyncIoContext io_ = kj::setupAsyncIo();
    std::vector<std::pair<std::string, std::unique_ptr<client::client>>> clients_;
};

void show(invocation& call, const top_flags& flags, const load_look* before, const load_look& now,
          const std::vector<std::string>& silent) {
    if (flags.format == output_format::json) {
        call.con.print(load_json(before, now) + "\n");
    } else {
        if (call.con.out_is_terminal()) call.con.print("\x1b[H\x1b[2J");
        call.con.print(load_text(before, now, call.con.out_width()));
        if (!call.con.out_is_terminal()) call.con.print("\n");
    }
    call.con.flush();
    for (const std::string& each : silent) call.say(each);
}

exit_status run_top(invocation& call, const top_flags& flags) {
    const auto interval = parse_duration(flags.interval);
    if (!interval || *interval < interval_min)
        return call.misused("--interval: \"" + flags.interval + "\" is not a duration of at least 100ms");
    const auto nodes = every_node(flags.connection);
    if (!nodes) return call.refuse(nodes.error());
    all_nodes asked(flags.connection, *nodes);
    std::optional<load_look> before;
    for (std::uint32_t shown = 0;; asked.pause(*interval)) {
        std::vector<std::string> silent;
        auto now = asked.look(silent);
        if (!now) return call.refuse(now.error());
        show(call, flags, before ? &*before : nullptr, *now, silent);
        if (++shown == flags.count || call.con.out_closed()) return exit_status::ok;
        before = std::move(*now);
    }
}

} // namespace

void add_top_command(const command_registry& commands) {
    auto flags = std::make_shared<top_flags>();
    auto* app = commands.root.add_subcommand(
        "top", "Show what the node, or all nodes of its cluster, do: tenants, queues, rates, times");
    app->add_option("--interval", flags->interval, "Between two looks (default 2s); rates are of that time");
    app->add_option("--count", flags->count, "End after so many looks (default: never)");
    add_output_flag(*app, flags->format);
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice top", "coppice top --count 2 --interval 1s -o json"});
    commands.on_chosen(*app, "top", [flags](invocation& call) { return run_top(call, *flags); });
}

} // namespace coppice::cli
