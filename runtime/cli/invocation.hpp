// One run of one command: where it prints, what it is called, where its node is.
//
// A command is a file: `add_..._commands` declares its words and flags on CLI11's tree and leaves an `action`,
// which runs after the whole line was understood. Everything a command says on stderr begins with "coppice: its
// name: ".
#pragma once

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Validators.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/cli/command_line.hpp"
#include "runtime/cli/console.hpp"
#include "runtime/cli/exit_status.hpp"
#include "runtime/cli/output.hpp"
#include "runtime/client/blocking_client.hpp"
#include "schema/errc.hpp"

namespace coppice::cli {

struct connection_flags {
    std::string server;     // empty: the environment's, or the default
    std::string token_file; // likewise
};

struct invocation {
    console& con;
    std::string command;                   // "job submit"
    std::vector<std::string> after_dashes; // what stood behind "--": `worker` alone takes it

    // "coppice: job submit: line 3: ..." on stderr, made printable.
    void say(std::string_view text) const;
    // Says what the failure was and, where that helps, what to do; `about` names the part meant, or is empty.
    exit_status refuse(const failure& f, std::string_view about = {}) const;
    // Says what is wrong with the command line.
    exit_status misused(std::string_view text) const;
    // For stdout to a person or a program: the closing flush, and the status that is then right.
    exit_status ended(exit_status so_far) const {
        return con.finish() ? so_far : worse(so_far, exit_status::failed);
    }
};

using action = std::function<exit_status(invocation&)>;

// What the commands hang their words on; `chosen` is set by the command that the line names.
struct command_registry {
    CLI::App& root;
    std::string& name;
    action& chosen;
    serve_function serve;

    // Makes `app` a command: when the line names it, `run` is chosen under the name that is typed for it.
    void on_chosen(CLI::App& app, std::string typed, action run) const;
};

// 1 for what the node refused, 3 when there was no node.
exit_status status_of(const failure& f);
// What a person can do about it; empty when there is nothing to add. No newline.
std::string hint_for(const failure& f);

// ---- flags that many commands have
void add_connection_flags(CLI::App& app, connection_flags& flags);
void add_output_flag(CLI::App& app, output_format& format);
// An option that takes one of these words.
CLI::Option* add_choice(CLI::App& app, const std::string& flag, std::string& to, std::vector<std::string> words,
                        const std::string& what);
// A footer: examples, one a line, then the environment when the command talks to a node.
void teach(CLI::App& app, std::vector<std::string> examples, bool talks_to_node = true);

// ---- the node
enum class patience {
    none, // one answer: if the node is away, say so at once
    kept, // a wait or a batch: outlives a restart of the node, once it was reached
};
client::options connect_options(const connection_flags& flags, patience how);
// For patience::kept: whether the node is there and lets us in, asked once and impatiently.
expected<client::grant_view> try_login(const connection_flags& flags);

} // namespace coppice::cli
