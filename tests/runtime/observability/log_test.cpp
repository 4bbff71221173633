#include "runtime/observability/log.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <fcntl.h>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>
#include <thread>
#include <unistd.h>

#include "schema/limits.hpp"

using namespace coppice;
using nlohmann::json;

namespace {

const instant then = *parse_rfc3339("2026-11-20T19:55:01.123456Z");
const std::string jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

// A log on a temporary file, and what stands in it.
struct log_to_file {
    explicit log_to_file(log_options options = {})
        : log(with_clock(options), make_descriptor_sink(fileno(file.get()))) {}

    static log_options with_clock(log_options options) {
        options.clock = [] { return then; };
        return options;
    }
    std::vector<std::string> lines() const {
        std::rewind(file.get());
        std::string text;
        for (int c = 0; (c = std::fgetc(file.get())) != EOF;) text += static_cast<char>(c);
        BOOST_TEST((text.empty() || text.back() == '\n'));
        std::vector<std::string> found;
        std::istringstream in{text};
        for (std::string line; std::getline(in, line);) found.push_back(line);
        return found;
    }
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> file{std::tmpfile(), std::fclose};
    logger log;
};

std::string json_line(std::string_view message, std::initializer_list<log_field> fields = {}) {
    return json_text({then, log_level::info, "edge", message, {fields.begin(), fields.size()}});
}
std::string text_line(std::string_view message, std::initializer_list<log_field> fields = {}) {
    return terminal_text({then, log_level::warn, "edge", message, {fields.begin(), fields.size()}});
}

} // namespace

BOOST_AUTO_TEST_SUITE(node_log)

BOOST_AUTO_TEST_CASE(a_line_of_json_says_what_was_said_with_its_types) {
    const std::string name = "n1";
    const std::string line = json_line("node started", {{"pid", 7},
                                                        {"data", "/var/lib"},
                                                        {"name", name},
                                                        {"part", 0.25},
                                                        {"ok", true},
                                                        {"big", std::numeric_limits<std::uint64_t>::max()},
                                                        {"small", std::numeric_limits<std::int64_t>::min()}});
    BOOST_TEST(line == R"({"time":"2026-11-20T19:55:01.123456Z","level":"info","component":"edge",)"
                       R"("message":"node started","pid":7,"data":"/var/lib","name":"n1","part":0.25,"ok":true,)"
                       R"("big":18446744073709551615,"small":-9223372036854775808})");
}

BOOST_AUTO_TEST_CASE(a_line_of_text_reads_well) {
    BOOST_TEST(text_line("node started", {{"pid", 7}, {"note", "a b"}, {"empty", ""}, {"q", "a\"b"}}) ==
               R"(2026-11-20T19:55:01.123456Z WARN  edge: node started pid=7 note="a b" empty="" q="a\"b")");
}

BOOST_AUTO_TEST_CASE(numbers_that_json_does_not_have_are_strings) {
    const json line = json::parse(json_line("m", {{"a", std::nan("")}, {"b", -INFINITY}, {"c", 1e300}}));
    BOOST_TEST(line["a"] == "NaN");
    BOOST_TEST(line["b"] == "-Infinity");
    BOOST_TEST(line["c"] == 1e300);
}

BOOST_AUTO_TEST_CASE(a_newline_in_hostile_text_gives_one_line) {
    log_to_file out;
    const std::string evil = "x\n{\"level\":\"info\",\"message\":\"forged\"}\r\n\x1b[2J\xe2\x80\xa8z";
    out.log.named(evil).info(evil, {{evil, evil}});
    const auto lines = out.lines();
    BOOST_REQUIRE(lines.size() == 1U);
    const json line = json::parse(lines[0]);
    BOOST_TEST(line["message"] == evil);
    BOOST_TEST(line["component"] == evil);
    BOOST_TEST(line[evil] == evil);
    BOOST_TEST(lines[0].find('\x1b') == std::string::npos);
    const std::string text = text_line(evil, {{evil, evil}});
    for (const char c : text) BOOST_REQUIRE(static_cast<unsigned char>(c) >= 0x20);
    BOOST_TEST(text.find("\xe2\x80\xa8") == std::string::npos); // a line separator, to some
}

BOOST_AUTO_TEST_CASE(every_byte_alone_gives_valid_json) {
    for (int i = 0; i < 256; ++i) {
        const std::string one(1, static_cast<char>(i));
        const json line = json::parse(json_line(one, {{"v", one}}));
        const std::string meant = i < 128 ? one : "\xef\xbf\xbd";
        BOOST_TEST(line["message"] == meant);
        BOOST_TEST(line["v"] == meant);
    }
}

