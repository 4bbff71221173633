#include "runtime/cli/metrics_json.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <vector>

#include "runtime/cli/output.hpp"

namespace coppice::cli {
namespace {

// The quoted value at the front of `rest`, which loses it.
std::optional<std::string> take_quoted(std::string_view& rest) {
    if (!rest.starts_with('"')) return std::nullopt;
    std::string value;
    for (std::size_t at = 1; at < rest.size(); ++at) {
        if (rest[at] == '"') {
            rest.remove_prefix(at + 1);
            return value;
        }
        if (rest[at] == '\\' && at + 1 < rest.size()) {
            ++at;
            value += rest[at] == 'n' ? '\n' : rest[at];
        } else {
            value += rest[at];
        }
    }
    return std::nullopt;
}

// "{a="x",b="y"}" at the front of `rest`, which loses it.
std::optional<std::string> take_labels(std::string_view& rest) {
    json_object labels;
    if (!rest.starts_with('{')) return labels.done();
    rest.remove_prefix(1);
    while (!rest.starts_with('}')) {
        const auto equals = rest.find('=');
        if (equals == std::string_view::npos) return std::nullopt;
        const std::string name{rest.substr(0, equals)};
        rest.remove_prefix(equals + 1);
        const auto value = take_quoted(rest);
        if (!value) return std::nullopt;
        labels.text(name, *value);
        if (rest.starts_with(',')) rest.remove_prefix(1);
    }
    rest.remove_prefix(1);
    return labels.done();
}

std::optional<std::string> sample_json(std::string_view line) {
    const auto name_end = line.find_first_of("{ ");
    if (line.starts_with('#') || name_end == 0 || name_end == std::string_view::npos) return std::nullopt;
    json_object sample;
    sample.text("name", line.substr(0, name_end));
    line.remove_prefix(name_end);
    const auto labels = take_labels(line);
    if (!labels) return std::nullopt;
    sample.raw("labels", *labels);
    const auto begin = line.find_first_not_of(' ');
    if (begin == std::string_view::npos) return std::nullopt;
    line.remove_prefix(begin);
    const std::string value{line.substr(0, line.find(' '))};
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    if (end != value.c_str() + value.size()) return std::nullopt;
    const bool plain = value.find_first_not_of("0123456789") == std::string::npos && value.size() < 19;
    if (plain)
        sample.number("value", std::strtoull(value.c_str(), nullptr, 10));
    else if (std::isfinite(number))
        sample.real("value", number);
    else
        sample.text("value", value);
    return sample.done();
}

} // namespace

std::string metrics_json(std::string_view text) {
    std::vector<std::string> samples;
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        if (auto sample = sample_json(text.substr(0, end))) samples.push_back(std::move(*sample));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return json_array(samples);
}

} // namespace coppice::cli
