#include "runtime/executors/attempt_log.hpp"

#include <boost/test/unit_test.hpp>

#include <random>

#include "schema/limits.hpp"

namespace coppice::executors {

namespace {

const instant noon = from_us(1'700'000'000'000'000);

attempt_report taken(attempt_log& log) {
    attempt_report report;
    log.take(report);
    return report;
}

std::vector<std::string> texts(const attempt_report& report) {
    std::vector<std::string> all;
    for (const auto& line : report.logs) all.push_back(line.text);
    return all;
}

std::vector<std::string> lines_of(std::string_view bytes) {
    attempt_log log;
    log.write(bytes, noon);
    log.close(noon);
    return texts(taken(log));
}

using strings = std::vector<std::string>;

} // namespace

BOOST_AUTO_TEST_SUITE(attempt_logs)

BOOST_AUTO_TEST_CASE(lines_are_split_at_newlines_and_numbered_from_zero) {
    attempt_log log;
    log.write("one\ntwo\r\n\nla", noon);
    log.write("st", noon);
    auto report = taken(log);
    BOOST_TEST((texts(report) == strings{"one", "two", ""}));
    BOOST_TEST(report.logs.back().sequence == 2U);
    log.close(noon);
    report = taken(log);
    BOOST_TEST((texts(report) == strings{"last"}));
    BOOST_TEST(report.logs.back().sequence == 3U);
    BOOST_TEST((report.logs.back().stream == log_stream::err));
    BOOST_TEST(log.last_line() == "last");
}

BOOST_AUTO_TEST_CASE(the_same_bytes_give_the_same_lines_however_they_arrive) {
    const unsigned seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    std::string bytes;
    for (int i = 0; i < 20'000; ++i) {
        const char alphabet[] = "ab\n\xC3\xA9\xE2\x82\xFF\r::progress 0.5\n";
        bytes += alphabet[random() % (sizeof alphabet - 1)];
    }
    attempt_log pieces;
    for (std::size_t at = 0; at < bytes.size();) {
        const auto size = 1 + random() % 97;
        pieces.write(std::string_view(bytes).substr(at, size), noon);
        at += size;
    }
    pieces.close(noon);
    BOOST_TEST((texts(taken(pieces)) == lines_of(bytes)));
}

BOOST_AUTO_TEST_CASE(a_long_line_is_cut_within_its_bound_and_marked) {
    const auto lines =
        lines_of(std::string(1'000'000, 'x') + "\nnext\n" + std::string(limits::log_line_size_max, 'y'));
    BOOST_REQUIRE(lines.size() == 3U);
    BOOST_TEST(lines[0].size() == limits::log_line_size_max);
    BOOST_TEST(lines[0].ends_with("x [cut]"));
    BOOST_TEST(lines[1] == "next");
    BOOST_TEST((lines[2] == std::string(limits::log_line_size_max, 'y')));
}

BOOST_AUTO_TEST_CASE(invalid_utf8_is_replaced_and_a_cut_never_halves_a_character) {
    BOOST_TEST((lines_of("caf\xC3\xA9 \xE2\x82\xAC") == strings{"caf\xC3\xA9 \xE2\x82\xAC"}));
    BOOST_TEST((lines_of("a\xFF"
                         "b\xC3") == strings{"a\xEF\xBF\xBD"
                                             "b\xEF\xBF\xBD"}));
    // overlong, surrogate, above U+10FFFF
    for (const auto* bad : {"\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80"})
        BOOST_TEST(lines_of(bad).front().find("\xEF\xBF\xBD") == 0U);
    std::string euros;
    for (int i = 0; i < 10'000; ++i) euros += "\xE2\x82\xAC";
    const auto cut = lines_of(euros).front();
    BOOST_TEST(cut.size() <= limits::log_line_size_max);
    BOOST_TEST(cut.ends_with("\xE2\x82\xAC [cut]"));
    const auto garbage = lines_of(std::string(limits::log_line_size_max, '\xFF')).front();
    BOOST_TEST(garbage.size() <= limits::log_line_size_max);
    BOOST_TEST(garbage.ends_with("\xEF\xBF\xBD [cut]"));
}

BOOST_AUTO_TEST_CASE(a_progress_line_is_progress_and_no_log_line) {
    attempt_log log;
    log.write("before\n::progress 0.25 a quarter\n::progress 0.5\nafter\n", noon);
    const auto report = taken(log);
    BOOST_TEST((texts(report) == strings{"before", "after"}));
    BOOST_REQUIRE(report.latest_progress.has_value());
    BOOST_TEST(report.latest_progress->fraction == 0.5);
    BOOST_TEST(report.latest_progress->text.empty());
    BOOST_TEST(!taken(log).latest_progress.has_value());
    BOOST_TEST(log.last_line() == "after");
}

BOOST_AUTO_TEST_CASE(what_is_not_quite_progress_stays_a_line_to_be_seen) {
    BOOST_TEST(parse_progress("::progress 1 done")->text == "done");
    BOOST_TEST(parse_progress("::progress 1e-1")->fraction == 0.1);
    for (const auto* bad : {"::progress", "::progress ", "::progress x", "::progress 1.01", "::progress -0.1",
                            "::progress nan", "::progress inf", "::progress 50%", " ::progress 0.5"}) {
        BOOST_TEST(!parse_progress(bad).has_value(), bad);
        BOOST_TEST((lines_of(bad) == strings{bad}), bad);
    }
    const auto longer = parse_progress("::progress 0.5 " + std::string(1000, 'p'));
    BOOST_TEST(longer->text.size() == limits::progress_text_size_max);
}

BOOST_AUTO_TEST_CASE(the_last_checkpoint_is_reported_once_and_is_no_line) {
    attempt_log log;
    log.write("::checkpoint row 1\n::checkpoint row 2\nsomething else\n", noon);
    const auto report = taken(log);
    BOOST_TEST(report.checkpoint == "row 2");
    BOOST_TEST(report.logs.size() == 1U);
    BOOST_TEST(log.last_line() == "something else");
    BOOST_TEST(taken(log).checkpoint.empty());
    log.write("::checkpoint alone\n", noon);
    BOOST_TEST(!log.empty());
    for (const std::string& bad :
         {std::string{"::checkpoint"}, std::string{"::checkpoint "}, std::string{" ::checkpoint x"},
          "::checkpoint " + std::string(limits::log_line_size_max, 'c')})
        BOOST_TEST(!parse_checkpoint(bad).has_value());
}

BOOST_AUTO_TEST_CASE(beyond_the_bound_the_oldest_lines_go_and_the_gap_is_marked) {
    attempt_log log;
    for (int i = 0; i < 2500; ++i) log.write("line " + std::to_string(i) + "\n", noon);
    auto report = taken(log);
    BOOST_REQUIRE(report.logs.size() == limits::log_lines_per_attempt_max + 1);
    BOOST_TEST((report.logs[0].stream == log_stream::system));
    BOOST_TEST(report.logs[0].text.starts_with("1500 lines dropped"));
    BOOST_TEST(report.logs[0].sequence == 1499U);
    BOOST_TEST(report.logs[1].sequence == 1500U);
    BOOST_TEST(report.logs[1].text == "line 1500");
    BOOST_TEST(report.logs.back().text == "line 2499");
    log.write("more\n", noon);
    report = taken(log);
    BOOST_REQUIRE(report.logs.size() == 1U);
    BOOST_TEST(report.logs[0].sequence == 2500U);
}

BOOST_AUTO_TEST_CASE(long_lines_are_bounded_by_their_bytes) {
    attempt_log log;
    for (int i = 0; i < 100; ++i) log.write(std::string(limits::log_line_size_max, 'x') + "\n", noon);
    std::size_t bytes = 0;
    for (const auto& line : taken(log).logs) bytes += line.text.size();
    BOOST_TEST(bytes <= limits::exec_log_buffer_size_max + 100);
}

BOOST_AUTO_TEST_CASE(a_flood_saturates_an_interval_and_the_next_begins_afresh) {
    attempt_log log;
    log.write(std::string(limits::exec_log_read_lines_per_interval, '\n'), noon);
    BOOST_TEST(log.saturated());
    log.begin_interval();
    BOOST_TEST(!log.saturated());
    log.write(std::string(limits::exec_log_read_size_per_interval, 'x'), noon);
    BOOST_TEST(log.saturated());
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::executors
