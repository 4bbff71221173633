// coppice serve: the node itself. This file only makes its configuration.
#include "runtime/cli/command_serve.hpp"

#include "runtime/cli/commands.hpp"
#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {
namespace {

expected<void> take_endpoint(const std::optional<std::string>& text, std::string_view flag, endpoint& to) {
    if (!text) return {};
    auto parsed = parse_endpoint(*text);
    if (!parsed) return fail(errc::invalid_argument, std::string{flag} + ": " + parsed.error().detail);
    to = std::move(*parsed);
    return {};
}

} // namespace

expected<node_config> serve_config(const serve_flags& flags) {
    node_config config;
    if (!flags.config.empty()) {
        auto loaded = load_node_config(flags.config);
        if (!loaded) return tl::unexpected(to_failure(loaded.error()));
        config = std::move(*loaded);
    }
    if (flags.data) config.data = *flags.data;
    if (auto ok = take_endpoint(flags.listen, "--listen", config.listen); !ok) return tl::unexpected(ok.error());
    if (auto ok = take_endpoint(flags.metrics_listen, "--metrics-listen", config.metrics_listen); !ok)
        return tl::unexpected(ok.error());
    std::string wrong;
    for (const config_problem& each : validate(config))
        wrong += (wrong.empty() ? "" : "\n") + each.path + ": " + each.message;
    if (!wrong.empty()) return fail(errc::invalid_argument, std::move(wrong));
    return config;
}

void add_serve_command(const command_registry& commands) {
    auto flags = std::make_shared<serve_flags>();
    auto* app =
        commands.root.add_subcommand("serve", "Run a node: store jobs durably, run them, answer the others");
    app->add_option("--data", flags->data, "The data directory; made when it is missing (default: coppice-data)");
    app->add_option("--listen", flags->listen, "Where clients and workers connect (default: 127.0.0.1:7400)");
    app->add_option("--metrics-listen", flags->metrics_listen,
                    "Where Prometheus scrapes (default: 127.0.0.1:7401)");
    app->add_option("--config", flags->config, "YAML; flags are laid over it");
    app->add_flag("--dev", flags->development, "For development: a tenant and a job type to play with");
    teach(*app,
          {"coppice serve --dev --data ./coppice-data", "coppice serve --config /etc/coppice/node.yaml",
           "kill -HUP PID      # reads the token keys and the certificate again"},
          false);
    commands.on_chosen(*app, "serve", [flags, serve = commands.serve](invocation& call) {
        const auto config = serve_config(*flags);
        if (!config) {
            call.con.say("coppice: serve: " + printable_lines(config.error().detail));
            return exit_status::usage;
        }
        const auto served = serve(*config, flags->development);
        if (served) return exit_status::ok;
        call.say(to_string(served.error()));
        return exit_status::failed;
    });
}

} // namespace coppice::cli
