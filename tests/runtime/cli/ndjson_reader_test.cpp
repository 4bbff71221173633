#include "runtime/cli/ndjson_reader.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <vector>

namespace coppice::cli {
namespace {

constexpr std::size_t line_max = 16;

// All lines, when `text` is fed in pieces of at most `piece` bytes.
std::vector<input_line> read_in_pieces(std::string_view text, std::size_t piece) {
    ndjson_reader reader(line_max);
    std::vector<input_line> lines;
    const auto drain = [&] {
        while (auto line = reader.next()) lines.push_back(std::move(*line));
    };
    for (std::size_t at = 0; at < text.size(); at += piece) {
        reader.feed(text.substr(at, piece));
        drain();
    }
    reader.end();
    drain();
    BOOST_TEST(!reader.next());
    return lines;
}

std::string shown(const std::vector<input_line>& lines) {
    std::string text;
    for (const input_line& l : lines) text += std::to_string(l.number) + (l.too_long ? "!" : ":" + l.text) + "|";
    return text;
}

// What the reader must do, written down the slow way.
std::string reference(std::string text) {
    std::vector<input_line> lines;
    std::uint64_t number = 0;
    if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
    while (!text.empty()) {
        const auto end = std::min(text.find('\n'), text.size());
        std::string line = text.substr(0, end);
        text.erase(0, end + 1);
        ++number;
        if (line.ends_with('\r')) line.pop_back();
        if (line.size() > line_max)
            lines.push_back({number, "", true});
        else if (line.find_first_not_of(" \t\r") != std::string::npos)
            lines.push_back({number, line, false});
    }
    return shown(lines);
}

} // namespace

BOOST_AUTO_TEST_SUITE(cli_ndjson_reader)

BOOST_AUTO_TEST_CASE(lines_are_numbered_blank_ones_included) {
    BOOST_TEST(shown(read_in_pieces("{}\n\n  \r\n[1]\r\nlast", 3)) == "1:{}|4:[1]|5:last|");
    BOOST_TEST(shown(read_in_pieces("", 1)) == "");
    BOOST_TEST(shown(read_in_pieces("\n", 1)) == "");
    BOOST_TEST(shown(read_in_pieces("\xef\xbb\xbf{}\n", 64)) == "1:{}|");
}

BOOST_AUTO_TEST_CASE(a_line_beyond_the_bound_is_reported_and_the_next_one_read) {
    const std::string text =
        std::string(line_max, 'a') + "\n" + std::string(line_max + 1, 'b') + "\n{}\n" + std::string(1000, 'c');
    for (std::size_t piece : {1U, 7U, 2000U})
        BOOST_TEST(shown(read_in_pieces(text, piece)) == "1:" + std::string(line_max, 'a') + "|2!|3:{}|4!|");
}

BOOST_AUTO_TEST_CASE(a_line_without_an_end_takes_no_memory) {
    ndjson_reader reader(line_max);
    const std::string piece(64 * 1024, 'x');
    for (int i = 0; i < 4096; ++i) { // 256 MiB of one line
        reader.feed(piece);
        BOOST_REQUIRE(!reader.next());
    }
    reader.feed("\n{}\n");
    BOOST_TEST(reader.next()->too_long);
    const auto line = reader.next();
    BOOST_TEST(line->number == 2U);
    BOOST_TEST(line->text == "{}");
}

BOOST_AUTO_TEST_CASE(any_bytes_in_any_pieces_give_the_same_lines) {
    const auto seed = std::random_device{}();
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    constexpr std::string_view alphabet("\n\n\n\r\r \t{}ab\0\xff", 13);
    for (int round = 0; round < 3000; ++round) {
        std::string text(random() % 120, ' ');
        for (char& c : text) c = alphabet[random() % alphabet.size()];
        if (random() % 8 == 0) text.insert(0, "\xef\xbb\xbf");
        const std::size_t piece = 1 + random() % 40;
        BOOST_REQUIRE_EQUAL(shown(read_in_pieces(text, piece)), reference(text));
    }
}

BOOST_AUTO_TEST_SUITE_END()

} // namespace coppice::cli
