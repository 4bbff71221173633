#include "schema/time.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace coppice {
namespace {

constexpr milliseconds duration_max = std::chrono::hours{24 * 3653};

// RFC 3339 has years of four digits.
constexpr instant rfc3339_first = std::chrono::sys_days{std::chrono::year{0} / 1 / 1};
constexpr instant rfc3339_last =
    instant{std::chrono::sys_days{std::chrono::year{10'000} / 1 / 1}} - microseconds{1};

struct unit {
    std::string_view name;
    std::int64_t ms;
};
constexpr std::array units{unit{"d", 86'400'000}, unit{"h", 3'600'000}, unit{"m", 60'000}, unit{"s", 1'000},
                           unit{"ms", 1}};

// Reads exactly `count` digits at `at`, or gives nothing.
std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) {
    if (at + count > text.size()) return std::nullopt;
    int value = 0;
    for (std::size_t i = at; i < at + count; ++i) {
        if (text[i] < '0' || text[i] > '9') return std::nullopt;
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

// Reads a fraction ".ddd" at `at` and moves past it; microseconds.
std::optional<std::int64_t> fraction_us(std::string_view text, std::size_t& at) {
    if (at >= text.size() || text[at] != '.') return 0;
    std::int64_t us = 0;
    std::size_t count = 0;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, ++count)
        if (count < 6) us = us * 10 + (text[at] - '0');
    if (count == 0 || count > 9) return std::nullopt;
    for (; count < 6; ++count) us *= 10;
    return us;
}

// Reads "Z" or "+hh:mm" to the end of the text; minutes east.
std::optional<int> offset_minutes(std::string_view text, std::size_t at) {
    if (at + 1 == text.size() && (text[at] == 'Z' || text[at] == 'z')) return 0;
    if (at + 6 != text.size() || (text[at] != '+' && text[at] != '-') || text[at + 3] != ':') return std::nullopt;
    const auto hours = digits(text, at + 1, 2);
    const auto minutes = digits(text, at + 4, 2);
    if (!hours || !minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    const int total = *hours * 60 + *minutes;
    return text[at] == '-' ? -total : total;
}

} // namespace

instant wall_clock_now() { return std::chrono::floor<microseconds>(std::chrono::system_clock::now()); }

std::string to_rfc3339(instant t) {
    if (t == never) return {};
    t = std::clamp(t, rfc3339_first, rfc3339_last);
    const auto day = std::chrono::floor<std::chrono::days>(t);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss time{t - day};
    std::array<char, 48> text{};
    const int size = std::snprintf(
        text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
        static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
        static_cast<int>(time.seconds().count()), static_cast<int>(time.subseconds().count()));
    return {text.data(), static_cast<std::size_t>(size)};
}

std::optional<instant> parse_rfc3339(std::string_view text) {
    const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2);
    const auto hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    const bool separators = text[4] == '-' && text[7] == '-' &&
                            (text[10] == 'T' || text[10] == 't' || text[10] == ' ') && text[13] == ':' &&
                            text[16] == ':';
    const std::chrono::year_month_day date{std::chrono::year{*year},
                                           std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!separators || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    std::size_t at = 19;
    const auto fraction = fraction_us(text, at);
    if (!fraction) return std::nullopt;
    const auto offset = offset_minutes(text, at);
    if (!offset) return std::nullopt;
    return instant{std::chrono::sys_days{date}} + std::chrono::hours{*hour} +
           std::chrono::minutes{*minute - *offset} + std::chrono::seconds{*second} + microseconds{*fraction};
}

std::optional<milliseconds> parse_duration(std::string_view text) {
    if (text == "0") return milliseconds{0};
    if (text.empty()) return std::nullopt;
    std::int64_t total = 0;
    while (!text.empty()) {
        std::int64_t value = 0;
        std::size_t used = 0;
        for (; used < text.size() && text[used] >= '0' && text[used] <= '9'; ++used) {
            value = value * 10 + (text[used] - '0');
            if (value > duration_max.count()) return std::nullopt;
        }
        if (used == 0) return std::nullopt;
        text.remove_prefix(used);
        std::size_t letters = 0;
        while (letters < text.size() && (text[letters] < '0' || text[letters] > '9')) ++letters;
        std::int64_t scale = 0;
        for (const unit& u : units)
            if (u.name == text.substr(0, letters)) scale = u.ms;
        if (scale == 0 || value > duration_max.count() / scale) return std::nullopt;
        total += value * scale;
        if (total > duration_max.count()) return std::nullopt;
        text.remove_prefix(letters);
    }
    return milliseconds{total};
}

std::string format_duration(milliseconds d) {
    if (d.count() == 0) return "0";
    std::string text;
    std::int64_t rest = d.count();
    for (const unit& u : units) {
        if (const std::int64_t whole = rest / u.ms; whole > 0) {
            text += std::to_string(whole);
            text += u.name;
            rest %= u.ms;
        }
    }
    return text;
}

} // namespace coppice