BOOST_AUTO_TEST_CASE(broken_utf8_is_replaced_and_whole_utf8_is_kept) {
    const auto message = [](std::string_view text) { return json::parse(json_line(text))["message"]; };
    const std::string good = "\u00e9\u20ac\U0001f600 \ue000\U0010ffff";
    BOOST_TEST(message(good) == good);
    const std::string r = "\xef\xbf\xbd";
    BOOST_TEST(message("a\xc0\xaf") == "a" + r + r);          // overlong
    BOOST_TEST(message("\xed\xa0\x80") == r + r + r);         // a surrogate
    BOOST_TEST(message("\xf4\x90\x80\x80") == r + r + r + r); // beyond U+10FFFF
    BOOST_TEST(message("\xe2\x82") == r + r);                 // cut
    BOOST_TEST(message("\xe2\x82z") == r + r + "z");
}

BOOST_AUTO_TEST_CASE(random_bytes_always_give_one_line_of_json) {
    const unsigned seed = std::random_device{}();
    BOOST_TEST_INFO_SCOPE("seed " << seed);
    std::mt19937 random{seed};
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        for (auto size = random() % 40; size > 0; --size)
            text += static_cast<char>(random() % 3 == 0 ? 0xc0 + random() % 64 : random());
        const std::string line = json_line(text, {{text, text}, {"message", text}});
        BOOST_REQUIRE(line.find('\n') == std::string::npos);
        BOOST_REQUIRE(json::accept(line));
    }
}

BOOST_AUTO_TEST_CASE(no_name_stands_twice_in_a_line) {
    const std::string line = json_line("m", {{"a", 1}, {"a", 2}, {"message", 3}, {"level", 4}, {"a_", 5}});
    std::set<std::string> names;
    bool twice = false;
    const json whole = json::parse(line, [&](int, json::parse_event_t event, json& value) {
        if (event == json::parse_event_t::key) twice = twice || !names.insert(value.get<std::string>()).second;
        return true;
    });
    BOOST_TEST(!twice);
    BOOST_TEST(names.size() == 9U);
    BOOST_TEST(whole["message"] == "m");
    BOOST_TEST(whole["a"] == 1);
}

BOOST_AUTO_TEST_CASE(fields_that_hold_secrets_are_scrubbed) {
    for (const char* name : {"token", "Token", "secret", "password", "Authorization", "key", "access_token",
                             "client-secret", "api_key", "KEY"}) {
        BOOST_TEST(json::parse(json_line("m", {{name, "hunter2"}}))[name] == "[scrubbed]", name);
        BOOST_TEST(json::parse(json_line("m", {{name, 12345}}))[name] == "[scrubbed]", name);
        BOOST_TEST(text_line("m", {{name, "hunter2"}}).find("hunter2") == std::string::npos);
    }
    for (const char* name : {"tokens", "concurrency_key", "keyring", "data", "mytoken", "secretary"})
        BOOST_TEST(json::parse(json_line("m", {{name, "hunter2"}}))[name] == "hunter2", name);
}

BOOST_AUTO_TEST_CASE(what_looks_like_a_token_is_scrubbed_wherever_it_stands) {
    for (const std::string& text : {jwt, "Bearer " + jwt, "(" + jwt + ")", "x" + jwt, jwt + " " + jwt, "a." + jwt,
                                    "eyJ " + jwt, "eyJ." + jwt, jwt + "...", jwt + ".a.b"}) {
        const std::string line = json_line(text, {{"v", text}, {text, 1}});
        BOOST_TEST(line.find("eyJhbGci") == std::string::npos, text);
        BOOST_TEST(line.find("dBjftJ") == std::string::npos, text);
        BOOST_TEST(line.find("[scrubbed]") != std::string::npos, text);
        BOOST_TEST(text_line(text, {{"v", text}, {text, 1}}).find("dBjftJ") == std::string::npos, text);
    }
    BOOST_TEST(scrub_tokens("a " + jwt + ", b") == "a [scrubbed], b");
    BOOST_TEST(scrub_tokens("eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.") == "[scrubbed]"); // alg none
    for (const std::string text : {"", "eyJ", "eyJabc", "eyJabc.", "eyJ abc.def.ghi", "a.b.c", "keyJ"})
        BOOST_TEST(scrub_tokens(text) == text);
}

