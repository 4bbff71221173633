// coppice apply -f FILE|DIR: declare tenants and job types.
#include <algorithm>
#include <filesystem>

#include "runtime/cli/commands.hpp"
#include "runtime/cli/input_source.hpp"
#include "runtime/cli/terminal_text.hpp"
#include "runtime/config/documents.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

struct apply_flags {
    connection_flags connection;
    output_format format = output_format::table;
    std::string path;
    bool dry_run = false;
};

// The *.yaml and *.yml of a directory in order of name, or the one file.
expected<std::vector<std::string>> files_of(const std::string& path) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (path == "-" || !fs::is_directory(path, error)) return std::vector<std::string>{path};
    std::vector<std::string> files;
    for (fs::directory_iterator at(path, error), end; !error && at != end; at.increment(error)) {
        const fs::path& file = at->path();
        const bool is_yaml = file.extension() == ".yaml" || file.extension() == ".yml";
        if (is_yaml && !file.filename().string().starts_with('.')) files.push_back(file.string());
        if (files.size() > limits::document_files_max)
            return fail(errc::invalid_argument,
                        path + " holds more than " + std::to_string(limits::document_files_max) + " files");
    }
    if (error) return fail(errc::invalid_argument, path + ": " + error.message());
    if (files.empty()) return fail(errc::not_found, path + " holds no *.yaml or *.yml");
    std::ranges::sort(files);
    return files;
}

expected<std::vector<client::document_file>> read_all(const std::string& path) {
    const auto names = files_of(path);
    if (!names) return tl::unexpected(names.error());
    std::vector<client::document_file> files;
    std::size_t total = 0;
    for (const std::string& name : *names) {
        auto text = read_whole(name, limits::document_size_max);
        if (!text) return tl::unexpected(std::move(text.error()));
        total += text->size();
        if (total > limits::rpc_message_size_max / 2)
            return fail(errc::payload_too_large,
                        "the files together are larger than one message takes; apply them in parts");
        files.push_back({name == "-" ? "stdin" : name, std::move(*text)});
    }
    return files;
}

std::string word_of(client::change_action action, bool dry_run) {
    switch (action) {
    case client::change_action::created:
        return dry_run ? "would be created" : "created";
    case client::change_action::updated:
        return dry_run ? "would be updated" : "updated";
    case client::change_action::unchanged:
        return "unchanged";
    }
    return "unknown";
}

std::string change_json(const client::change& c, bool dry_run) {
    return json_object{}
        .text("kind", c.kind)
        .text("name", c.name)
        .text("action", word_of(c.action, false))
        .number("version", c.version)
        .boolean("dry_run", dry_run)
        .done();
}

exit_status print_errors(invocation& call, const client::apply_result& result, output_format format) {
    std::vector<std::string> items;
    for (const client::document_error& e : result.errors) {
        const document_error shown{
            e.file, {static_cast<int>(e.line), static_cast<int>(e.column)}, e.path, e.message};
        call.con.say(printable(to_string(shown)));
        items.push_back(json_object{}
                            .text("file", e.file)
                            .number("line", e.line)
                            .number("column", e.column)
                            .text("path", e.path)
                            .text("message", e.message)
                            .done());
    }
    if (format == output_format::json)
        call.con.print(json_object{}.raw("changes", "[]").raw("errors", json_array(items)).done() + "\n");
    call.refuse({errc::document_invalid, std::to_string(result.errors.size()) + " errors", 0});
    return exit_status::failed;
}

exit_status run_apply(invocation& call, const apply_flags& flags) {
    auto files = read_all(flags.path);
    if (!files) return call.refuse(files.error(), "-f");
    client::blocking_client node(connect_options(flags.connection, patience::none));
    const auto result = node.apply(std::move(*files), flags.dry_run);
    if (!result) return call.refuse(result.error());
    if (!result->errors.empty()) return print_errors(call, *result, flags.format);
    if (flags.format == output_format::json) {
        std::vector<std::string> items;
        for (const client::change& c : result->changes) items.push_back(change_json(c, flags.dry_run));
        call.con.print(json_object{}.raw("changes", json_array(items)).raw("errors", "[]").done() + "\n");
        return exit_status::ok;
    }
    table out({{"KIND"}, {"NAME"}, {"CHANGE"}, {"VERSION", true}});
    for (const client::change& c : result->changes)
        out.add({c.kind, c.name, word_of(c.action, flags.dry_run), std::to_string(c.version)});
    call.con.print(out.take(call.con.out_width()));
    return exit_status::ok;
}

} // namespace

void add_apply_command(const command_registry& commands) {
    auto flags = std::make_shared<apply_flags>();
    auto* app = commands.root.add_subcommand(
        "apply",
        "Declare tenants and job types from YAML; all of it or nothing, and the same again changes nothing");
    app->add_option("-f,--file", flags->path, "A file, a directory of *.yaml, or - for stdin")->required();
    app->add_flag("--dry-run", flags->dry_run, "Say what would change, and change nothing");
    add_output_flag(*app, flags->format);
    add_connection_flags(*app, flags->connection);
    teach(*app,
          {"coppice apply -f platform.yaml --dry-run", "coppice get tenant acme -o yaml | coppice apply -f -"});
    commands.on_chosen(*app, "apply", [flags](invocation& call) { return run_apply(call, *flags); });
}

} // namespace coppice::cli
