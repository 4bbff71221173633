#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cctype>
#include <set>
#include <string>

#include "schema/errc.hpp"

namespace coppice {
namespace {

// Grows with the enumeration: a new code goes here and into the catalogue.
constexpr errc last_code = errc::node_stopping;

} // namespace

BOOST_AUTO_TEST_SUITE(errc_catalogue_rows)

BOOST_AUTO_TEST_CASE(rows_stand_in_order_of_code_without_a_gap) {
    std::size_t number = 0;
    for (const errc_row& row : errc_catalogue()) BOOST_TEST(static_cast<std::size_t>(row.code) == number++);
    BOOST_TEST(number == static_cast<std::size_t>(last_code) + 1);
}

BOOST_AUTO_TEST_CASE(every_code_is_described_by_its_own_row_and_found_by_name_and_number) {
    for (const errc_row& row : errc_catalogue()) {
        BOOST_TEST((&describe(row.code) == &row));
        BOOST_TEST((errc_from_name(row.name) == row.code));
        BOOST_TEST((errc_from_number(static_cast<std::uint16_t>(row.code)) == row.code));
        BOOST_TEST(to_string(row.code) == row.name);
    }
}

BOOST_AUTO_TEST_CASE(names_are_unique_snake_case_and_sentences_are_sentences) {
    std::set<std::string_view> names;
    for (const errc_row& row : errc_catalogue()) {
        BOOST_TEST(names.insert(row.name).second, row.name);
        BOOST_TEST(std::ranges::all_of(row.name, [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; }),
                   row.name);
        BOOST_TEST((row.sentence.size() > 4 && row.sentence.ends_with('.')), row.name);
        BOOST_TEST(std::isupper(static_cast<unsigned char>(row.sentence.front())) != 0, row.name);
    }
}

BOOST_AUTO_TEST_CASE(statuses_are_of_http_and_only_ok_is_a_success) {
    for (const errc_row& row : errc_catalogue()) {
        const bool success = row.http_status >= 200 && row.http_status < 300;
        BOOST_TEST(success == (row.code == errc::ok), row.name);
        BOOST_TEST((success || (row.http_status >= 400 && row.http_status < 600)), row.name);
        // A client that may try again is told so by a status that says it too.
        if (row.retryable) BOOST_TEST((row.http_status == 429 || row.http_status >= 500), row.name);
    }
}

BOOST_AUTO_TEST_CASE(a_code_of_a_newer_version_is_internal) {
    const auto beyond = static_cast<std::uint16_t>(static_cast<std::uint16_t>(last_code) + 1);
    BOOST_TEST((errc_from_number(beyond) == errc::internal));
    BOOST_TEST((errc_from_number(0xffff) == errc::internal));
    BOOST_TEST((errc_from_name("no_such_name") == errc::internal));
    BOOST_TEST((errc_from_name("") == errc::internal));
    BOOST_TEST((describe(static_cast<errc>(beyond)).code == errc::internal));
}

BOOST_AUTO_TEST_CASE(a_failure_reads_as_name_sentence_and_detail) {
    BOOST_TEST(to_string(failure{errc::not_found, "job 7"}) ==
               "not_found: There is nothing of that name or id. (job 7)");
    BOOST_TEST(to_string(failure{errc::not_found, ""}) == "not_found: There is nothing of that name or id.");
    const expected<int> refused = fail(errc::overloaded, "full", 250);
    BOOST_TEST((refused.error() == failure{errc::overloaded, "full", 250}));
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice
