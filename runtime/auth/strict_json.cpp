#include "runtime/auth/strict_json.hpp"

#include <set>
#include <string>
#include <vector>

#include "schema/limits.hpp"

namespace coppice {

std::optional<nlohmann::json> parse_strict_object(std::string_view text) {
    using nlohmann::json;
    bool refused = false;
    std::vector<std::set<std::string>> names; // of the objects that are open, outermost first
    const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
        if (depth < 0 || static_cast<std::size_t>(depth) > limits::json_depth_max) refused = true;
        if (event == json::parse_event_t::object_start) names.emplace_back();
        if (event == json::parse_event_t::object_end) names.pop_back();
        if (event == json::parse_event_t::key && !names.back().insert(parsed.get<std::string>()).second)
            refused = true;
        return true;
    };
    json value = json::parse(text, check, false);
    if (refused || !value.is_object()) return std::nullopt;
    return value;
}

const std::string* string_member(const nlohmann::json& object, const char* name) {
    const auto found = object.find(name);
    return found == object.end() ? nullptr : found->get_ptr<const std::string*>();
}

} // namespace coppice
