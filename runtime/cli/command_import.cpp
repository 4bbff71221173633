// coppice import COLLECTION -f FILE: what `coppice export` wrote, line by line. A line that is wrong is reported by
// its number, and the rest goes on; what is there already is left as it is.
#include <filesystem>
#include <nlohmann/json.hpp>

#include "actors/governance/bounded_json.hpp"
#include "runtime/cli/bulk_submit.hpp"
#include "runtime/cli/commands.hpp"
#include "runtime/cli/csv_line.hpp"
#include "runtime/cli/declared_views.hpp"
#include "runtime/cli/exported.hpp"
#include "runtime/cli/interrupt.hpp"
#include "runtime/cli/own_job.hpp"

namespace coppice::cli {
namespace {

struct import_flags {
    connection_flags connection;
    std::string collection;
    std::string file;
    std::string format; // empty: by the file's name
    std::string tenant; // instead of the lines'
    bool with_ended = false;
};

bool is_csv(const import_flags& flags) {
    return flags.format == "csv" || (flags.format.empty() && flags.file.ends_with(".csv"));
}

// Lines as JSON objects, whichever of the two they are. The first one of CSV names the columns.
class line_reader {
  public:
    explicit line_reader(bool csv) : csv_(csv) {}
    // Nothing: it was that first line.
    expected<std::optional<std::string>> read(std::string_view line) {
        if (!csv_) return std::optional<std::string>{line};
        if (titles_.empty()) {
            auto titles = parse_csv_line(line);
            if (!titles) return tl::unexpected(titles.error());
            titles_ = std::move(*titles);
            return std::optional<std::string>{};
        }
        return json_from_csv(titles_, line).map([](std::string json) { return std::optional{std::move(json)}; });
    }

  private:
    bool csv_;
    std::vector<std::string> titles_;
};

struct import_counts {
    std::uint64_t taken = 0, were_there = 0, passed_over = 0, refused = 0;
};

exit_status tell(invocation& call, const import_flags& flags, const import_counts& n) {
    call.con.print(json_object{}
                       .text("collection", flags.collection)
                       .number("imported", n.taken)
                       .number("were_there", n.were_there)
                       .number("passed_over", n.passed_over)
                       .number("refused", n.refused)
                       .done() +
                   "\n");
    return n.refused > 0 ? exit_status::failed : exit_status::ok;
}

// ---- jobs

exit_status import_jobs(invocation& call, const import_flags& flags) {
    client::blocking_client node(connect_options(flags.connection, patience::kept));
    auto input = input_source::open(flags.file, node.io().unixEventPort);
    if (!input) return call.refuse(input.error(), "-f");
    std::error_code none;
    const auto size =
        std::filesystem::is_regular_file(flags.file, none) ? std::filesystem::file_size(flags.file, none) : 0;
    import_counts counts;
    line_reader lines(is_csv(flags));
    const auto parse = [&](std::string_view text) -> expected<std::optional<client::job_spec>> {
        const auto line = lines.read(text);
        if (!line) return tl::unexpected(line.error());
        if (!*line) return std::optional<client::job_spec>{};
        auto spec = job_from_line(**line, flags.tenant, flags.with_ended);
        if (spec && !*spec) ++counts.passed_over;
        return spec;
    };
    interrupt_watch interrupt(node.io());
    progress_bar bar(call.con, "imported", wall_clock_now());
    own_job job(call.con);
    bulk_submit submit(call, node.async(), **input, node.io().provider->getTimer(), output_format::table, nullptr,
                       {.parse = parse, .prints_ids = false});
    submit.on_answers([&] {
        const instant now = wall_clock_now();
        const double read = size > 0 ? static_cast<double>(submit.bytes_read()) / static_cast<double>(size) : 0;
        job.progress(read, std::to_string(submit.lines()) + " lines", now);
        if (!job.is_one()) bar.update({submit.lines(), submit.refused(), std::nullopt}, now);
    });
    auto interrupted = interrupt.arrived().then([&] { submit.stop(); }).eagerlyEvaluate(nullptr);
    node.run(submit.run());
    if (!job.is_one()) bar.finish(wall_clock_now());
    counts.taken = submit.accepted() - submit.were_there();
    counts.were_there = submit.were_there();
    counts.refused = submit.refused();
    exit_status status = tell(call, flags, counts);
    if (submit.fatal()) status = worse(status, call.refuse(*submit.fatal(), "stopped reading"));
    if (!submit.input_ended()) {
        call.say("not all was read; the same again goes on, for what was imported is known by its key");
        status = worse(status, exit_status::failed);
    }
    return status;
}

// ---- what is declared

// What a line declares, as YAML. Nothing: the type that `serve --dev` declares by itself, and nobody else may.
expected<std::optional<std::string>> document_from_line(std::string_view line, declared_kind kind) {
    const auto object = parse_json(line, {.size_max = limits::document_size_max});
    if (!object) return tl::unexpected(object.error());
    const auto text = [&](const char* name) {
        const bool there = object->is_object() && object->contains(name) && (*object)[name].is_string();
        return there ? (*object)[name].get<std::string>() : std::string{};
    };
    if (text("name").empty() || !object->contains("spec"))
        return fail(errc::invalid_argument, "the line must be an object with \"name\" and \"spec\"");
    if (!text("kind").empty() && text("kind") != to_string(kind))
        return fail(errc::invalid_argument,
                    "\"kind\" is " + text("kind") + ", not " + std::string{to_string(kind)});
    nlohmann::json spec = (*object)["spec"];
    if (spec.is_object() && spec.contains("argv_from_payload")) return std::optional<std::string>{};
    client::declared_view view{.kind = std::string{to_string(kind)}, .name = text("name")};
    if (spec.is_object()) spec["name"] = view.name; // as it is stored
    view.spec = spec.dump();
    return document_of(view, kind).map([](const declared_document& d) { return std::optional{to_yaml(d)}; });
}

// Why a line was not taken; nothing: it was. A line is a call: one that is wrong keeps no other from being
// declared.
std::optional<failure> declare(client::blocking_client& node, const std::string& yaml, std::uint64_t line,
                               import_counts& counts) {
    const auto result = node.apply({{"line " + std::to_string(line), yaml}});
    if (!result) return result.error();
    if (!result->errors.empty())
        return failure{errc::document_invalid, result->errors.front().path + ": " + result->errors.front().message,
                       0};
    for (const client::change& c : result->changes)
        ++(c.action == client::change_action::unchanged ? counts.were_there : counts.taken);
    return std::nullopt;
}

exit_status import_declared(invocation& call, const import_flags& flags, declared_kind kind) {
    const auto text = read_whole(flags.file, limits::rpc_message_size_max);
    if (!text) return call.refuse(text.error(), "-f");
    client::blocking_client node(connect_options(flags.connection, patience::kept));
    ndjson_reader reader(limits::document_size_max);
    reader.feed(*text);
    reader.end();
    line_reader lines(is_csv(flags));
    import_counts counts;
    while (const auto line = reader.next()) {
        const auto json = lines.read(line->text);
        if (json && !*json) continue;
        const auto yaml = json ? document_from_line(**json, kind) : tl::unexpected(json.error());
        if (yaml && !*yaml) {
            ++counts.passed_over;
            continue;
        }
        const auto why = yaml ? declare(node, **yaml, line->number, counts) : std::optional{yaml.error()};
        if (!why) continue;
        ++counts.refused;
        const exit_status status = call.refuse(*why, "line " + std::to_string(line->number));
        if (status == exit_status::unavailable) return status;
    }
    return tell(call, flags, counts);
}

exit_status run_import(invocation& call, const import_flags& flags) {
    const auto kind = kind_of(flags.collection);
    if (kind && (!flags.tenant.empty() || flags.with_ended))
        return call.misused("--tenant and --with-ended are for jobs");
    if (const auto there = try_login(flags.connection); !there) return call.refuse(there.error());
    return kind ? import_declared(call, flags, *kind) : import_jobs(call, flags);
}

} // namespace

void add_import_command(const command_registry& commands) {
    auto flags = std::make_shared<import_flags>();
    auto* app = commands.root.add_subcommand(
        "import", "Take in what `coppice export` wrote; the same again changes nothing, a bad line is reported");
    app->add_option("COLLECTION", flags->collection, "jobs, tenants, jobtypes or schedules")
        ->required()
        ->check(CLI::IsMember({"jobs", "tenants", "jobtypes", "schedules"}));
    app->add_option("-f,--file", flags->file, "A file, or - for stdin")->required();
    add_choice(*app, "--format", flags->format, {"ndjson", "csv"}, "ndjson or csv (default: by the file's name)");
    app->add_option("--tenant", flags->tenant, "Jobs: of this tenant, instead of the one in each line");
    app->add_flag("--with-ended", flags->with_ended,
                  "Jobs: do those again that had ended, too (default: they are passed over)");
    add_connection_flags(*app, flags->connection);
    teach(*app, {"coppice import jobs -f acme.ndjson", "coppice import jobs -f failed.csv --with-ended"});
    commands.on_chosen(*app, "import", [flags](invocation& call) { return run_import(call, *flags); });
}

} // namespace coppice::cli
