// Properties of specs: what is written reads back as the same, whatever it says, and nothing that is read crashes.
#include <nlohmann/json.hpp>
#include <sstream>

#include "runtime/config/documents.hpp"
#include "runtime/config/node_config.hpp"
#include "runtime/config/yaml_writer.hpp"
#include "schema/limits.hpp"
#include "tests/runtime/config/config_support.hpp"
#include "tests/source_file.hpp"

namespace coppice {

using config_test::check_has;
using config_test::fresh_seed;
using config_test::why_not;

namespace {

// Makes specs out of everything that is hard to write down.
class spec_maker {
  public:
    explicit spec_maker(std::uint64_t seed) : random_{seed} {}

    std::uint64_t below(std::uint64_t bound) { return random_() % bound; }

    std::string name() {
        constexpr std::string_view letters = "abcxyz019";
        std::string text;
        for (std::uint64_t i = 0, size = 1 + below(8); i < size; ++i) text += letters[below(letters.size())];
        return below(4) == 0 ? text + "-" + letters[below(letters.size())] : text;
    }

    std::string text() {
        static const std::vector<std::string> parts{"a",
                                                    "B9",
                                                    " ",
                                                    "  ",
                                                    "\n",
                                                    "\t",
                                                    "\r",
                                                    "\x01",
                                                    "\x1b[0m",
                                                    "\x7f",
                                                    "\"",
                                                    "'",
                                                    "\\",
                                                    ":",
                                                    ": ",
                                                    " #",
                                                    "#",
                                                    "-",
                                                    "- ",
                                                    "?",
                                                    "&x",
                                                    "*x",
                                                    "!",
                                                    "|",
                                                    ">",
                                                    "%",
                                                    "@",
                                                    "`",
                                                    "{",
                                                    "}",
                                                    "[",
                                                    "]",
                                                    ",",
                                                    "~",
                                                    "null",
                                                    "true",
                                                    "yes",
                                                    "010",
                                                    "0x1F",
                                                    "1e3",
                                                    ".inf",
                                                    "<<",
                                                    "---",
                                                    "...",
                                                    "\xc3\xa9",
                                                    "\xc2\x85",
                                                    "\xc2\x80",
                                                    "\xe2\x80\xa8",
                                                    "\xef\xbb\xbf",
                                                    "\xef\xbf\xbf",
                                                    "\xf0\x9f\x98\x80",
                                                    "90s",
                                                    "=",
                                                    "2026-01-01"};
        std::string out;
        for (std::uint64_t i = 0, count = below(4); i < count; ++i) out += parts[below(parts.size())];
        return out;
    }

    nlohmann::json json(int depth) {
        switch (below(depth > 0 ? 9 : 6)) {
        case 0:
            return nullptr;
        case 1:
            return below(2) == 0;
        case 2:
            return static_cast<std::int64_t>(random_());
        case 3:
            return random_();
        case 4:
            return static_cast<double>(static_cast<std::int64_t>(random_())) / 4096.0 *
                   (below(2) == 0 ? 1e-200 : 1.0);
        case 5:
            return text();
        case 6: {
            nlohmann::json array = nlohmann::json::array();
            for (std::uint64_t i = 0, count = below(4); i < count; ++i) array.push_back(json(depth - 1));
            return array;
        }
        default:
            return object(depth - 1);
        }
    }

    nlohmann::json object(int depth) {
        nlohmann::json object = nlohmann::json::object();
        for (std::uint64_t i = 0, count = below(4); i < count; ++i) object[text()] = json(depth);
        if (below(50) == 0) object[std::string(2000, 'k')] = json(depth);
        return object;
    }

    declared_document tenant() {
        tenant_spec spec;
        spec.name = name();
        spec.weight = static_cast<std::uint32_t>(1 + below(limits::tenant_weight_max));
        spec.running_max = static_cast<std::uint32_t>(1 + below(limits::running_declared_max));
        spec.queued_max = static_cast<std::uint32_t>(1 + below(limits::queued_declared_max));
        for (std::uint64_t i = 0, count = below(5); i < count; ++i)
            spec.types.push_back(name() + std::to_string(i));
        if (below(3) == 0) spec.types.emplace_back("*");
        if (below(2) == 0) spec.rate = rate();
        if (below(2) == 0) spec.keep = {milliseconds{1000 + below(1'000'000)}, {}, milliseconds{86'400'000}, {}};
        spec.paused = below(4) == 0;
        return {declared_kind::tenant, spec.name, spec, "f", 1};
    }

