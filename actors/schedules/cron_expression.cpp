#include "actors/schedules/cron_expression.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string>
#include <vector>

namespace coppice {
namespace {

using namespace std::chrono;

constexpr int years_looked_at = 9; // from 28 February 2096 to 29 February 2104 are more than eight

struct field_kind {
    std::string_view name;
    unsigned first, last;
    std::span<const std::string_view> words; // for first, first + 1, ...
};
constexpr std::array<std::string_view, 12> month_words{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_words{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
constexpr field_kind second_field{"second", 0, 59, {}}, minute_field{"minute", 0, 59, {}},
    hour_field{"hour", 0, 23, {}}, day_field{"day of the month", 1, 31, {}},
    month_field{"month", 1, 12, month_words}, weekday_field{"day of the week", 0, 7, weekday_words};

tl::unexpected<failure> wrong(const field_kind& kind, std::string_view text) {
    std::string why = "the " + std::string{kind.name} + " \"" + std::string{text.substr(0, 40)} +
                      "\" is not *, or a list of numbers and ranges from " + std::to_string(kind.first) + " to " +
                      std::to_string(kind.last) + " with steps after \"/\"";
    if (!kind.words.empty())
        why += "; \"" + std::string{kind.words.front()} + "\" to \"" + std::string{kind.words.back()} + "\" do too";
    return fail(errc::invalid_argument, why);
}

std::vector<std::string_view> split(std::string_view text, char at) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(at);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

std::optional<unsigned> plain_number(std::string_view text) {
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return value;
}

std::optional<unsigned> number_in(const field_kind& kind, std::string_view text) {
    std::string lower{text};
    std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
    const auto word = std::ranges::find(kind.words, lower);
    const auto value = word != kind.words.end()
                           ? std::optional{kind.first + static_cast<unsigned>(word - kind.words.begin())}
                           : plain_number(text);
    return value && *value >= kind.first && *value <= kind.last ? value : std::nullopt;
}

// "*", "a", "a-b", and each with "/n".
template <std::size_t N>
bool read_part(const field_kind& kind, std::string_view text, std::bitset<N>& into) {
    const auto slash = text.find('/');
    unsigned step = 1;
    if (slash != std::string_view::npos) {
        const auto given = plain_number(text.substr(slash + 1));
        if (!given || *given == 0 || *given > kind.last) return false;
        step = *given;
        text = text.substr(0, slash);
    }
    unsigned from = kind.first, to = kind.last;
    if (text == "*") {
        to = std::min<unsigned>(to, N - 1); // 7 is Sunday, who is there already
    } else {
        const auto dash = text.find('-');
        const auto low = number_in(kind, text.substr(0, dash));
        const auto high = dash == std::string_view::npos ? low : number_in(kind, text.substr(dash + 1));
        if (!low || !high || *low > *high) return false;
        from = *low;
        to = dash == std::string_view::npos && slash != std::string_view::npos ? kind.last : *high;
    }
    for (unsigned value = from; value <= to; value += step) into.set(value % N);
    return true;
}

template <std::size_t N>
expected<void> read_field(const field_kind& kind, std::string_view text, std::bitset<N>& into) {
    for (const std::string_view part : split(text, ','))
        if (!read_part(kind, part, into)) return wrong(kind, text);
    return {};
}

std::string_view spelled_out(std::string_view word) {
    if (word == "@hourly") return "0 * * * *";
    if (word == "@daily" || word == "@midnight") return "0 0 * * *";
    if (word == "@weekly") return "0 0 * * 0";
    if (word == "@monthly") return "0 0 1 * *";
    if (word == "@yearly" || word == "@annually") return "0 0 1 1 *";
    return word;
}

std::vector<std::string_view> fields_of(std::string_view text) {
    std::vector<std::string_view> fields = split(text, ' ');
    std::erase_if(fields, [](std::string_view f) { return f.empty(); });
    return fields;
}

// The first set bit from `from` on; N when there is none.
template <std::size_t N>
std::size_t first_from(const std::bitset<N>& bits, std::size_t from) {
    while (from < N && !bits.test(from)) ++from;
    return from;
}

} // namespace

expected<cron_expression> cron_expression::parse(std::string_view text) {
    std::vector<std::string_view> fields = fields_of(spelled_out(text));
    if (fields.size() == 5) fields.insert(fields.begin(), "0");
    if (fields.size() != 6)
        return fail(
            errc::invalid_argument,
            "it has " + std::to_string(fields.size()) +
                " fields; it wants 5 (minute hour day-of-month month day-of-week), or 6 with seconds first");
    cron_expression c;
    for (auto ok :
         {read_field(second_field, fields[0], c.seconds_), read_field(minute_field, fields[1], c.minutes_),
          read_field(hour_field, fields[2], c.hours_), read_field(day_field, fields[3], c.days_),
          read_field(month_field, fields[4], c.months_), read_field(weekday_field, fields[5], c.weekdays_)})
        if (!ok) return tl::unexpected(ok.error());
    c.any_day_ = fields[3].starts_with('*');
    c.any_weekday_ = fields[5].starts_with('*');
    c.every_hour_ = c.hours_.all();
    if (!c.next(local_second{local_days{year{2023} / January / 1}}))
        return fail(errc::invalid_argument, "no day ever fits it");
    return c;
}

bool cron_expression::day_matches(year_month_day day) const {
    if (!months_.test(static_cast<unsigned>(day.month()))) return false;
    const bool of_month = days_.test(static_cast<unsigned>(day.day()));
    const bool of_week = weekdays_.test(weekday{local_days{day}}.c_encoding());
    if (any_day_ || any_weekday_) return of_month && of_week;
    return of_month || of_week;
}

bool cron_expression::matches(local_second at) const {
    const local_days day = floor<days>(at);
    const hh_mm_ss time{at - day};
    return day_matches(year_month_day{day}) && hours_.test(static_cast<std::size_t>(time.hours().count())) &&
           minutes_.test(static_cast<std::size_t>(time.minutes().count())) &&
           seconds_.test(static_cast<std::size_t>(time.seconds().count()));
}

// The first time of a day that is meant, at or after `from`.
std::optional<seconds> cron_expression::first_time(seconds from) const {
    const hh_mm_ss at{from};
    const auto from_hour = static_cast<std::size_t>(at.hours().count());
    const auto from_minute = static_cast<std::size_t>(at.minutes().count());
    const auto from_second = static_cast<std::size_t>(at.seconds().count());
    for (std::size_t h = first_from(hours_, from_hour); h < 24; h = first_from(hours_, h + 1)) {
        const bool same_hour = h == from_hour;
        for (std::size_t m = first_from(minutes_, same_hour ? from_minute : 0); m < 60;
             m = first_from(minutes_, m + 1)) {
            const std::size_t s = first_from(seconds_, same_hour && m == from_minute ? from_second : 0);
            if (s < 60) return hours{h} + minutes{m} + seconds{s};
        }
    }
    return std::nullopt;
}

std::optional<local_second> cron_expression::next(local_second after) const {
    const local_second from = after + seconds{1};
    local_days day = floor<days>(from);
    seconds time = from - day;
    for (const local_days last = day + days{366 * years_looked_at}; day <= last;
         day += days{1}, time = seconds{0}) {
        if (!day_matches(year_month_day{day})) continue;
        if (const auto found = first_time(time)) return local_second{day} + *found;
    }
    return std::nullopt;
}

} // namespace coppice
