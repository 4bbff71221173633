#include "runtime/config/strict_yaml.hpp"

#include <sstream>
#include <string>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "runtime/config/yaml_text.hpp"
#include "runtime/config/yaml_tree_builder.hpp"

namespace coppice {

namespace {

// Everything of yaml-cpp that throws.
void run_parser(std::string_view text, yaml_tree_builder& builder) {
    std::istringstream stream{std::string{text}};
    try {
        YAML::Parser parser{stream};
        bool more = true;
        while (more && !builder.stuck()) more = parser.HandleNextDocument(builder);
        builder.check_last_quote();
    } catch (const YAML::Exception& error) {
        builder.syntax_error(error.mark, error.msg);
    }
}

} // namespace

std::vector<yaml_value> parse_yaml(std::string_view text, std::string_view file, document_errors& errors) {
    const std::vector<text_problem> problems = problems_of(text);
    for (const text_problem& problem : problems)
        errors.add({std::string{file}, problem.at, {}, std::string{problem.message}});
    if (!problems.empty()) return {};
    text = without_mark(text);
    yaml_tree_builder builder{text, file, errors};
    run_parser(text, builder);
    return builder.take_documents();
}

} // namespace coppice
