// Documents that are wrong, and documents that mean harm: all that is wrong is told at once, by line, and nothing
// is applied.
#include <boost/test/unit_test.hpp>

#include "tests/end_to_end/hostile_support.hpp"

namespace coppice::end_to_end {
namespace {

constexpr const char* many_mistakes = R"(kind: Tenant
metadata: {name: good}
spec: {weight: 2}
---
kind: Tenant
metadata: {name: Not_A_Name}
spec:
  weight: 0
  colour: red
---
kind: Teapot
metadata: {name: pot}
spec: {}
---
kind: JobType
metadata: {name: broken}
spec:
  executor: magic
  attempts_max: many
  timeouts: {attempt: soon}
  retry: {base: 5, max: -1s}
---
kind: JobType
spec: {executor: exec}
---
kind: Tenant
metadata: {name: good}
spec: {types: nothing, weight: 2}
)";

} // namespace

BOOST_AUTO_TEST_SUITE(hostile_documents)

BOOST_AUTO_TEST_CASE(all_mistakes_of_a_file_are_told_at_once_by_line_and_nothing_is_applied) {
    const node n;
    const quiet_node quiet(n);
    const scratch_directory files;
    const std::string file = files.write("wrong.yaml", many_mistakes);
    const outcome o = n.run({"apply", "-f", file});
    BOOST_TEST_CONTEXT(o.err) {
        BOOST_TEST(o.status == 1);
        for (const int line : {6, 8, 9, 11, 18, 19, 20, 21, 23, 24, 26, 28})
            BOOST_TEST(contains(o.err, "wrong.yaml:" + std::to_string(line) + ":"));
        BOOST_TEST(contains(o.err, "Not_A_Name"));
        BOOST_TEST(contains(o.err, "Teapot"));
        BOOST_TEST(contains(o.err, "magic"));
        BOOST_TEST(contains(o.err, "colour"));
    }
    BOOST_TEST(n.run({"get", "tenant", "good"}).status == 1);
    quiet.check_untouched();
}

BOOST_AUTO_TEST_CASE(a_schema_that_is_none_is_refused_with_its_place) {
    const node n;
    const quiet_node quiet(n);
    for (const char* schema : {"{type: nonsense}", "{$ref: '#'}", "{pattern: '(['}",
                               "{$ref: 'http://elsewhere/schema'}", "{minLength: -1}", "{properties: [1]}"}) {
        const outcome o =
            n.run({"apply", "-f", "-"},
                  std::string{"kind: JobType\nmetadata: {name: t}\nspec:\n  executor: worker\n  schema: "} +
                      schema + "\n");
        BOOST_TEST_CONTEXT(schema << ": " << o.out << o.err) {
            BOOST_TEST(o.status == 1);
            BOOST_TEST(contains(o.err, "spec.schema"));
        }
    }
    BOOST_TEST(n.run({"get", "jobtype", "t"}).status == 1);
    quiet.check_untouched();
}

BOOST_AUTO_TEST_CASE(yaml_that_means_harm_is_refused_by_name) {
    const node n;
    const quiet_node quiet(n);
    std::string bomb = "kind: &a0 [x, x, x, x, x, x, x, x, x]\n";
    for (int i = 1; i < 12; ++i) {
        bomb += "k" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
        for (int j = 0; j < 9; ++j) bomb += (j > 0 ? ", *a" : "*a") + std::to_string(i - 1);
        bomb += "]\n";
    }
    const std::pair<std::string, std::string> cases[] = {
        {bomb, ":"},
        {"kind: &x [*x]\n", ":"},
        {"spec: " + std::string(100'000, '[') + "\n", ":"},
        {"spec: " + std::string(100'000, '{') + "\n", ":"},
        {"kind: Tenant\nkind: Tenant\nmetadata: {name: twice}\nspec: {weight: 1}\n", "kind"},
        {std::string("kind: Tenant\0\nmetadata: {name: nul}\nspec: {}\n", 45), ":"},
        {"kind: Tenant\nmetadata: {name: \"\xff\xfe\"}\nspec: {}\n", ":"},
        {"kind: !!python/object:os.system Tenant\nmetadata: {name: tag}\nspec: {}\n", ":"},
        {"# " + std::string(2 * 1024 * 1024, 'x') + "\nkind: Tenant\nmetadata: {name: large}\nspec: {}\n",
         "1048576"},
        {"- - - - - -\n", ":"},
        {"\x01\x02\x03", ":"},
    };
    for (const auto& [text, said] : cases) {
        const outcome o = n.run({"apply", "-f", "-"}, text);
        BOOST_TEST_CONTEXT(text.substr(0, 60) << ": " << o.out.substr(0, 300) << o.err.substr(0, 600)) {
            BOOST_TEST(o.status == 1);
            BOOST_TEST(contains(o.err, said));
            BOOST_TEST(o.err.size() < 64 * 1024U);
        }
        // The command reads the file itself; a client of another make does not.
        session s(n, operator_token(n));
        auto call = s.platform().applyRequest();
        auto file = call.initFiles(1)[0];
        file.setName("hostile.yaml");
        file.setText({text.data(), text.size()});
        const auto answer = call.send().wait(s.scope());
        BOOST_TEST(name_of(answer.getFailure()) == "document_invalid");
        BOOST_TEST(answer.getErrors().size() >= 1U);
        BOOST_TEST(answer.getErrors().size() <= 100U);
    }
    for (const char* name : {"twice", "nul", "tag", "large"})
        BOOST_TEST(n.run({"get", "tenant", name}).status == 1);
    quiet.check_untouched();
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::end_to_end
