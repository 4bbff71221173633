#include "actors/governance/json_equality.hpp"

#include <bit>
#include <functional>
#include <string_view>

#include "actors/governance/json_number.hpp"

namespace coppice {
namespace {

using nlohmann::json;

constexpr std::uint64_t bytes_per_step = 64;

// The finalizer of splitmix64 (Steele, Lea, Flood 2014) over both.
std::uint64_t mix(std::uint64_t seed, std::uint64_t value) {
    std::uint64_t z = seed * 0x9e3779b97f4a7c15ULL + value + 0x632be59bd9b4e019ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

enum class kind : std::uint8_t { null, boolean, number, string, array, object };

kind kind_of(const json& value) {
    switch (value.type()) {
    case json::value_t::boolean:
        return kind::boolean;
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float:
        return kind::number;
    case json::value_t::string:
        return kind::string;
    case json::value_t::array:
        return kind::array;
    case json::value_t::object:
        return kind::object;
    default:
        return kind::null;
    }
}

std::uint64_t hash_text(std::string_view text, std::uint64_t& work) {
    work += text.size() / bytes_per_step;
    return std::hash<std::string_view>{}(text);
}

std::uint64_t hash_number(const json& number) {
    if (const auto whole = to_whole(number)) return mix(whole->negative ? 3 : 2, whole->magnitude);
    return mix(4, std::bit_cast<std::uint64_t>(number.get<double>()));
}

bool same_objects(const json::object_t& left, const json::object_t& right, std::uint64_t& work) {
    if (left.size() != right.size()) return false;
    for (auto l = left.begin(), r = right.begin(); l != left.end(); ++l, ++r) {
        work += l->first.size() / bytes_per_step;
        if (l->first != r->first || !same_json(l->second, r->second, work)) return false;
    }
    return true;
}

bool same_arrays(const json::array_t& left, const json::array_t& right, std::uint64_t& work) {
    if (left.size() != right.size()) return false;
    for (std::size_t i = 0; i < left.size(); ++i)
        if (!same_json(left[i], right[i], work)) return false;
    return true;
}

bool same_texts(const std::string& left, const std::string& right, std::uint64_t& work) {
    if (left.size() != right.size()) return false;
    work += left.size() / bytes_per_step;
    return left == right;
}

} // namespace

bool same_json(const json& left, const json& right, std::uint64_t& work) {
    ++work;
    const kind what = kind_of(left);
    if (what != kind_of(right)) return false;
    switch (what) {
    case kind::null:
        return true;
    case kind::boolean:
        return left.get<bool>() == right.get<bool>();
    case kind::number:
        return compare_numbers(left, right) == std::partial_ordering::equivalent;
    case kind::string:
        return same_texts(left.get_ref<const std::string&>(), right.get_ref<const std::string&>(), work);
    case kind::array:
        return same_arrays(left.get_ref<const json::array_t&>(), right.get_ref<const json::array_t&>(), work);
    case kind::object:
        return same_objects(left.get_ref<const json::object_t&>(), right.get_ref<const json::object_t&>(), work);
    }
    return false;
}

std::uint64_t hash_json(const json& value, std::uint64_t& work) {
    ++work;
    const kind what = kind_of(value);
    std::uint64_t hash = mix(1, static_cast<std::uint64_t>(what));
    switch (what) {
    case kind::null:
        break;
    case kind::boolean:
        return mix(hash, value.get<bool>() ? 1 : 0);
    case kind::number:
        return hash_number(value);
    case kind::string:
        return mix(hash, hash_text(value.get_ref<const std::string&>(), work));
    case kind::array:
        for (const json& item : value.get_ref<const json::array_t&>()) hash = mix(hash, hash_json(item, work));
        break;
    case kind::object:
        for (const auto& [key, member] : value.get_ref<const json::object_t&>())
            hash = mix(mix(hash, hash_text(key, work)), hash_json(member, work));
        break;
    }
    return hash;
}

} // namespace coppice