    declared_document job_type() {
        job_type_spec spec;
        spec.name = name();
        if (below(2) == 0) {
            spec.executor = executor_kind::exec;
            spec.argv = {"/bin/" + name()};
            for (std::uint64_t i = 0, count = below(5); i < count; ++i) {
                std::string argument = text();
                if (argument.find("{{") == std::string::npos) spec.argv.push_back(std::move(argument));
            }
            spec.argv.emplace_back("{{a field}}");
        }
        if (spec.executor == executor_kind::worker && below(2) == 0) {
            spec.executor = executor_kind::http;
            spec.http.url = "https://" + name() + "/x?y=" + std::to_string(below(100));
            if (below(2) == 0) spec.http.method = "PUT";
            for (std::uint64_t i = 0, count = below(3); i < count; ++i)
                spec.http.headers.emplace_back("X-" + std::to_string(i), "value " + name());
            spec.http.private_networks = below(2) == 0;
        }
        if (spec.executor == executor_kind::worker) {
            for (std::uint64_t i = 0, count = below(3); i < count; ++i)
                spec.workers.require.push_back("l" + text());
            for (std::uint64_t i = 0, count = below(3); i < count; ++i) spec.workers.prefer.push_back("l" + text());
        }
        if (below(4) > 0) spec.schema = object(6).dump();
        spec.attempts_max = static_cast<std::uint32_t>(1 + below(limits::attempts_max));
        spec.retry.base = milliseconds{below(1'000'000)};
        spec.retry.max = spec.retry.base + milliseconds{below(1'000'000'000)};
        spec.timeouts.attempt = milliseconds{1 + below(10'000'000'000)};
        spec.timeouts.queued = milliseconds{below(10'000'000'000)};
        if (spec.executor != executor_kind::http) spec.timeouts.heartbeat = milliseconds{below(3) * 1000};
        spec.result_bytes_max = below(limits::result_stored_size_max + 1);
        spec.running_max = static_cast<std::uint32_t>(below(limits::running_declared_max));
        if (below(2) == 0) spec.slots = static_cast<std::uint32_t>(1 + below(limits::job_slots_max));
        if (below(2) == 0) {
            spec.concurrency.by = "field " + text();
            spec.concurrency.running_max = static_cast<std::uint32_t>(1 + below(limits::running_declared_max));
            if (below(2) == 0) spec.concurrency.rate = rate();
            if (spec.executor == executor_kind::worker)
                spec.workers.sticky = static_cast<stickiness>(below(spec.slots == 1 ? 3 : 2));
        }
        if (below(2) == 0) {
            unique_spec& unique = spec.unique.emplace();
            for (std::uint64_t i = 0, count = below(4); i < count; ++i) unique.by.push_back("f" + text());
            if (below(2) == 0) unique.states = {job_state::QUEUED, job_state::SUCCEEDED};
            unique.period = milliseconds{below(10'000'000'000)};
        }
        if (below(2) == 0) {
            spec.logs.lines = static_cast<std::uint32_t>(1 + below(limits::log_lines_per_attempt_max));
            if (below(2) == 0)
                spec.logs.bytes = limits::log_line_size_max + below(1'000'000);
            else
                spec.logs.stored = limits::stored_lines_object_size + below(1'000'000);
        }
        spec.paused = below(4) == 0;
        return {declared_kind::job_type, spec.name, spec, "f", 1};
    }

    declared_document schedule() {
        schedule_spec spec;
        spec.name = name();
        spec.tenant = name();
        spec.type = name();
        if (below(3) > 0) spec.payload = nlohmann::json::parse(object(4).dump()).dump();
        spec.priority = static_cast<std::uint32_t>(1 + below(5));
        if (below(2) == 0)
            spec.timing.every = milliseconds{1000 + below(10'000'000)};
        else
            spec.timing = {.cron = std::to_string(below(60)) + " */2 1-5,7 * mon-fri", .zone = "Europe/Berlin"};
        spec.overlap = static_cast<overlap_policy>(below(4));
        spec.missed = static_cast<missed_policy>(below(3));
        spec.catch_up = milliseconds{1000 + below(100'000'000)};
        spec.jitter = milliseconds{below(3'600'000)};
        spec.paused = below(2) == 0;
        return {declared_kind::schedule, spec.name, spec, "f", 1};
    }

  private:
    start_rate rate() {
        return {static_cast<std::uint32_t>(1 + below(limits::rate_starts_max)), milliseconds{1 + below(86'400'000)},
                static_cast<std::uint32_t>(1 + below(limits::rate_burst_max))};
    }

    std::mt19937_64 random_;
};

std::string read_back(const declared_document& document) {
    const std::string yaml = to_yaml(document);
    const loaded_documents again = load_documents(yaml, "f");
    if (!again) return to_string(again.error()) + "\n" + yaml;
    if (again->size() != 1 || again->front().kind != document.kind) return "another document\n" + yaml;
    return again->front().spec == document.spec ? std::string{} : "another spec\n" + yaml;
}

} // namespace

BOOST_AUTO_TEST_SUITE(spec_round_trip)

BOOST_AUTO_TEST_CASE(any_spec_reads_back_from_its_json_and_from_its_yaml) {
    spec_maker maker{fresh_seed()};
    for (int i = 0; i < 1500; ++i) {
        const declared_document schedule = maker.schedule();
        const auto& schedule_before = std::get<schedule_spec>(schedule.spec);
        const auto schedule_after = schedule_spec_from_json(to_json(schedule_before));
        BOOST_REQUIRE_MESSAGE(schedule_after.has_value(), why_not(schedule_after));
        BOOST_REQUIRE((*schedule_after == schedule_before));
        BOOST_REQUIRE_EQUAL(read_back(schedule), "");
        const declared_document tenant = maker.tenant();
        const auto& tenant_before = std::get<tenant_spec>(tenant.spec);
        const auto tenant_after = tenant_spec_from_json(to_json(tenant_before));
        BOOST_REQUIRE_MESSAGE(tenant_after.has_value(), why_not(tenant_after));
        BOOST_REQUIRE((*tenant_after == tenant_before));
        BOOST_REQUIRE_EQUAL(read_back(tenant), "");

        const declared_document type = maker.job_type();
        const auto& type_before = std::get<job_type_spec>(type.spec);
        const auto type_after = job_type_spec_from_json(to_json(type_before));
        BOOST_REQUIRE_MESSAGE(type_after.has_value(), why_not(type_after) + to_json(type_before));
        BOOST_REQUIRE_MESSAGE((*type_after == type_before), to_json(type_before));
        BOOST_REQUIRE_EQUAL(to_json(*type_after), to_json(type_before));
        BOOST_REQUIRE_EQUAL(read_back(type), "");
    }
}

BOOST_AUTO_TEST_CASE(the_canonical_text_does_not_depend_on_how_a_document_was_written) {
    const auto json = [](std::string_view text) {
        const auto documents = load_documents(text, "f");
        BOOST_REQUIRE_MESSAGE(documents.has_value(), why_not(documents));
        return to_json(std::get<job_type_spec>(documents->front().spec));
    };
    const std::string one = json(
        "kind: JobType\nmetadata: {name: t}\nspec: {schema: {type: object, minProperties: 1}, attempts_max: 3}\n");
    const std::string two = json("spec:\n  schema: '{\"minProperties\": 1, \"type\": \"object\"}'\nmetadata:\n  "
                                 "name: \"t\"\nkind: JobType\n");
    BOOST_TEST(one == two);
    BOOST_TEST(
        one ==
        R"({"name":"t","executor":"worker","schema":{"minProperties":1,"type":"object"},"attempts_max":3,)"
        R"("retry":{"base":"1s","max":"5m"},"timeouts":{"queued":"0","attempt":"1h","job":"0","heartbeat":"0",)"
        R"("cancel_grace":"10s"},"result_max_bytes":262144,"running_max":0})");
    tenant_spec tenant;
    tenant.name = "acme";
    tenant.types = {"b", "a"};
    BOOST_TEST(to_json(tenant) ==
               R"({"name":"acme","weight":1,"running_max":10000,"queued_max":1000000,"types":["b","a"]})");
}

BOOST_AUTO_TEST_CASE(only_what_the_node_stored_may_take_its_command_line_from_the_payload) {
    job_type_spec development;
    development.name = "run";
    development.executor = executor_kind::exec;
    development.argv_from_payload = true;
    const std::string text = to_json(development);
    const auto submitted = job_type_spec_from_json(text);
    BOOST_REQUIRE(!submitted.has_value());
    check_has(submitted.error().detail, "argv_from_payload: unknown field");
    const auto stored = job_type_spec_from_json(text, spec_origin::stored);
    BOOST_REQUIRE_MESSAGE(stored.has_value(), why_not(stored));
    BOOST_TEST((*stored == development));
    check_has(read_back({declared_kind::job_type, "run", development, "f", 1}), "unknown field");
}

BOOST_AUTO_TEST_CASE(json_that_is_no_spec_is_refused_by_name) {
    const auto detail = [](std::string_view text) {
        const auto spec = tenant_spec_from_json(text);
        BOOST_REQUIRE(!spec.has_value());
        BOOST_TEST((spec.error().code == errc::document_invalid));
        return spec.error().detail;
    };
    check_has(detail(""), "not valid JSON");
    check_has(detail("{} x"), "not valid JSON");
    check_has(detail("{\"name\":\"a\",\"name\":\"b\"}"), "is there twice");
    check_has(detail("{\"name\":\"a\xff\"}"), "not valid JSON");
    check_has(detail("{\"name\":\"a\\u0000\"}"), "NUL");
    check_has(detail("[]"), "must be a mapping");
    check_has(detail("{\"name\":\"a\",\"weight\":1.5}"), "weight: must be a whole number");
    check_has(detail("{\"name\":\"a\",\"weight\":null}"), "weight: has no value");
    check_has(detail("{\"weight\":\"1\"}"), "name: is required\nweight: must be");
    check_has(detail(std::string(100'000, '[')), "nested deeper");
    check_has(detail("{\"name\":1e999}"), "not valid JSON");
    check_has(detail("[" + std::string(limits::document_size_max, ' ') + "]"), "more than 1 MiB");
}

BOOST_AUTO_TEST_CASE(strings_that_other_readers_take_for_something_else_are_written_in_quotes) {
    for (const char* text :
         {"yes",   "NO", "on", "Off",  "y",    "N", "true", "null", "~",  "",   "1",  "1.5", "0x1", "1e3",
          "12:30", " a", "a ", "a: b", "a #b", "-", "---",  "!a",   "&a", "*a", "<<", "=",   ".5",  "2026-01-01"})
        BOOST_TEST(yaml_string(text).front() == '"', text);
    for (const char* text : {"a", "wordcount", "/usr/bin/wc", "90s", "1h30m", "a-b_c.d"})
        BOOST_TEST(yaml_string(text) == text);
    BOOST_TEST(yaml_string("a\xff"
                           "b\n\x1b") == "\"a\\ufffdb\\n\\x1b\"");
}

BOOST_AUTO_TEST_CASE(random_bytes_never_crash_the_readers) {
    std::mt19937_64 random{fresh_seed()};
    constexpr std::string_view alphabet = "ab: -\n\n  {}[],\"'\\#&*!|>%@`?~0.<\t\r\x01\xc3\xa9\xff";
    for (int i = 0; i < 3000; ++i) {
        std::string text;
        const bool wild = random() % 4 == 0;
        for (std::uint64_t j = 0, size = random() % 120; j < size; ++j)
            text += wild ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
        const loaded_documents loaded = load_documents(text, "f");
        if (!loaded) BOOST_REQUIRE(!to_string(loaded.error()).empty());
        const auto config = parse_node_config(text, "f");
        if (!config) BOOST_REQUIRE(!config.error().empty());
        if (tenant_spec_from_json(text).has_value()) BOOST_REQUIRE(text.find("name") != std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(a_good_document_mutated_is_read_back_the_same_or_refused) {
    std::mt19937_64 random{fresh_seed()};
    const auto platform = read_text_file(testing::source_file("runtime/demo/platform.yaml"));
    const auto sample = read_text_file(testing::source_file("runtime/config/sample_node.yaml"));
    BOOST_REQUIRE(platform.has_value());
    BOOST_REQUIRE(sample.has_value());
    constexpr std::string_view spice = ": -\n {}[],\"'\\#&*!|>%~0\t\xff";
    int accepted = 0;
    for (int i = 0; i < 600; ++i) {
        std::string text = i % 4 == 0 ? *sample : *platform;
        for (std::uint64_t j = 0, count = 1 + random() % 3; j < count; ++j) {
            const std::size_t at = random() % text.size();
            switch (random() % 4) {
            case 0:
                text[at] = spice[random() % spice.size()];
                break;
            case 1:
                text.erase(at, 1 + random() % 20);
                break;
            case 2:
                text.insert(at, 1, spice[random() % spice.size()]);
                break;
            default:
                text.insert(at, text.substr(random() % text.size(), random() % 60));
                break;
            }
        }
        if (i % 4 == 0) {
            const auto config = parse_node_config(text, "f");
            if (config) BOOST_REQUIRE(validate(*config).empty());
            continue;
        }
        const loaded_documents loaded = load_documents(text, "f");
        if (!loaded) continue;
        ++accepted;
        for (const declared_document& document : *loaded) BOOST_REQUIRE_EQUAL(read_back(document), "");
    }
    BOOST_TEST(accepted > 0); // comments and texts may well change
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
