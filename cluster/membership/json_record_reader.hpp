// A record of the control store, read field by field: each must be there, of its type and within its bounds. A
// field that nobody asked for is refused, unless the record's "format" is newer than ours: then it is what a newer
// version added, and is passed over. Records come over a socket from a store that others can write, so nothing is
// believed.
//
//     auto reader = json_record_reader::parse(json, limits::shard_record_size_max, 1);
//     reader.number("epoch", config.epoch, 1, max);
//     if (const auto ok = reader.finish(); !ok) ...        the first thing that was wrong
//
// Targets of fields that were wrong are left as they were. Pure; one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "schema/errc.hpp"

namespace coppice {

class json_record_reader {
  public:
    // `format`: the newest that we know; a record names its own in "format", from 1.
    static json_record_reader parse(std::string_view json, std::size_t size_max, std::uint32_t format);

    template <class Int>
    void number(const char* field, Int& into, std::type_identity_t<Int> min, std::type_identity_t<Int> max) {
        static_assert(std::is_unsigned_v<Int>);
        if (const auto found = unsigned_number(find(field), field, min, max)) into = static_cast<Int>(*found);
    }
    // `fits` says whether a text is accepted, `wanted` in words what is.
    using text_rule = std::function<bool(std::string_view)>;
    void text(const char* field, std::string& into, const text_rule& fits, std::string_view wanted);
    // A list without repetition, in rising order.
    template <class Make>
    void numbers(const char* field, std::size_t count_max, std::uint64_t min, std::uint64_t max, Make make) {
        for (const std::uint64_t n : sorted_numbers(field, count_max, min, max)) make(n);
    }
    void texts(const char* field, std::vector<std::string>& into, std::size_t count_max, const text_rule& fits,
               std::string_view wanted);

    // Reports what the caller found wrong with a field.
    void wrong(std::string_view field, std::string_view what);
    bool failed() const { return failure_.has_value(); }
    // errc::invalid_argument with the first thing that was wrong.
    expected<void> finish();

  private:
    const nlohmann::json* find(const char* field);
    std::optional<std::uint64_t> unsigned_number(const nlohmann::json* value, std::string_view field,
                                                 std::uint64_t min, std::uint64_t max);
    std::vector<std::uint64_t> sorted_numbers(const char* field, std::size_t count_max, std::uint64_t min,
                                              std::uint64_t max);
    const nlohmann::json::array_t* list(const char* field, std::size_t count_max);

    nlohmann::json object_;
    std::set<std::string_view> known_; // literals of the caller
    bool newer_ = false;
    std::optional<failure> failure_;
};

} // namespace coppice
