// Typed access to a mapping: each field that is asked for is thereby known, each one that was wrong is reported and
// leaves its target as it was, and at the end every field that nobody asked for is reported as unknown. So a reader
// of a document is one line a field, and its defaults are the initial values of the target.
//
//     field_reader::read(document, "", log, [&](field_reader& fields) {
//         fields.integer("weight", spec.weight, 1, 1000);
//         fields.mapping("retry", [&](field_reader& retry) { retry.duration("base", spec.retry.base, ...); });
//     });
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/config/document_errors.hpp"
#include "runtime/config/yaml_value.hpp"
#include "schema/time.hpp"

namespace coppice {

// Where errors go, and the name of the file that they are about. Cheap to copy; outlived by what it refers to.
struct error_log {
    std::string_view file;
    document_errors& errors;

    void add(text_place at, std::string path, std::string message) const {
        errors.add({std::string{file}, at, std::move(path), std::move(message)});
    }
};

enum class presence : std::uint8_t { optional, required };

template <class E>
using choices = std::vector<std::pair<std::string_view, E>>;

class field_reader {
  public:
    // Calls `fields(field_reader&)` when `value` is a mapping, and reports otherwise. `path` names `value` in
    // messages; empty for a whole document.
    template <class F>
    static void read(const yaml_value& value, std::string path, error_log log, F&& fields) {
        field_reader reader{value, std::move(path), log};
        if (!reader.is_mapping()) return;
        std::forward<F>(fields)(reader);
        reader.report_unknown();
    }

    // Each of these: whether `into` was set. A field that is absent is an error only when required; one that is
    // there without a value always is.
    bool text(std::string_view field, std::string& into, presence need = presence::optional);
    bool boolean(std::string_view field, bool& into, presence need = presence::optional);
    // A whole decimal number from `min` to `max`.
    template <class Int>
    bool integer(std::string_view field, Int& into, std::type_identity_t<Int> min, std::type_identity_t<Int> max,
                 presence need = presence::optional) {
        static_assert(std::is_unsigned_v<Int>);
        std::uint64_t number = 0;
        if (!unsigned_number(field, number, min, max, need)) return false;
        into = static_cast<Int>(number);
        return true;
    }
    // "90s", "1h30m" (schema/time.hpp), from `min` to `max`.
    bool duration(std::string_view field, milliseconds& into, milliseconds min, milliseconds max,
                  presence need = presence::optional);
    // "64KiB" or a number of bytes (quantities.hpp), from `min` to `max`.
    bool size(std::string_view field, std::uint64_t& into, std::uint64_t min, std::uint64_t max,
              presence need = presence::optional);
    bool texts(std::string_view field, std::vector<std::string>& into, presence need = presence::optional);
    template <class E>
    bool choice(std::string_view field, E& into, const choices<E>& known, presence need = presence::optional) {
        std::vector<std::string_view> words;
        for (const auto& [word, value] : known) words.push_back(word);
        const std::size_t index = word_of(field, words, need);
        if (index >= known.size()) return false;
        into = known[index].second;
        return true;
    }
    template <class F>
    bool mapping(std::string_view field, F&& fields, presence need = presence::optional) {
        const yaml_value* value = find(field, need);
        if (value == nullptr) return false;
        read(*value, path_of(field), log_, std::forward<F>(fields));
        return true;
    }
    // As it stands; null when absent or without a value.
    const yaml_value* find(std::string_view field, presence need = presence::optional);

    // Reports about a field, at its place, or at the mapping's when the field is absent.
    void error(std::string_view field, std::string message) const;
    void error_at(text_place at, std::string path, std::string message) const;
    std::string path_of(std::string_view field) const;
    const error_log& log() const { return log_; }

  private:
    field_reader(const yaml_value& value, std::string path, error_log log);
    bool is_mapping() const;
    void report_unknown() const;
    // The scalar of a field; null when it is absent or something else, which is then reported as not `wanted`.
    const yaml_value* scalar(std::string_view field, std::string_view wanted, presence need);
    bool unsigned_number(std::string_view field, std::uint64_t& into, std::uint64_t min, std::uint64_t max,
                         presence need);
    std::size_t word_of(std::string_view field, const std::vector<std::string_view>& words, presence need);
    bool take_text(const yaml_value& value, const std::string& path, std::string& into) const;
    void wrong(std::string_view field, std::string_view wanted, const yaml_value& found) const;

    const yaml_value& value_;
    std::string path_;
    error_log log_;
    std::vector<std::string_view> known_; // literals of the caller
};

} // namespace coppice
