#include "runtime/cli/graph_lines.hpp"

#include <nlohmann/json.hpp>

#include "actors/governance/bounded_json.hpp"
#include "runtime/cli/job_line.hpp"
#include "runtime/cli/ndjson_reader.hpp"
#include "schema/limits.hpp"

namespace coppice::cli {
namespace {

using nlohmann::json;

// Takes `name` and `callback` out of the object, and the names out of its `after`; what is left is a line of
// job_line.hpp.
expected<void> take_names(json& object, client::graph_job& to) {
    const auto name = object.find("name");
    if (name == object.end() || !name->is_string() || name->get_ref<const std::string&>().empty())
        return fail(errc::invalid_argument, "\"name\" must be there, and a string: a job's name within the graph");
    to.name = name->get<std::string>();
    object.erase(name);
    if (const auto callback = object.find("callback"); callback != object.end()) {
        if (!callback->is_boolean())
            return fail(errc::invalid_argument, "\"callback\" must be true or false, not " + excerpt(*callback));
        to.callback = callback->get<bool>();
        object.erase(callback);
    }
    const auto after = object.find("after");
    if (after == object.end() || !after->is_array()) return {};
    json ids = json::array();
    for (const json& each : *after) {
        if (each.is_string() && !job_id::parse(each.get_ref<const std::string&>()))
            to.after.push_back(each.get<std::string>());
        else
            ids.push_back(each);
    }
    *after = std::move(ids);
    return {};
}

expected<client::graph_job> parse_graph_line(std::string_view line) {
    auto object = parse_json(line, {.size_max = limits::job_line_size_max});
    if (!object) return tl::unexpected(object.error());
    if (!object->is_object()) return fail(errc::invalid_argument, "the line must be one JSON object");
    client::graph_job job;
    if (auto ok = take_names(*object, job); !ok) return tl::unexpected(std::move(ok.error()));
    object->erase("payload"); // goes out as it is written, number for number
    auto spec = parse_job_line(object->dump());
    if (!spec) return tl::unexpected(std::move(spec.error()));
    job.spec = std::move(*spec);
    job.spec.payload = raw_member(line, "payload");
    return job;
}

} // namespace

expected<std::vector<client::graph_job>> parse_graph(std::string_view text) {
    ndjson_reader reader{limits::job_line_size_max};
    reader.feed(text);
    reader.end();
    std::vector<client::graph_job> jobs;
    for (auto line = reader.next(); line; line = reader.next()) {
        if (line->text.find_first_not_of(" \t\r") == std::string::npos && !line->too_long) continue;
        const std::string at = "line " + std::to_string(line->number) + ": ";
        if (line->too_long)
            return fail(errc::invalid_argument,
                        at + "longer than " + std::to_string(limits::job_line_size_max) + " bytes");
        auto job = parse_graph_line(line->text);
        if (!job) return fail(job.error().code, at + job.error().detail);
        jobs.push_back(std::move(*job));
    }
    return jobs;
}

} // namespace coppice::cli
