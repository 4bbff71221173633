// coppice get KIND [NAME]: what is declared.
#include <algorithm>
#include <cctype>

#include "runtime/cli/commands.hpp"
#include "runtime/cli/declared_views.hpp"
#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {
namespace {

struct get_flags {
    connection_flags connection;
    std::string format = "table";
    std::string kind;
    std::string name;
};

expected<std::string> yaml_of(const client::declared_view& view, declared_kind kind) {
    return document_of(view, kind).map([](const declared_document& d) { return to_yaml(d); });
}

std::string json_of(const client::declared_view& view) {
    return json_object{}
        .text("kind", view.kind)
        .text("name", view.name)
        .number("version", view.version)
        .time("changed_at", view.changed)
        .text("changed_by", view.changed_by)
        .foreign("spec", view.spec)
        .done();
}

exit_status print_yaml(invocation& call, const std::vector<client::declared_view>& views, declared_kind kind) {
    exit_status status = exit_status::ok;
    bool first = true;
    for (const client::declared_view& view : views) {
        const auto yaml = yaml_of(view, kind);
        if (!yaml) {
            // A newer node may have fields that this program does not know.
            status = worse(status, call.refuse(yaml.error(), view.name));
            continue;
        }
        if (!first) call.con.print("---\n");
        first = false;
        call.con.print(printable_lines(*yaml));
        if (!yaml->ends_with('\n')) call.con.print("\n");
    }
    return status;
}

exit_status run_get(invocation& call, const get_flags& flags) {
    const auto kind = kind_of(flags.kind);
    if (!kind) return call.misused("\"" + flags.kind + "\" is no kind; there are tenants, jobtypes and schedules");
    client::blocking_client node(connect_options(flags.connection, patience::none));
    const auto views = node.get_declared(std::string{to_string(*kind)}, flags.name);
    if (!views) return call.refuse(views.error());
    if (flags.format == "yaml") return print_yaml(call, *views, *kind);
    if (flags.format == "json") {
        // One when one was named, else one a line.
        for (const client::declared_view& view : *views) call.con.print(json_of(view) + "\n");
        return exit_status::ok;
    }
    table out({{"NAME"}, {"VERSION", true}, {"CHANGED"}, {"BY", false, true}, {"SPEC", false, true}});
    for (const client::declared_view& view : *views)
        out.add({view.name, std::to_string(view.version), time_cell(view.changed), text_or_dash(view.changed_by),
                 view.spec});
    if (views->empty()) call.con.say("none is declared");
    if (!out.empty()) call.con.print(out.take(call.con.out_width()));
    return exit_status::ok;
}

} // namespace

void add_get_command(const command_registry& commands) {
    auto flags = std::make_shared<get_flags>();
    auto* app = commands.root.add_subcommand("get", "Show what is declared: tenants or jobtypes");
    app->add_option("KIND", flags->kind, "tenants or jobtypes")->required();
    app->add_option("NAME", flags->name, "This one only");
    add_choice(*app, "-o,--output", flags->format, {"table", "json", "yaml"},
               "table (default), json (one document a line) or yaml");
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice get tenants", "coppice get jobtype wordcount -o yaml > wordcount.yaml"});
    commands.on_chosen(*app, "get", [flags](invocation& call) { return run_get(call, *flags); });
}

} // namespace coppice::cli
