// The promise: a typical small payload is validated a million times a second on one core, its parse not counted.
// Also the price of the parse, of canonical text, and the longest time that a hostile validation can take.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_schema.hpp"

namespace {

using coppice::compiled_schema;
using coppice::parse_json;
using nlohmann::json;

constexpr std::string_view schema_text = R"({
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object", "additionalProperties": false, "required": ["source", "width", "height"],
    "properties": {
        "source": {"type": "string", "minLength": 1, "maxLength": 2048},
        "width": {"type": "integer", "minimum": 1, "maximum": 16384},
        "height": {"type": "integer", "minimum": 1, "maximum": 16384},
        "quality": {"type": "number", "minimum": 0, "maximum": 1},
        "format": {"enum": ["png", "jpeg", "webp"]}
    }
})";
constexpr std::string_view payload_text =
    R"({"source":"https://files.example/in/4711.png","width":640,"height":480,"quality":0.85,"format":"webp"})";

template <class Work>
void measure(const char* what, std::uint64_t times, Work work) {
    using clock = std::chrono::steady_clock;
    std::uint64_t sum = 0;
    const auto start = clock::now();
    for (std::uint64_t i = 0; i < times; ++i) sum += work();
    const std::chrono::duration<double> took = clock::now() - start;
    std::printf("%-34s %10.0f /s   %8.0f ns each   (%llu)\n", what, static_cast<double>(times) / took.count(),
                took.count() * 1e9 / static_cast<double>(times), static_cast<unsigned long long>(sum));
}

// 2^40 visits, were it not for the budget.
std::string exponential() {
    json defs = json::object();
    for (int i = 0; i < 40; ++i) {
        const json next = {{"$ref", "#/$defs/d" + std::to_string(i + 1)}};
        defs["d" + std::to_string(i)] = {{"allOf", json::array({next, next})}};
    }
    defs["d40"] = true;
    return json{{"$ref", "#/$defs/d0"}, {"$defs", defs}}.dump();
}

} // namespace

// json_schema_bench [times]
int main(int argc, char** argv) {
    const std::uint64_t times = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 1'000'000;
    const auto schema = compiled_schema::compile(schema_text);
    const auto payload = parse_json(payload_text);
    const auto with_pattern =
        compiled_schema::compile(R"({"properties":{"source":{"pattern":"^https://[a-z.]+/"}}})");
    const auto hostile = compiled_schema::compile(exponential());
    const auto slow_pattern = compiled_schema::compile(R"({"pattern":"^(x+x+)+[^y]{1,200}.{1,50}y$"})");
    if (!schema || !payload || !with_pattern || !hostile || !slow_pattern) return EXIT_FAILURE;
    if (!schema->validate(*payload).empty()) return EXIT_FAILURE;

    measure("validate, 5 properties", times, [&] { return schema->validate(*payload).size(); });
    measure("validate, one pattern", times, [&] { return with_pattern->validate(*payload).size(); });
    measure("validate, 2 violations", times / 10,
            [&, bad = json{{"source", ""}, {"width", 0}, {"height", 1}}] { return schema->validate(bad).size(); });
    measure("parse, 103 bytes", times, [&] { return parse_json(payload_text)->size(); });
    measure("canonical text", times, [&] { return coppice::canonical_json(*payload).size(); });
    measure("compile", times / 100 + 1, [&] { return compiled_schema::compile(schema_text)->text().size(); });
    measure("exponential schema, cut short", 3, [&] { return hostile->validate(*payload).size(); });
    measure("large pattern on 20 kB", 3,
            [&, text = json(std::string(20'000, 'x'))] { return slow_pattern->validate(text).size(); });
    return EXIT_SUCCESS;
}
