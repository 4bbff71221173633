// Time as Coppice says it: an instant is microseconds since the Unix epoch, UTC; text is RFC 3339. Nothing here
// reads a clock but `wall_clock_now`, which only the outermost layer calls: machines get time as an argument.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace coppice {

using std::chrono::microseconds;
using std::chrono::milliseconds;

using instant = std::chrono::sys_time<microseconds>;

inline constexpr instant never{microseconds{0}}; // "not set" in records; nothing happens in 1970

inline std::int64_t to_us(instant t) { return t.time_since_epoch().count(); }
inline instant from_us(std::int64_t us) { return instant{microseconds{us}}; }
inline std::uint64_t to_ms(instant t) {
    return static_cast<std::uint64_t>(std::chrono::floor<milliseconds>(t).time_since_epoch().count());
}

instant wall_clock_now();

// "2026-11-20T19:55:01.123456Z"; an empty string for `never`. Beyond the years 0000 to 9999,
// which RFC 3339 cannot say, the nearest instant that it can.
std::string to_rfc3339(instant t);
// RFC 3339 date-time with any offset and up to nine fraction digits (cut to microseconds).
std::optional<instant> parse_rfc3339(std::string_view text);

// "250ms", "90s", "1h30m", "2d": units ms, s, m, h, d, largest first or not, no spaces; a bare "0" is zero.
// Overflow, signs and anything over ten years are refused.
std::optional<milliseconds> parse_duration(std::string_view text);
// Such a text, largest unit first and none of zero ("1h30m"), that reads back as the same value. `d` is not
// negative.
std::string format_duration(milliseconds d);

} // namespace coppice
