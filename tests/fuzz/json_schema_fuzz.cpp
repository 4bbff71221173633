// A schema and an instance, with a zero byte between them.
#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_schema.hpp"
#include "tests/fuzz/fuzz_input.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = coppice::fuzz::text_of(data, size);
    const std::size_t border = text.find('\0');
    const auto schema = coppice::compiled_schema::compile(text.substr(0, border));
    if (!schema || border == std::string_view::npos) return 0;
    const auto instance = coppice::parse_json(text.substr(border + 1));
    if (!instance) return 0;
    for (const coppice::violation& v : schema->validate(*instance))
        coppice::fuzz::must(!v.message.empty(), "a violation says what is wrong");
    return 0;
}
