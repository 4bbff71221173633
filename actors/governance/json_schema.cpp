#include "actors/governance/json_schema.hpp"

#include "actors/governance/json_schema_compile.hpp"
#include "actors/governance/json_schema_evaluate.hpp"

namespace coppice {

compiled_schema::compiled_schema(std::shared_ptr<const json_schema::program> program)
    : program_(std::move(program)) {}

expected<compiled_schema> compiled_schema::compile(std::string_view json_text) {
    auto program = json_schema::compile(json_text);
    if (!program) return tl::unexpected(std::move(program.error()));
    return compiled_schema{std::move(*program)};
}

std::vector<violation> compiled_schema::validate(const nlohmann::json& instance, std::size_t violations_max) const {
    return json_schema::evaluate(*program_, instance, violations_max);
}

std::string_view compiled_schema::text() const { return program_->text; }

} // namespace coppice
