#include "runtime/cli/progress_bar.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/runtime/cli/cli_fixture.hpp"

namespace coppice::cli {
namespace {

const instant start = from_us(1'790'000'000'000'000);

} // namespace

BOOST_AUTO_TEST_SUITE(cli_progress_bar)

BOOST_AUTO_TEST_CASE(a_line_says_done_failed_total_and_rate) {
    BOOST_TEST(progress_line("ended", {512, 2, 1000}, 829.6, 0) == "512/1,000 ended, 2 failed, 830/s");
    BOOST_TEST(progress_line("submitted", {512, 0, std::nullopt}, 0, 0) == "512 submitted");
}

BOOST_AUTO_TEST_CASE(the_bar_fills_with_what_is_done_and_fits_the_terminal) {
    const std::string half = progress_line("ended", {5, 0, 10}, 0, 80);
    BOOST_TEST(half == "[" + std::string(20, '#') + std::string(20, '.') + "]  5/10 ended");
    for (std::size_t width = 20; width < 120; ++width)
        BOOST_TEST(progress_line("ended", {123456, 789, 1000000}, 12345, width).size() < width + 2);
    BOOST_TEST(progress_line("ended", {20, 0, 10}, 0, 80).find('.') == std::string::npos);
    BOOST_TEST(progress_line("ended", {0, 0, 0}, 0, 80) == "0/0 ended");
}

BOOST_AUTO_TEST_CASE(without_a_terminal_there_is_at_most_one_line_a_second) {
    cli_test::captured_console captured;
    progress_bar bar(captured.con, "ended", start);
    for (int ms = 0; ms <= 3500; ms += 10)
        bar.update({static_cast<std::uint64_t>(ms), 0, 4000}, start + milliseconds{ms});
    bar.finish(start + milliseconds{3500});
    const std::string text = captured.err();
    BOOST_TEST(std::ranges::count(text, '\n') == 4);
    BOOST_TEST(text.find('\r') == std::string::npos);
    BOOST_TEST(text.ends_with("3,500/4,000 ended, 1,000/s\n"));
    BOOST_TEST(captured.out() == "");
}

BOOST_AUTO_TEST_CASE(nothing_is_said_of_what_never_began) {
    cli_test::captured_console captured;
    progress_bar(captured.con, "ended", start).finish(start);
    BOOST_TEST(captured.err() == "");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::cli
