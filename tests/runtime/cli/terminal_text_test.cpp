#include "runtime/cli/terminal_text.hpp"

#include <boost/test/unit_test.hpp>
#include <nlohmann/json.hpp>
#include <random>

namespace coppice::cli {

BOOST_AUTO_TEST_SUITE(cli_terminal_text)

BOOST_AUTO_TEST_CASE(what_a_terminal_would_act_upon_is_shown_as_an_escape) {
    BOOST_TEST(printable("a\x1b[2Jb") == "a\\x1b[2Jb");
    BOOST_TEST(printable("a\nb\tc\rd") == "a\\nb\\tc\\rd");
    BOOST_TEST(printable(std::string_view("\0\x07\x7f", 3)) == "\\x00\\x07\\x7f");
    BOOST_TEST(printable("\xc2\x9b") == "\\u009b");             // CSI of C1
    BOOST_TEST(printable("\xe2\x80\xae") == "\\u202e");         // right-to-left override
    BOOST_TEST(printable("\xf3\xa0\x81\x81") == "\\U000e0041"); // tag characters hide text
    BOOST_TEST(printable("grün, 木") == "grün, 木");
    BOOST_TEST(printable("\xff\xc3") == "\xef\xbf\xbd\xef\xbf\xbd");
}

BOOST_AUTO_TEST_CASE(lines_keep_newlines_and_tabs_only) {
    BOOST_TEST(printable_lines("a\n\tb\x1b\r") == "a\n\tb\\x1b\\r");
}

BOOST_AUTO_TEST_CASE(no_bytes_at_all_leave_a_control_character) {
    const auto seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 2000; ++round) {
        std::string bytes(random() % 40, '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        const std::string shown = printable(bytes);
        for (std::size_t i = 0; i < shown.size(); ++i) {
            const auto c = static_cast<unsigned char>(shown[i]);
            BOOST_REQUIRE(c >= 0x20);
            BOOST_REQUIRE(c != 0x7f);
            if (c == 0xc2) BOOST_REQUIRE(static_cast<unsigned char>(shown[i + 1]) >= 0xa0);
        }
    }
}

BOOST_AUTO_TEST_CASE(printable_json_reads_back_as_the_same_value) {
    const std::string json =
        "{\"a\":\r\n [1.50, 12345678901234567890123, \"x\xe2\x80\xaey\xc2\x9b\xf3\xa0\x81\x81\x7f\"]}";
    const std::string shown = printable_json(json);
    BOOST_TEST(shown.find('\n') == std::string::npos);
    BOOST_TEST(shown.find("12345678901234567890123") != std::string::npos);
    BOOST_TEST(shown.find("\\u202e") != std::string::npos);
    BOOST_TEST((nlohmann::json::parse(shown) == nlohmann::json::parse(json)));
}

BOOST_AUTO_TEST_CASE(text_is_cut_by_cells_not_bytes) {
    BOOST_TEST(display_width("grün") == 4U);
    BOOST_TEST(display_width("木木") == 4U);
    BOOST_TEST(display_width("e\xcc\x81") == 1U);
    BOOST_TEST(cut_to_width("abcdef", 6) == "abcdef");
    BOOST_TEST(cut_to_width("abcdef", 4) == "abc…");
    BOOST_TEST(cut_to_width("木木木", 4) == "木…");
    BOOST_TEST(cut_to_width("grün", 4) == "grün");
    BOOST_TEST(cut_to_width("abc", 0) == "");
}

BOOST_AUTO_TEST_CASE(numbers_are_grouped) {
    BOOST_TEST(grouped(0) == "0");
    BOOST_TEST(grouped(999) == "999");
    BOOST_TEST(grouped(1000) == "1,000");
    BOOST_TEST(grouped(1234567) == "1,234,567");
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::cli
