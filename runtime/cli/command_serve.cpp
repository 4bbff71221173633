// coppice serve: the node itself. This file only makes its configuration.
#include "runtime/cli/command_serve.hpp"

#include "persistence/secret_file.hpp"
#include "runtime/cli/commands.hpp"
#include "runtime/cli/terminal_text.hpp"
#include "runtime/joining/node_files.hpp"

namespace coppice::cli {
namespace {

constexpr std::uint16_t peer_port_default = 7410;

expected<void> take_endpoint(const std::optional<std::string>& text, std::string_view flag, endpoint& to) {
    if (!text) return {};
    auto parsed = parse_endpoint(*text);
    if (!parsed) return fail(errc::invalid_argument, std::string{flag} + ": " + parsed.error().detail);
    to = std::move(*parsed);
    return {};
}

// Of its first line alone: what an editor left below is no part of it.
expected<std::string> token_of(const std::string& flag) {
    if (!flag.starts_with('@')) return flag;
    std::string text;
    if (const auto mode = read_small_file(flag.substr(1), limits::join_token_size_max * 2, text); !mode)
        return tl::unexpected(mode.error());
    return text;
}

expected<join_options> options_of(const serve_flags& flags) {
    const auto bad = [](const char* what) { return fail(errc::invalid_argument, what); };
    if (!flags.config.empty()) return bad("--join makes a configuration; without --config");
    if (!flags.data) return bad("--join needs --data DIR");
    if (!flags.at) return bad("--join needs --at HOST:PORT, as `coppice cluster token` says");
    join_options options;
    auto token = token_of(flags.join);
    if (!token) return tl::unexpected(token.error());
    options.token = std::move(*token);
    options.data = *flags.data;
    options.zone = flags.zone;
    const std::pair<const std::optional<std::string>&, std::pair<std::string_view, endpoint&>> places[] = {
        {flags.at, {"--at", options.at}},
        {flags.listen, {"--listen", options.config.listen}},
        {flags.metrics_listen, {"--metrics-listen", options.config.metrics_listen}},
        {flags.peer_listen, {"--peer-listen", options.peer_listen}}};
    for (const auto& [text, to] : places)
        if (auto ok = take_endpoint(text, to.first, to.second); !ok) return tl::unexpected(ok.error());
    if (!flags.peer_listen) options.peer_listen = {options.config.listen.host, peer_port_default};
    return options;
}

} // namespace

expected<node_config> join_config(const serve_flags& flags) {
    const auto options = options_of(flags);
    if (!options) return tl::unexpected(options.error());
    std::error_code error;
    std::filesystem::path config = std::filesystem::absolute(options->data) / "node.yaml";
    if (!std::filesystem::exists(config, error)) {
        const auto joined = join_cluster(*options, wall_clock_now());
        if (!joined) return tl::unexpected(joined.error());
        config = joined->config();
    }
    serve_flags joined;
    joined.paused = flags.paused;
    joined.config = config.string();
    return serve_config(joined);
}

expected<node_config> serve_config(const serve_flags& flags) {
    node_config config;
    if (!flags.config.empty()) {
        auto loaded = load_node_config(flags.config);
        if (!loaded) return tl::unexpected(to_failure(loaded.error()));
        config = std::move(*loaded);
    }
    if (flags.data) config.data = *flags.data;
    config.paused = config.paused || flags.paused;
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
    app->add_option("--join", flags->join,
                    "A token of `coppice cluster token`, or @FILE: join that cluster first, unless DIR has joined");
    app->add_option("--at", flags->at, "With --join: where that cluster lets nodes in");
    app->add_option("--peer-listen", flags->peer_listen,
                    "With --join: for the other nodes (default: --listen's host, port 7410)");
    app->add_option("--zone", flags->zone, "With --join: what fails together, a rack, a room");
    app->add_flag("--paused", flags->paused, "Start no jobs until `coppice node release`");
    app->add_flag("--dev", flags->development, "For development: a tenant and a job type to play with");
    teach(*app,
          {"coppice serve --dev --data ./coppice-data", "coppice serve --config /etc/coppice/node.yaml",
           "coppice serve --join @token --at 10.0.0.1:7411 --data ./n4 --listen 10.0.0.4:7400",
           "kill -HUP PID      # reads the token keys and the certificate again"},
          false);
    commands.on_chosen(*app, "serve", [flags, serve = commands.serve](invocation& call) {
        const auto config = flags->join.empty() ? serve_config(*flags) : join_config(*flags);
        if (!config && config.error().code != errc::invalid_argument &&
            config.error().code != errc::document_invalid) {
            call.say(to_string(config.error()));
            return exit_status::failed;
        }
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