BOOST_AUTO_TEST_CASE(scrubbing_takes_time_in_proportion_to_the_text) {
    // With a quadratic scan these would take minutes.
    std::string runs, dots;
    for (int i = 0; i < 300'000; ++i) runs += "eyJ", dots += "eyJ..";
    BOOST_TEST(scrub_tokens(runs) == runs);
    BOOST_TEST(scrub_tokens(dots) == dots);
}

BOOST_AUTO_TEST_CASE(long_text_is_cut_and_marked_and_never_shows_half_a_token) {
    const std::size_t bound = limits::log_text_size_max;
    const std::string line = json::parse(json_line(std::string(10'000'000, 'a')))["message"];
    BOOST_TEST(line == std::string(bound, 'a') + "...[cut]");
    for (std::size_t before = bound - jwt.size() - 1; before <= bound; ++before) {
        const std::string shown = json::parse(json_line(std::string(before, ' ') + jwt))["message"];
        BOOST_REQUIRE(shown.find("eyJ") == std::string::npos);
    }
    for (std::size_t before = bound - 4; before <= bound; ++before) { // no character is cut in two
        const std::string shown =
            json::parse(json_line(std::string(before, 'a') + "\U0001f600\U0001f600"))["message"];
        BOOST_REQUIRE(shown.find("\xef\xbf\xbd") == std::string::npos);
    }
}

BOOST_AUTO_TEST_CASE(lines_below_the_level_are_not_written) {
    log_to_file out{{.level = log_level::warn}};
    out.log.trace("no");
    out.log.debug("no");
    out.log.info("no");
    out.log.warn("1");
    out.log.error("2");
    const logger other = out.log.named("x");
    other.set_level(log_level::trace);
    out.log.trace("3");
    out.log.set_level(log_level::off);
    out.log.error("no");
    const auto lines = out.lines();
    BOOST_REQUIRE(lines.size() == 3U);
    for (std::size_t i = 0; i < 3; ++i) BOOST_TEST(json::parse(lines[i])["message"] == std::to_string(i + 1));
    BOOST_TEST(json::parse(lines[1])["level"] == "error");
}

BOOST_AUTO_TEST_CASE(level_names_read_back) {
    for (const log_level level :
         {log_level::trace, log_level::debug, log_level::info, log_level::warn, log_level::error, log_level::off})
        BOOST_TEST((log_level_from_name(to_string(level)) == level));
    BOOST_TEST(!log_level_from_name("INFO"));
    BOOST_TEST(!log_level_from_name(""));
}

BOOST_AUTO_TEST_CASE(what_is_no_terminal_gets_json) {
    log_to_file out;
    BOOST_TEST((style_for(fileno(out.file.get())) == log_style::json));
}

BOOST_AUTO_TEST_CASE(many_threads_write_whole_lines_and_lose_none) {
    log_to_file out;
    constexpr int threads = 4, each = 2000;
    std::vector<std::thread> writers;
    for (int t = 0; t < threads; ++t)
        writers.emplace_back([&out, t] {
            const logger mine = out.log.named("t" + std::to_string(t));
            for (int i = 0; i < each; ++i) mine.info("line", {{"i", i}, {"fill", std::string(100, 'x')}});
        });
    for (std::thread& writer : writers) writer.join();
    std::map<std::string, int> next;
    const auto lines = out.lines();
    BOOST_REQUIRE(lines.size() == std::size_t{threads * each});
    for (const std::string& text : lines) {
        const json line = json::parse(text);
        BOOST_REQUIRE(line["i"] == next[line["component"]]++);
    }
    BOOST_TEST(out.log.lines_lost() == 0U);
}

BOOST_AUTO_TEST_CASE(a_slow_reader_delays_the_log_and_loses_nothing) {
    std::array<int, 2> ends{};
    BOOST_REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    BOOST_REQUIRE(::fcntl(ends[1], F_SETFL, O_NONBLOCK) == 0); // EAGAIN when full
    constexpr int count = 3000;                                // some 300 KB; a pipe holds 64 KB
    const logger log{{}, make_descriptor_sink(ends[1])};
    std::thread writer{[&] {
        for (int i = 0; i < count; ++i) log.info("a line of some length, to fill the pipe the sooner", {{"i", i}});
        ::close(ends[1]);
    }};
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> in{::fdopen(ends[0], "r"), std::fclose};
    int lines = 0;
    for (int c = 0; (c = std::fgetc(in.get())) != EOF;) lines += c == '\n';
    writer.join();
    BOOST_TEST(lines == count);
    BOOST_TEST(log.lines_lost() == 0U);
}

BOOST_AUTO_TEST_CASE(a_line_that_cannot_be_written_is_counted) {
    const int full = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
    BOOST_REQUIRE(full >= 0);
    const logger log{{}, make_descriptor_sink(full)};
    for (int i = 0; i < 5; ++i) log.error("nowhere");
    BOOST_TEST(log.lines_lost() == 5U);
    ::close(full);
}

BOOST_AUTO_TEST_SUITE_END()
