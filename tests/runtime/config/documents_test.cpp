#include "runtime/config/documents.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "schema/limits.hpp"
#include "tests/runtime/config/config_support.hpp"
#include "tests/source_file.hpp"

namespace coppice {

using config_test::check_has;
using config_test::errors_of_documents;
using config_test::why_not;

namespace {

std::vector<declared_document> good_documents(std::string_view text) {
    loaded_documents loaded = load_documents(text, "f");
    BOOST_REQUIRE_MESSAGE(loaded.has_value(), why_not(loaded));
    return std::move(*loaded);
}

// A type whose spec is `spec`, and the errors it gives.
std::string errors_of_type(std::string_view spec) {
    return errors_of_documents("kind: JobType\nmetadata: {name: t}\nspec: " + std::string{spec} + "\n");
}

job_type_spec type_of_spec(std::string_view spec) {
    const auto documents = good_documents("kind: JobType\nmetadata: {name: t}\nspec: " + std::string{spec} + "\n");
    return std::get<job_type_spec>(documents.at(0).spec);
}

std::string errors_of_tenant(std::string_view spec) {
    return errors_of_documents("kind: Tenant\nmetadata: {name: t}\nspec: " + std::string{spec} + "\n");
}

// A directory of its own, removed with everything in it.
class scratch_directory {
  public:
    scratch_directory() {
        std::string name = (std::filesystem::temp_directory_path() / "coppice-documents-XXXXXX").string();
        BOOST_REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~scratch_directory() { std::filesystem::remove_all(path_); }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;
    const std::filesystem::path& path() const { return path_; }
    void write(const std::string& name, std::string_view text) const { std::ofstream{path_ / name} << text; }

  private:
    std::filesystem::path path_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(documents)

BOOST_AUTO_TEST_CASE(a_tenant_is_read_with_its_defaults) {
    const auto documents =
        good_documents("apiVersion: coppice/v1\nkind: Tenant\nmetadata:\n  name: acme\nspec:\n  weight: 3\n"
                       "  types: [wordcount, '*']\n---\nkind: Tenant\nmetadata: {name: birch}\n");
    BOOST_REQUIRE(documents.size() == 2U);
    tenant_spec acme;
    acme.name = "acme";
    acme.weight = 3;
    acme.types = {"wordcount", "*"};
    BOOST_TEST((std::get<tenant_spec>(documents[0].spec) == acme));
    BOOST_TEST((documents[0].kind == declared_kind::tenant));
    BOOST_TEST(documents[1].name == "birch");
    BOOST_TEST(documents[1].line == 9);
}

BOOST_AUTO_TEST_CASE(every_field_of_a_job_type_is_read) {
    const job_type_spec type = type_of_spec(R"({
      executor: exec, argv: [/usr/bin/wc, "-w", "{{path}}"], schema: {type: object, required: [path], maxProperties: 0x10,
      default: yes, minimum: -1.5, "true": true, not: null}, attempts_max: 100, retry: {base: 2s, max: 1h},
      timeouts: {queued: 1m, attempt: 2m, job: 1d, heartbeat: 30s, cancel_grace: 0}, result_max_bytes: 64KiB, running_max: 7})");
    job_type_spec expected_type;
    expected_type.name = "t";
    expected_type.executor = executor_kind::exec;
    expected_type.argv = {"/usr/bin/wc", "-w", "{{path}}"};
    expected_type.schema = R"({"default":"yes","maxProperties":16,"minimum":-1.5,"not":null,"required":["path"],)"
                           R"("true":true,"type":"object"})";
    expected_type.attempts_max = 100;
    expected_type.retry = {milliseconds{2000}, milliseconds{3'600'000}};
    expected_type.timeouts = {milliseconds{60'000}, milliseconds{120'000}, milliseconds{86'400'000},
                              milliseconds{30'000}, milliseconds{0}};
    expected_type.result_bytes_max = 65536;
    expected_type.running_max = 7;
    BOOST_TEST(to_json(type) == to_json(expected_type));
    BOOST_TEST((type == expected_type));
}

BOOST_AUTO_TEST_CASE(a_schema_may_be_a_string_of_json_and_means_the_same_as_a_mapping) {
    BOOST_TEST(type_of_spec(R"({schema: '{"b": [1, 2.50, "\u00e9"], "a": {}}'})").schema ==
               type_of_spec("{schema: {a: {}, b: [1, 2.5, \xc3\xa9]}}").schema);
    check_has(errors_of_type("{schema: '{\"a\": 1, \"a\": 2}'}"), "the key \"a\" is there twice");
    check_has(errors_of_type("{schema: '{'}"), "not valid JSON at byte");
    check_has(errors_of_type("{schema: '[1]'}"),
              "must be a mapping, or a string that holds a JSON object; not a list");
    check_has(errors_of_type("{schema: true}"), "must be a mapping");
    check_has(errors_of_type("{schema: {default: .inf}}"), "f:3:26: spec.schema.default: JSON has no such number");
    check_has(errors_of_type("{schema: {minimum: [010]}}"), "spec.schema.minimum[0]: a leading zero");
    check_has(errors_of_type("{schema: {minimum: 99999999999999999999}}"), "does not fit into 64 bits");
    check_has(errors_of_type("{schema: {minimum: 1e999}}"), "does not fit into a double");
    const std::string deep = std::string(63, '[') + std::string(63, ']');
    check_has(errors_of_type("{schema: '{\"a\": " + deep + "}'}"), "deeper than 62");
    check_has(errors_of_type("{schema: {a: \"" + std::string(70'000, 'x') + "\"}}"), "at most 65536 bytes");
}

BOOST_AUTO_TEST_CASE(all_errors_of_all_documents_are_reported_at_once_with_their_places) {
    const std::string errors = errors_of_documents("apiVersion: coppice/v2\n"
                                                   "kind: Tenant\n"
                                                   "metadata: {name: Acme, labels: {}}\n"
                                                   "spec:\n"
                                                   "  wieght: 3\n"
                                                   "  weight: heavy\n"
                                                   "  queued_max: 0\n"
                                                   "  types: [a, 5, a]\n"
                                                   "---\n"
                                                   "kind: Job\n"
                                                   "metadata: {name: x}\n"
                                                   "spec: {anything: 1}\n"
                                                   "---\n"
                                                   "kind: JobType\n"
                                                   "spec:\n"
                                                   "  weight: 1\n"
                                                   "  timeouts: {attempt: soon}\n"
                                                   "---\n"
                                                   "just text\n");
    BOOST_TEST(
        errors ==
        "f:1:13: apiVersion: must be coppice/v1, not \"coppice/v2\"\n"
        "f:3:18: metadata.name: must be a name: 1 to 63 of a-z, 0-9 and \"-\", which neither begins nor ends it; "
        "not \"Acme\"\n"
        "f:3:24: metadata.labels: unknown field; known here: name\n"
        "f:5:3: spec.wieght: unknown field; did you mean \"weight\"?\n"
        "f:6:11: spec.weight: must be a whole number from 1 to 1000, not \"heavy\"\n"
        "f:7:15: spec.queued_max: must be a whole number from 1 to 1000000000, not \"0\"\n"
        "f:8:14: spec.types[1]: must be a string: put 5 in quotes\n"
        "f:10:7: kind: must be one of Tenant, JobType, Schedule, not \"Job\"\n"
        "f:14:1: metadata: is required\n"
        "f:16:3: spec.weight: unknown field; known here: executor, argv, http, schema, attempts_max, retry, "
        "timeouts, "
        "result_max_bytes, running_max, slots, concurrency, workers, logs, unique, paused\n"
        "f:17:23: spec.timeouts.attempt: must be a duration such as \"90s\" or \"1h30m\", not \"soon\"\n"
        "f:19:1: must be a mapping (field: value), not \"just text\"");
}

BOOST_AUTO_TEST_CASE(what_is_wrong_with_a_limit_is_said_at_its_place) {
    const std::string errors = errors_of_documents("kind: Tenant\nmetadata: {name: a}\nspec:\n"
                                                   "  rate: {per: 1s}\n"
                                                   "---\n"
                                                   "kind: JobType\nmetadata: {name: b}\nspec:\n"
                                                   "  concurrency: {by: customer}\n"
                                                   "  unique: {states: [queued, rejected], by: [\"\"]}\n"
                                                   "---\n"
                                                   "kind: JobType\nmetadata: {name: c}\nspec:\n"
                                                   "  concurrency: {by: \"\", rate: {starts: 0, per: 25h}}\n"
                                                   "  unique: {states: []}\n");
    check_has(errors, "f:4:9: spec.rate.starts: is required");
    check_has(errors, "f:9:21: spec.concurrency.by: needs a running_max or a rate beside it");
    check_has(errors, "spec.unique.states[1]: must be a state that a job which was taken can be in");
    check_has(errors, "spec.unique.by: must be at most 16 names");
    check_has(errors, "spec.concurrency.by: must be the name of a field of the payload");
    check_has(errors, "spec.concurrency.rate.starts: must be a whole number from 1 to 1000000");
    check_has(errors, "spec.concurrency.rate.per: must be");
    check_has(errors, "spec.unique.states: must name a state");
}

BOOST_AUTO_TEST_CASE(errors_of_structure_and_of_meaning_come_together) {
    const std::string errors =
        errors_of_documents("kind: Tenant\nmetadata: {name: a}\nspec: {weight: x, weight: 2}\n---\nkind: [\n");
    check_has(errors, "f:3:16: spec.weight: must be");
    check_has(errors, "f:3:19: the key \"weight\"");
    check_has(errors, "not valid YAML");
}

BOOST_AUTO_TEST_CASE(wrong_numbers_booleans_and_strings_are_told_apart) {
    for (const char* weight : {"0", "1001", "-1", "1.0", "1e1", "0x10", "010", "\"3\"", "3s", "true", "[3]", "{}",
                               "~", "99999999999999999999999", "+3", "''"})
        check_has(errors_of_tenant("{weight: " + std::string{weight} + "}"), "f:3:");
    check_has(errors_of_tenant("{weight: \"3\"}"), "not a string: take the quotes away");
    check_has(errors_of_tenant("{weight: 010}"), "a leading zero");
    check_has(errors_of_tenant("{weight: ~}"), "has no value");
    check_has(errors_of_tenant("{weight: \"\\e[31mred\\n\"}"), "not \"\\x1b[31mred\\n\"");
    BOOST_TEST(errors_of_tenant("{weight: 1000}") == "");
    check_has(errors_of_tenant("{types: a}"), "must be a list of strings");
    BOOST_TEST(errors_of_tenant("{types: [yes, no]}") == "");
    check_has(errors_of_tenant("{types: [true]}"), "put true in quotes");
    check_has(errors_of_tenant("{types: [A, '', a_b, -a, '**']}"), "spec.types[4]: must be a name");
    check_has(errors_of_tenant("{types: [a, a]}"), "spec.types[1]: names \"a\" for the second time");
    check_has(errors_of_tenant("{\"weight\\n\": 1}"), "spec.weight\\n: unknown field; did you mean \"weight\"?");
    std::string many = "{types: [";
    for (std::size_t i = 0; i <= limits::types_per_tenant_max; ++i) many += "t" + std::to_string(i) + ", ";
    check_has(errors_of_tenant(many + "]}"), "must be at most 256 names");
}

BOOST_AUTO_TEST_CASE(an_executor_has_the_command_line_that_it_needs) {
    check_has(errors_of_type("{executor: exec}"), "argv: is required for executor exec");
    check_has(errors_of_type("{executor: exec, argv: []}"), "argv: must name a program");
    check_has(errors_of_type("{argv: [wc]}"), "argv: is for executor exec only");
    check_has(errors_of_type("{executor: worker, argv: []}"), "argv: is for executor exec only");
    check_has(errors_of_type("{executor: exce, argv: [wc]}"), "must be one of worker, exec");
    for (const char* program :
         {"bin/wc", "./wc", "../wc", ".", "..", "", "-wc", "{{path}}", "/", "/bin/", "a b", "wc;", "~/wc"})
        check_has(errors_of_type("{executor: exec, argv: ['" + std::string{program} + "']}"),
                  "argv[0]: must be a program");
    for (const char* program : {"wc", "/usr/bin/wc", "g++", "python3.11", "x86_64-linux-gnu-gcc"})
        BOOST_TEST(errors_of_type("{executor: exec, argv: ['" + std::string{program} + "']}") == "");
    for (const char* argument : {"--path={{path}}", "{{path}} ", "{{}}", "{{path", "{{a}}{{b}}", "{{print $1}}}"})
        check_has(errors_of_type("{executor: exec, argv: [wc, '" + std::string{argument} + "']}"),
                  "argv[1]: {{field}} must");
    check_has(errors_of_type("{executor: exec, argv: [wc, -9]}"), "argv[1]: must be a string: put -9 in quotes");
    check_has(errors_of_type("{executor: exec, argv: [wc, \"a\\0b\"]}"), "NUL");
    check_has(errors_of_type("{executor: exec, argv: [wc, \"" + std::string(limits::argv_size_max, 'x') + "\"]}"),
              "at most 256 elements");
    check_has(errors_of_type("{argv_from_payload: true}"), "argv_from_payload: unknown field");
}

BOOST_AUTO_TEST_CASE(the_bounds_of_a_type_are_kept) {
    check_has(errors_of_type("{attempts_max: 0}"), "from 1 to 100");
    check_has(errors_of_type("{attempts_max: 101}"), "from 1 to 100");
    check_has(errors_of_type("{timeouts: {attempt: 0}}"), "must be a duration from 1ms to 366d, not \"0\"");
    check_has(errors_of_type("{timeouts: {job: 367d}}"), "must be a duration from 0 to 366d");
    check_has(errors_of_type("{timeouts: {heartbeat: 10}}"), "must be a duration such as");
    check_has(errors_of_type("{retry: {base: 10m}}"), "retry.base (10m) must not be longer than retry.max (5m)");
    check_has(errors_of_type("{retry: {max: 1ms}}"), "f:3:21: spec.retry.max: retry.base (1s)");
    check_has(errors_of_type("{retry: 5}"), "must be a mapping");
    check_has(errors_of_type("{logs: {lines: 1001}}"), "1 to 1000");
    check_has(errors_of_type("{logs: {bytes: 1KiB}}"), "must be a size from 8KiB to");
    check_has(errors_of_type("{result_max_bytes: 9MiB}"), "must be a size from 0 to 8MiB");
    check_has(errors_of_type("{result_max_bytes: 1MB}"), "must be a size");
    check_has(errors_of_type("{retry: {bse: 1s}, timeouts: {attemt: 1s}}"), "did you mean \"base\"?");
    check_has(errors_of_type("{retry: {bse: 1s}, timeouts: {attemt: 1s}}"), "did you mean \"attempt\"?");
}

BOOST_AUTO_TEST_CASE(a_name_is_declared_once_for_a_kind) {
    const std::string errors =
        errors_of_documents("kind: Tenant\nmetadata: {name: a}\n---\nkind: JobType\nmetadata: {name: a}\n"
                            "---\nkind: Tenant\nmetadata: {name: a}\n");
    BOOST_TEST(errors ==
               "f:7:1: metadata.name: the Tenant \"a\" is declared for the second time; the first is at f:1");
    for (const char* name : {"", "A", "a.b", "-a", "a-", "a_b", "\xc3\xa9", "a/b", "../a"})
        check_has(errors_of_documents("kind: Tenant\nmetadata: {name: '" + std::string{name} + "'}\n"),
                  "must be a name");
    check_has(errors_of_documents("kind: Tenant\nmetadata: {name: " + std::string(64, 'a') + "}\n"),
              "must be a name");
    good_documents("kind: Tenant\nmetadata: {name: " + std::string(63, 'a') + "}\n");
    check_has(errors_of_documents("kind: Tenant\nmetadata: {name: 5}\n"), "put 5 in quotes");
    check_has(errors_of_documents("kind: Tenant\nmetadata:\n"), "metadata: has no value");
    check_has(errors_of_documents("{}\n"), "kind: is required");
}

BOOST_AUTO_TEST_CASE(a_directory_is_read_in_order_and_all_its_errors_come_together) {
    const scratch_directory directory;
    directory.write("b.yml", "kind: Tenant\nmetadata: {name: b}\n");
    directory.write("a.yaml", "kind: Tenant\nmetadata: {name: a}\n");
    directory.write(".hidden.yaml", "nonsense");
    directory.write("notes.txt", "nonsense");
    const auto both = load_documents_from(directory.path());
    BOOST_REQUIRE_MESSAGE(both.has_value(), why_not(both));
    BOOST_REQUIRE(both->size() == 2U);
    BOOST_TEST(both->front().name == "a");
    BOOST_TEST(both->back().file == (directory.path() / "b.yml").string());

    directory.write("c.yaml", "kind: Tenant\nmetadata: {name: a}\n");
    directory.write("d.yaml", "kind: Tenant\nmetadata: {name: D}\n");
    BOOST_REQUIRE(mkfifo((directory.path() / "e.yaml").c_str(), 0600) == 0);
    directory.write("f.yaml", std::string(limits::document_size_max + 1, '#'));
    const auto wrong = load_documents_from(directory.path());
    BOOST_REQUIRE(!wrong.has_value());
    const std::string errors = to_string(wrong.error());
    check_has(errors,
              "c.yaml:1:1: metadata.name: the Tenant \"a\" is declared for the second time; the first is at " +
                  (directory.path() / "a.yaml:1").string());
    check_has(errors, "d.yaml:2:18: metadata.name: must be a name");
    check_has(errors, "e.yaml: is not a regular file");
    check_has(errors, "f.yaml: is larger than 1 MiB");
    BOOST_TEST(wrong.error().list.size() == 4U);
}

BOOST_AUTO_TEST_CASE(what_cannot_be_read_is_named) {
    const scratch_directory directory;
    check_has(to_string(load_documents_from(directory.path()).error()), "holds no file *.yaml or *.yml");
    check_has(to_string(load_documents_from(directory.path() / "none.yaml").error()), "none.yaml: does not exist");
    directory.write("one.conf", "kind: Tenant\nmetadata: {name: a}\n");
    BOOST_TEST(load_documents_from(directory.path() / "one.conf").has_value());
    BOOST_TEST((to_failure(load_documents("x", "f").error()).code == errc::document_invalid));
}

BOOST_AUTO_TEST_CASE(the_demo_platform_is_valid) {
    const auto platform = load_documents_from(testing::source_file("runtime/demo/platform.yaml"));
    BOOST_REQUIRE_MESSAGE(platform.has_value(), why_not(platform));
    std::vector<std::string> names;
    std::vector<std::string> types;
    for (const declared_document& document : *platform) {
        names.push_back(std::string{to_string(document.kind)} + '/' + document.name);
        if (const auto* type = std::get_if<job_type_spec>(&document.spec)) {
            types.push_back(type->name);
            BOOST_TEST((type->executor == executor_kind::exec));
            check_has(type->schema, R"("additionalProperties":false)");
            if (type->name != "report") check_has(type->schema, R"("pattern":"^/usr/share/)");
        }
    }
    const std::vector<std::string> expected_names{"JobType/wordcount", "JobType/checksum", "JobType/compress",
                                                  "JobType/report",    "Tenant/acme",      "Tenant/birch"};
    BOOST_TEST(names == expected_names, boost::test_tools::per_element());
    for (const declared_document& document : *platform) {
        const auto* tenant = std::get_if<tenant_spec>(&document.spec);
        if (tenant == nullptr) continue;
        BOOST_TEST(tenant->weight == (tenant->name == "acme" ? 3U : 1U));
        for (const std::string& type : tenant->types)
            BOOST_TEST((std::find(types.begin(), types.end(), type) != types.end()), type);
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
