#include "runtime/results/line_json.hpp"

#include <nlohmann/json.hpp>

#include "actors/governance/bounded_json.hpp"

namespace coppice {
namespace {

using nlohmann::json;

tl::unexpected<failure> damaged(const std::string& what) {
    return fail(errc::store_damaged, "a log in the result store is not as it was stored: " + what);
}

} // namespace

std::string to_ndjson(const log_line& line) {
    return json{{"sequence", line.sequence},
                {"at_us", to_us(line.at)},
                {"stream", static_cast<unsigned>(line.stream)},
                {"text", line.text}}
               .dump(-1, ' ', false, json::error_handler_t::replace) +
           "\n";
}

expected<log_line> log_line_from(std::string_view text) {
    const auto object = parse_json(text, {.size_max = line_json_size_max});
    if (!object) return damaged(object.error().detail);
    const auto number = [&](const char* name) -> std::optional<std::int64_t> {
        const auto at = object->is_object() ? object->find(name) : object->end();
        if (at == object->end() || !at->is_number_integer()) return std::nullopt;
        return at->get<std::int64_t>();
    };
    const auto sequence = number("sequence"), at_us = number("at_us"), stream = number("stream");
    if (!sequence || !at_us || !stream || *sequence < 0 || *stream < 0 || *stream > 2)
        return damaged("a line has a sequence, a time and a stream");
    const auto said = object->find("text");
    if (said == object->end() || !said->is_string()) return damaged("a line has a text");
    return log_line{static_cast<std::uint64_t>(*sequence), from_us(*at_us), static_cast<log_stream>(*stream),
                    said->get<std::string>()};
}

} // namespace coppice
