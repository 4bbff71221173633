// The official JSON-Schema-Test-Suite, as Debian packages it: the required files of draft-07, and those of 2020-12
// where the package has them. What is left out is named below, with the reason.
#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_schema.hpp"

namespace coppice {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct exclusion {
    std::string_view file;
    std::string_view group; // empty: the whole file
    std::string_view reason;
};
constexpr std::string_view outside = "refers to a document outside, which is refused by design";
constexpr std::array exclusions{
    exclusion{"refRemote.json", "", outside},
    exclusion{"definitions.json", "", outside},
    exclusion{"defs.json", "", outside},
    exclusion{"vocabulary.json", "", outside},
    exclusion{"ref.json", "remote ref, containing refs itself", outside},
    exclusion{"format.json", "", "`format` is an annotation here"},
};

bool excluded(const std::string& file, const std::string& group) {
    return std::ranges::any_of(
        exclusions, [&](const exclusion& e) { return e.file == file && (e.group.empty() || e.group == group); });
}

json read(const fs::path& file) {
    std::ifstream in{file};
    std::ostringstream text;
    text << in.rdbuf();
    return json::parse(text.str());
}

struct counts {
    std::size_t groups = 0, tests = 0, excluded = 0;
};

void run_group(const std::string& where, const json& group, std::string_view dialect, counts& seen) {
    json schema = group["schema"];
    if (schema.is_object() && !schema.contains("$schema")) schema["$schema"] = dialect;
    const auto compiled = compiled_schema::compile(schema.dump());
    BOOST_TEST_CONTEXT(where) {
        BOOST_REQUIRE_MESSAGE(compiled.has_value(), (compiled.has_value() ? "" : to_string(compiled.error())));
        for (const json& test : group["tests"]) {
            ++seen.tests;
            const auto found = compiled->validate(test["data"]);
            const std::string first = found.empty() ? "valid" : found.front().message;
            BOOST_CHECK_MESSAGE(found.empty() == test["valid"].get<bool>(),
                                test["description"] << " gave: " << first << " for " << test["data"].dump());
        }
    }
}

counts run_suite(const fs::path& folder, std::string_view dialect) {
    counts seen;
    for (const auto& entry : fs::directory_iterator{folder}) {
        if (entry.path().extension() != ".json") continue;
        const std::string file = entry.path().filename();
        for (const json& group : read(entry.path())) {
            const std::string name = group["description"];
            if (excluded(file, name)) {
                seen.excluded += group["tests"].size();
                continue;
            }
            ++seen.groups;
            run_group(file + ": " + name, group, dialect, seen);
        }
    }
    return seen;
}

const fs::path suite = "/usr/share/json-schema-test-suite/tests";

} // namespace

BOOST_AUTO_TEST_SUITE(json_schema_suite)

BOOST_AUTO_TEST_CASE(every_required_case_of_draft_07_is_judged_as_the_suite_says) {
    BOOST_REQUIRE_MESSAGE(fs::exists(suite / "draft7"), "package json-schema-test-suite is not installed");
    const counts seen = run_suite(suite / "draft7", "http://json-schema.org/draft-07/schema#");
    std::cout << "JSON-Schema-Test-Suite draft-07: " << seen.tests << " cases in " << seen.groups << " groups, "
              << seen.excluded << " excluded\n";
    BOOST_TEST(seen.tests > 400U);
    BOOST_TEST(seen.excluded < 30U);
}

BOOST_AUTO_TEST_CASE(every_required_case_of_2020_12_is_judged_as_the_suite_says_where_the_package_has_them) {
    if (!fs::exists(suite / "draft2020-12")) {
        std::cout << "JSON-Schema-Test-Suite 2020-12: not in the installed package; see json_schema_test.cpp\n";
        return;
    }
    const counts seen = run_suite(suite / "draft2020-12", "https://json-schema.org/draft/2020-12/schema");
    std::cout << "JSON-Schema-Test-Suite 2020-12: " << seen.tests << " cases in " << seen.groups << " groups, "
              << seen.excluded << " excluded\n";
    BOOST_TEST(seen.tests > 0U);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
