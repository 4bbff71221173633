// JSON's numbers compared as the numbers that were written, not as the doubles they may have become.
//
// A parsed number is an int64, a uint64 or a double. Two integers compare exactly, whatever their size; an integer
// and a double compare exactly too, because the double is split into its whole part and the rest. 1.0 is an integer
// and equals 1. A double stands for the shortest decimal that reads back as it (what was written, up to 15 digits),
// so "a multiple of 0.01" is decided in exact decimal arithmetic and 4.35 is one.
//
// Pure; any thread. Sources: JSON Schema 2020-12 core 4.2.1 and 6.3; RFC 8785 3.2.2.3 for the text.
#pragma once

#include <compare>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace coppice {

// A whole number of at most 64 bits and a sign; zero is never negative.
struct whole_number {
    bool negative = false;
    std::uint64_t magnitude = 0;
    bool operator==(const whole_number&) const = default;
};

// A magnitude as digits * 10^exponent.
struct decimal_magnitude {
    std::uint64_t digits = 0;
    int exponent = 0;
};

// The value of an integer, or of a double without a fraction, when it has 64 bits at most; else nothing.
std::optional<whole_number> to_whole(const nlohmann::json& number);

// Whether JSON Schema's type "integer" holds it: 1, 1.0 and 1e300 are, 1.5 is not.
bool is_integer(const nlohmann::json& number);

// Both must be numbers. Unordered only when one is not finite, which no JSON text gives.
std::partial_ordering compare_numbers(const nlohmann::json& left, const nlohmann::json& right);

// |number|; a double by its shortest decimal. Nothing when it is not finite.
std::optional<decimal_magnitude> to_decimal(const nlohmann::json& number);

// Whether value / divisor is whole. A zero divisor gives false.
bool is_multiple(const decimal_magnitude& value, const decimal_magnitude& divisor);

// Integers in full; a double without a fraction below 2^64 as an integer; others as the shortest text that reads
// back as the same double. Equal numbers give equal text.
std::string number_text(const nlohmann::json& number);

} // namespace coppice
