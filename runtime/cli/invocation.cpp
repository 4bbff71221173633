#include "runtime/cli/invocation.hpp"

#include <CLI/Option.hpp>

#include <map>

#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {
namespace {

constexpr std::string_view environment_help =
    "Environment:\n"
    "  COPPICE_SERVER      host:port of the node (127.0.0.1:7400 when unset); a comma between several of a "
    "cluster\n"
    "  COPPICE_TOKEN       the token to log in with; COPPICE_TOKEN_FILE names a file that holds it\n"
    "  COPPICE_TLS_CA      connect by TLS and trust this PEM file (\"system\": the system's own)\n"
    "  COPPICE_TLS_NAME    the name in the node's certificate, when it is not the host's\n";

constexpr std::string_view get_a_token =
    "get a token on the node's machine: export COPPICE_TOKEN=$(coppice token issue --role sre --data DIR), "
    "or name a file with --token-file";

} // namespace

void invocation::say(std::string_view text) const { con.say("coppice: " + command + ": " + printable(text)); }

exit_status invocation::refuse(const failure& f, std::string_view about) const {
    std::string text;
    if (!about.empty()) text = std::string{about} + ": ";
    say(text + to_string(f));
    if (const std::string hint = hint_for(f); !hint.empty()) con.say("  hint: " + printable(hint));
    return status_of(f);
}

exit_status invocation::misused(std::string_view text) const {
    say(text);
    con.say("  hint: coppice " + command + " --help");
    return exit_status::usage;
}

void command_registry::on_chosen(CLI::App& app, std::string typed, action run) const {
    app.callback([&to_name = name, &to_action = chosen, typed = std::move(typed), run = std::move(run)] {
        to_name = typed;
        to_action = run;
    });
}

exit_status status_of(const failure& f) {
    return f.code == errc::unavailable ? exit_status::unavailable : exit_status::failed;
}

std::string hint_for(const failure& f) {
    switch (f.code) {
    case errc::unavailable:
        return "is a node running there? `coppice serve --dev` starts one; --server or COPPICE_SERVER names "
               "another";
    case errc::unauthenticated:
    case errc::token_audience:
        return std::string{get_a_token};
    case errc::token_expired:
        return "issue a new one: coppice token issue --role ROLE [--ttl 24h]";
    case errc::permission_denied:
        return "use a token of another role: coppice token issue --help lists them";
    case errc::unknown_type:
        return "`coppice get jobtypes` lists what is declared; `coppice apply -f FILE` declares more";
    case errc::unknown_tenant:
        return "`coppice get tenants` lists what is declared; `coppice apply -f FILE` declares more";
    case errc::type_not_allowed:
        return "add the type to the tenant's spec.types and `coppice apply` it";
    case errc::unknown_outcome:
        return "`coppice job list` shows whether it is there; with --key a submit may be repeated";
    case errc::storage_full:
        return "make room on the node's disk, or restart it with a larger store.map_bytes; what was accepted is "
               "safe, "
               "and new work is taken again as soon as there is space";
    case errc::queue_full:
    case errc::overloaded:
        if (f.retry_after_ms > 0) return "try again in " + format_duration(milliseconds{f.retry_after_ms});
        return "try again later";
    case errc::cursor_expired:
        return "begin again without --cursor";
    default:
        return {};
    }
}

void add_connection_flags(CLI::App& app, connection_flags& flags) {
    app.add_option("--server", flags.server,
                   "The node's address, host:port; of several nodes with commas between them (COPPICE_SERVER)");
    app.add_option("--token-file", flags.token_file, "File with the token (COPPICE_TOKEN_FILE, COPPICE_TOKEN)");
}

void add_output_flag(CLI::App& app, output_format& format) {
    app.add_option_function<std::string>(
           "-o,--output",
           [&format](const std::string& word) {
               format = word == "json" ? output_format::json : output_format::table;
           },
           "How to print: table (default) or json, one document a line")
        ->check(CLI::IsMember(std::vector<std::string>{"table", "json"}));
}

CLI::Option* add_choice(CLI::App& app, const std::string& flag, std::string& to, std::vector<std::string> words,
                        const std::string& what) {
    return app.add_option(flag, to, what)->check(CLI::IsMember(std::move(words)));
}

void teach(CLI::App& app, std::vector<std::string> examples, bool talks_to_node) {
    std::string text = examples.size() == 1 ? "Example:\n" : "Examples:\n";
    for (const std::string& each : examples) text += "  " + each + "\n";
    if (talks_to_node) text += "\n" + std::string{environment_help};
    app.footer(text);
}

client::options connect_options(const connection_flags& flags, patience how) {
    client::options o = client::options_from_environment();
    if (!flags.server.empty()) o.server = flags.server;
    if (!flags.token_file.empty()) o.token_file = flags.token_file;
    if (how == patience::none) o.retry_for = milliseconds{0};
    o.client_version = "coppice-cli " COPPICE_VERSION;
    return o;
}

expected<client::grant_view> try_login(const connection_flags& flags) {
    client::blocking_client node(connect_options(flags, patience::none));
    return node.login();
}

} // namespace coppice::cli
