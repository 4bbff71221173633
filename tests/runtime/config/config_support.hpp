// What the tests of runtime/config share.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "runtime/config/document_errors.hpp"
#include "runtime/config/documents.hpp"
#include "runtime/config/node_config.hpp"
#include "runtime/config/strict_yaml.hpp"

namespace coppice::config_test {

// The errors of a text that is expected to have some, a line each.
inline std::string errors_of_yaml(std::string_view text) {
    document_errors errors;
    parse_yaml(text, "f", errors);
    return to_string(errors);
}

inline std::string errors_of_documents(std::string_view text) {
    const loaded_documents loaded = load_documents(text, "f");
    return loaded ? std::string{} : to_string(loaded.error());
}

inline std::string errors_of_node(std::string_view text) {
    const auto parsed = parse_node_config(text, "f");
    return parsed ? std::string{} : to_string(parsed.error());
}

// Seeded anew each run; the seed is printed, and COPPICE_SEED repeats it.
inline std::uint64_t fresh_seed() {
    const char* given = std::getenv("COPPICE_SEED");
    const std::uint64_t seed = given != nullptr ? std::stoull(given) : std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    return seed;
}

inline std::string why(const document_errors& errors) { return to_string(errors); }
inline std::string why(const failure& error) { return error.detail; }

// What an expected value says when it is none; Boost evaluates a check's message whether it is needed or not.
template <class Expected>
std::string why_not(const Expected& value) {
    return value ? std::string{} : why(value.error());
}

inline void check_has(std::string_view text, std::string_view part) {
    BOOST_TEST(text.find(part) != std::string_view::npos, "expected <" << part << "> in <" << text << ">");
}

} // namespace coppice::config_test
