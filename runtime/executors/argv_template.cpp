#include "runtime/executors/argv_template.hpp"

#include <nlohmann/json.hpp>

#include "schema/limits.hpp"

namespace coppice {

namespace {

constexpr std::string_view opening = "{{";
constexpr std::string_view closing = "}}";

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

bool has_placeholder(const std::vector<std::string>& argv) {
    for (const auto& element : argv)
        if (element.find(opening) != std::string::npos) return true;
    return false;
}

std::string element_name(std::size_t index) { return "argv[" + std::to_string(index) + "]"; }

// Only the top level is kept: what lies deeper costs no memory, whatever its depth.
expected<nlohmann::json> parse_top_level(std::string_view payload) {
    if (payload.size() > limits::payload_size_max)
        return fail(errc::payload_too_large, std::to_string(payload.size()) + " bytes");
    auto keep = [](int depth, nlohmann::json::parse_event_t, nlohmann::json&) { return depth <= 2; };
    auto parsed = nlohmann::json::parse(payload, keep, false);
    if (!parsed.is_object()) return fail(errc::payload_invalid, "the payload is not a JSON object");
    return parsed;
}

expected<std::string> field_text(const nlohmann::json& payload, const std::string& field) {
    const auto found = payload.find(field);
    if (found == payload.end())
        return fail(errc::payload_invalid,
                    "the payload has no field \"" + field + "\", which the command line needs");
    if (found->is_string()) {
        const auto& text = found->get_ref<const std::string&>();
        if (has_nul(text))
            return fail(errc::payload_invalid, "field \"" + field + "\" holds a NUL, which no argument can");
        return text;
    }
    if (found->is_number() || found->is_boolean()) return found->dump();
    return fail(errc::payload_invalid,
                "field \"" + field + "\" is neither string, number nor boolean, so it cannot be an argument");
}

expected<std::string> fill(std::string_view element, const nlohmann::json& payload) {
    std::string filled;
    for (std::size_t at = 0;;) {
        const auto open = element.find(opening, at);
        const auto end = open == std::string_view::npos ? open : element.find(closing, open + opening.size());
        if (end == std::string_view::npos) {
            filled += element.substr(at);
            return filled;
        }
        filled += element.substr(at, open - at);
        const auto name = element.substr(open + opening.size(), end - open - opening.size());
        auto text = field_text(payload, std::string(name));
        if (!text) return tl::unexpected(text.error());
        filled += *text;
        at = end + closing.size();
    }
}

expected<void> check_size(const std::vector<std::string>& argv, errc code) {
    if (argv.size() > limits::exec_arguments_max)
        return fail(code, std::to_string(argv.size()) + " arguments; at most " +
                              std::to_string(limits::exec_arguments_max));
    for (std::size_t i = 0; i < argv.size(); ++i)
        if (argv[i].size() > limits::exec_argument_size_max)
            return fail(code, element_name(i) + " has " + std::to_string(argv[i].size()) + " bytes; at most " +
                                  std::to_string(limits::exec_argument_size_max));
    return {};
}

expected<void> check_element(std::string_view element, const std::string& name) {
    if (has_nul(element)) return fail(errc::document_invalid, name + " holds a NUL");
    for (std::size_t at = element.find(opening); at != std::string_view::npos; at = element.find(opening, at)) {
        const auto end = element.find(closing, at + opening.size());
        if (end == std::string_view::npos) return fail(errc::document_invalid, name + ": {{ is never closed");
        if (end == at + opening.size()) return fail(errc::document_invalid, name + ": {{}} names no field");
        at = end + closing.size();
    }
    return {};
}

expected<exec_input> input_from_payload(std::string_view payload) {
    auto parsed = parse_top_level(payload);
    if (!parsed) return tl::unexpected(parsed.error());
    const auto argv = parsed->find("argv");
    if (argv == parsed->end() || !argv->is_array() || argv->empty())
        return fail(errc::payload_invalid, "field \"argv\" must be an array of strings, the program first");
    exec_input input;
    for (const auto& element : *argv) {
        if (!element.is_string() || has_nul(element.get_ref<const std::string&>()))
            return fail(errc::payload_invalid, element_name(input.argv.size()) + " must be a string without NUL");
        input.argv.push_back(element.get<std::string>());
    }
    if (input.argv.front().empty()) return fail(errc::payload_invalid, "argv[0] names no program");
    if (auto sized = check_size(input.argv, errc::payload_invalid); !sized) return tl::unexpected(sized.error());
    if (const auto text = parsed->find("stdin"); text != parsed->end()) {
        if (!text->is_string()) return fail(errc::payload_invalid, "field \"stdin\" must be a string");
        input.stdin_bytes = text->get<std::string>();
    }
    return input;
}

} // namespace

expected<void> check_argv_template(const std::vector<std::string>& argv) {
    if (argv.empty() || argv.front().empty()) return fail(errc::document_invalid, "argv[0] must name a program");
    if (argv.front().find(opening) != std::string::npos)
        return fail(errc::document_invalid, "argv[0] is the type's choice, never the payload's: no {{ in it");
    if (auto sized = check_size(argv, errc::document_invalid); !sized) return sized;
    for (std::size_t i = 0; i < argv.size(); ++i)
        if (auto checked = check_element(argv[i], element_name(i)); !checked) return checked;
    return {};
}

expected<std::vector<std::string>> resolve_argv(const std::vector<std::string>& argv, std::string_view payload) {
    if (auto checked = check_argv_template(argv); !checked) return tl::unexpected(checked.error());
    if (!has_placeholder(argv)) return argv;
    auto parsed = parse_top_level(payload);
    if (!parsed) return tl::unexpected(parsed.error());
    std::vector<std::string> filled;
    filled.reserve(argv.size());
    for (const auto& element : argv) {
        auto text = fill(element, *parsed);
        if (!text) return tl::unexpected(text.error());
        filled.push_back(std::move(*text));
    }
    if (auto sized = check_size(filled, errc::payload_invalid); !sized) return tl::unexpected(sized.error());
    return filled;
}

expected<exec_input> resolve_exec_input(const job_type_spec& type, std::string_view payload) {
    if (type.argv_from_payload) return input_from_payload(payload);
    auto argv = resolve_argv(type.argv, payload);
    if (!argv) return tl::unexpected(argv.error());
    return exec_input{std::move(*argv), std::string(payload)};
}

} // namespace coppice
