#include "actors/governance/json_number.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace coppice {
namespace {

using nlohmann::json;

__extension__ typedef unsigned __int128 wide;

constexpr double two_to_64 = 18446744073709551616.0;

whole_number from_signed(std::int64_t value) {
    if (value >= 0) return {false, static_cast<std::uint64_t>(value)};
    return {true, ~static_cast<std::uint64_t>(value) + 1};
}

std::strong_ordering compare_whole(const whole_number& left, const whole_number& right) {
    if (left.negative != right.negative)
        return left.negative ? std::strong_ordering::less : std::strong_ordering::greater;
    return left.negative ? right.magnitude <=> left.magnitude : left.magnitude <=> right.magnitude;
}

// `right` is finite and has a fraction or more than 64 bits.
std::partial_ordering compare_mixed(const whole_number& left, double right) {
    if (right >= two_to_64) return std::partial_ordering::less;
    if (right <= -two_to_64) return std::partial_ordering::greater;
    const double whole = std::trunc(right);
    const auto magnitude = static_cast<std::uint64_t>(std::fabs(whole));
    const whole_number cut{right < 0 && magnitude != 0, magnitude};
    const auto order = compare_whole(left, cut);
    if (order != std::strong_ordering::equal) return order;
    return 0.0 <=> (right - whole);
}

std::partial_ordering reversed(std::partial_ordering order) { return 0 <=> order; }

// 10^power mod modulus; modulus is not zero.
std::uint64_t power_of_ten_mod(int power, std::uint64_t modulus) {
    wide result = 1 % modulus;
    wide base = 10 % modulus;
    for (; power > 0; power /= 2) {
        if (power % 2 == 1) result = result * base % modulus;
        base = base * base % modulus;
    }
    return static_cast<std::uint64_t>(result);
}

} // namespace

std::optional<whole_number> to_whole(const json& number) {
    if (number.is_number_unsigned()) return whole_number{false, number.get<std::uint64_t>()};
    if (number.is_number_integer()) return from_signed(number.get<std::int64_t>());
    const auto value = number.get<double>();
    if (!(std::fabs(value) < two_to_64) || std::trunc(value) != value) return std::nullopt;
    return whole_number{value < 0, static_cast<std::uint64_t>(std::fabs(value))};
}

bool is_integer(const json& number) {
    if (number.is_number_integer()) return true;
    if (!number.is_number_float()) return false;
    const auto value = number.get<double>();
    return std::isfinite(value) && std::trunc(value) == value;
}

std::partial_ordering compare_numbers(const json& left, const json& right) {
    if (left.is_number_float() && right.is_number_float()) return left.get<double>() <=> right.get<double>();
    const auto whole_left = to_whole(left);
    const auto whole_right = to_whole(right);
    if (whole_left && whole_right) return compare_whole(*whole_left, *whole_right);
    const auto value = whole_left ? right.get<double>() : left.get<double>();
    if (std::isnan(value)) return std::partial_ordering::unordered;
    return whole_left ? compare_mixed(*whole_left, value) : reversed(compare_mixed(*whole_right, value));
}

std::optional<decimal_magnitude> to_decimal(const json& number) {
    if (const auto whole = to_whole(number)) return decimal_magnitude{whole->magnitude, 0};
    const auto value = std::fabs(number.get<double>());
    if (!std::isfinite(value)) return std::nullopt;
    std::array<char, 64> text{};
    const char* end =
        std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::scientific).ptr;
    decimal_magnitude result;
    const char* at = text.data();
    bool fraction = false;
    for (; at != end && *at != 'e'; ++at) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        result.digits = result.digits * 10 + static_cast<std::uint64_t>(*at - '0');
        if (fraction) --result.exponent;
    }
    int exponent = 0;
    if (at != end) {
        ++at;
        if (at != end && *at == '+') ++at;
        std::from_chars(at, end, exponent);
    }
    result.exponent += exponent;
    return result;
}

bool is_multiple(const decimal_magnitude& value, const decimal_magnitude& divisor) {
    if (divisor.digits == 0) return false;
    if (value.digits == 0) return true;
    const int shift = value.exponent - divisor.exponent;
    if (shift >= 0) {
        const wide product = wide{value.digits % divisor.digits} * power_of_ten_mod(shift, divisor.digits);
        return product % divisor.digits == 0;
    }
    std::uint64_t scaled = divisor.digits;
    for (int i = shift; i < 0; ++i) {
        if (scaled > std::numeric_limits<std::uint64_t>::max() / 10) return false;
        scaled *= 10;
    }
    return value.digits % scaled == 0;
}

std::string number_text(const json& number) {
    std::array<char, 64> text{};
    char* const end = text.data() + text.size();
    if (const auto whole = to_whole(number)) {
        char* const last = std::to_chars(text.data(), end, whole->magnitude).ptr;
        return (whole->negative ? "-" : "") + std::string(text.data(), last);
    }
    char* const last = std::to_chars(text.data(), end, number.get<double>()).ptr;
    return std::string(text.data(), last);
}

} // namespace coppice
