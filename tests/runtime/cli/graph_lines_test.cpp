// Graphs as NDJSON, and as pictures.
#include <boost/test/unit_test.hpp>

#include "runtime/cli/graph_lines.hpp"
#include "runtime/cli/graph_picture.hpp"

namespace coppice::cli {
namespace {

const std::string an_id = to_string(job_id::make(1, shard_id{1}, tenant_id{1}, 7));

std::string why_not(std::string_view text) {
    const auto jobs = parse_graph(text);
    return jobs ? "" : jobs.error().detail;
}

} // namespace

BOOST_AUTO_TEST_SUITE(graph_lines)

BOOST_AUTO_TEST_CASE(names_are_told_from_ids_and_payloads_go_out_as_written) {
    const auto jobs = parse_graph("{\"name\":\"a\",\"type\":\"t\",\"payload\":{\"n\": 1.50}}\n\n"
                                  "{\"type\":\"t\",\"after\":[\"a\",\"" +
                                  an_id + "\"],\"anyway\":true,\"name\":\"b\"}");
    BOOST_REQUIRE_MESSAGE(jobs.has_value(), why_not(""));
    BOOST_REQUIRE(jobs->size() == 2U);
    BOOST_TEST((*jobs)[0].name == "a");
    BOOST_TEST((*jobs)[0].spec.payload == "{\"n\": 1.50}");
    BOOST_TEST(((*jobs)[1].after == std::vector<std::string>{"a"}));
    BOOST_REQUIRE((*jobs)[1].spec.after.size() == 1U);
    BOOST_TEST(to_string((*jobs)[1].spec.after[0]) == an_id);
    BOOST_TEST((*jobs)[1].spec.run_anyway);
    BOOST_TEST(!(*jobs)[1].callback);
    const auto last = parse_graph("{\"type\":\"t\",\"name\":\"z\",\"callback\":true}");
    BOOST_TEST((last && last->front().callback));
}

BOOST_AUTO_TEST_CASE(what_is_wrong_is_named_with_its_line) {
    const auto says = [](std::string_view text, std::string_view part) {
        const std::string why = why_not(text);
        BOOST_TEST(why.find(part) != std::string::npos, why);
    };
    says("{\"type\":\"t\"}", "line 1: \"name\" must be there");
    says("{\"type\":\"t\",\"name\":\"z\",\"callback\":1}", "\"callback\" must be true or false, not 1");
    says("{\"name\":\"a\",\"type\":\"t\"}\n{\"name\":\"b\",\"type\":\"t\",\"after\":[7]}", "line 2: \"after\"");
    says("{\"name\":\"a\",\"type\":\"t\",\"anyway\":1}", "\"anyway\" must be true or false");
    says("{\"name\":\"a\",\"tipe\":\"t\"}", "is not known here");
    says("[]", "line 1: the line must be one JSON object");
    says("nonsense", "line 1:");
}

BOOST_AUTO_TEST_CASE(a_picture_says_who_waits_for_whom) {
    std::vector<client::job_view> jobs(3);
    for (std::uint64_t i = 0; i < 3; ++i) {
        jobs[i].id = job_id::make(1, shard_id{1}, tenant_id{1}, i + 1);
        jobs[i].type = "ty\npe";
        if (i > 0) jobs[i].after = {jobs[i - 1].id};
    }
    jobs[2].run_anyway = true;
    const std::string text = graph_text(jobs);
    BOOST_TEST(text.find("1  " + to_string(jobs[0].id) + "  ty\\npe  queued\n") == 0U, text);
    BOOST_TEST(text.find("\n    3  ") != std::string::npos, text);
    BOOST_TEST(text.find("after 2, however they end\n") != std::string::npos, text);
    const std::string dot = graph_dot(jobs);
    BOOST_TEST(dot.find("\"" + to_string(jobs[0].id) + "\" -> \"" + to_string(jobs[1].id) + "\";") !=
               std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::cli
