#include "runtime/config/field_reader.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "runtime/config/quantities.hpp"

namespace coppice {

namespace {

std::string joined(const std::vector<std::string_view>& words) {
    std::string out;
    for (const std::string_view word : words) {
        if (!out.empty()) out += ", ";
        out += word;
    }
    return out;
}

std::optional<std::uint64_t> whole_number(const yaml_value& value) {
    if (type_of(value) != scalar_type::integer) return std::nullopt;
    std::uint64_t number = 0;
    const char* end = value.text.data() + value.text.size();
    const auto [stop, error] = std::from_chars(value.text.data(), end, number);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return number;
}

} // namespace

field_reader::field_reader(const yaml_value& value, std::string path, error_log log)
    : value_{value}, path_{std::move(path)}, log_{log} {}

bool field_reader::is_mapping() const {
    if (value_.kind == yaml_kind::mapping) return true;
    log_.add(value_.at, path_, "must be a mapping (field: value), not " + shown(value_));
    return false;
}

std::string field_reader::path_of(std::string_view field) const {
    return path_.empty() ? std::string{field} : path_ + '.' + std::string{field};
}

void field_reader::error(std::string_view field, std::string message) const {
    const yaml_value* value = value_.find(field);
    log_.add(value != nullptr ? value->at : value_.at, path_of(field), std::move(message));
}

void field_reader::error_at(text_place at, std::string path, std::string message) const {
    log_.add(at, std::move(path), std::move(message));
}

void field_reader::wrong(std::string_view field, std::string_view wanted, const yaml_value& found) const {
    std::string message = "must be " + std::string{wanted} + ", not " + shown(found);
    if (found.kind == yaml_kind::scalar && type_of(found) == scalar_type::leading_zero)
        message += " (a leading zero is read differently by different programs)";
    error(field, std::move(message));
}

const yaml_value* field_reader::find(std::string_view field, presence need) {
    if (std::find(known_.begin(), known_.end(), field) == known_.end()) known_.push_back(field);
    const yaml_value* value = value_.find(field);
    if (value == nullptr) {
        if (need == presence::required) error(field, "is required");
        return nullptr;
    }
    if (value->kind == yaml_kind::null) {
        error(field, "has no value: give it one, or leave the field out");
        return nullptr;
    }
    return value;
}

const yaml_value* field_reader::scalar(std::string_view field, std::string_view wanted, presence need) {
    const yaml_value* value = find(field, need);
    if (value == nullptr || value->kind == yaml_kind::scalar) return value;
    wrong(field, wanted, *value);
    return nullptr;
}

bool field_reader::take_text(const yaml_value& value, const std::string& path, std::string& into) const {
    if (value.kind != yaml_kind::scalar) {
        error_at(value.at, path, "must be a string, not " + shown(value));
        return false;
    }
    if (type_of(value) != scalar_type::string) {
        error_at(value.at, path, "must be a string: put " + harmless(value.text, 60) + " in quotes");
        return false;
    }
    into = value.text;
    return true;
}

bool field_reader::text(std::string_view field, std::string& into, presence need) {
    const yaml_value* value = find(field, need);
    return value != nullptr && take_text(*value, path_of(field), into);
}

bool field_reader::boolean(std::string_view field, bool& into, presence need) {
    const yaml_value* value = scalar(field, "true or false", need);
    if (value == nullptr) return false;
    if (type_of(*value) != scalar_type::boolean) {
        wrong(field, "true or false", *value);
        return false;
    }
    into = value->text[0] == 't' || value->text[0] == 'T';
    return true;
}

bool field_reader::unsigned_number(std::string_view field, std::uint64_t& into, std::uint64_t min,
                                   std::uint64_t max, presence need) {
    const std::string wanted = "a whole number from " + std::to_string(min) + " to " + std::to_string(max);
    const yaml_value* value = scalar(field, wanted, need);
    if (value == nullptr) return false;
    const auto number = whole_number(*value);
    if (number && *number >= min && *number <= max) {
        into = *number;
        return true;
    }
    yaml_value plain = *value;
    plain.quoted = false;
    if (value->quoted && whole_number(plain)) {
        error(field, "must be " + wanted + ", not a string: take the quotes away");
    } else {
        wrong(field, wanted, *value);
    }
    return false;
}

bool field_reader::duration(std::string_view field, milliseconds& into, milliseconds min, milliseconds max,
                            presence need) {
    const yaml_value* value = scalar(field, "a duration such as \"90s\" or \"1h30m\"", need);
    if (value == nullptr) return false;
    const std::optional<milliseconds> parsed = parse_duration(value->text);
    if (!parsed) {
        wrong(field, "a duration such as \"90s\" or \"1h30m\"", *value);
        return false;
    }
    if (*parsed < min || *parsed > max) {
        wrong(field, "a duration from " + format_duration(min) + " to " + format_duration(max), *value);
        return false;
    }
    into = *parsed;
    return true;
}

bool field_reader::size(std::string_view field, std::uint64_t& into, std::uint64_t min, std::uint64_t max,
                        presence need) {
    const std::string wanted =
        "a size from " + format_size(min) + " to " + format_size(max) + ", such as \"64KiB\"";
    const yaml_value* value = scalar(field, wanted, need);
    if (value == nullptr) return false;
    const bool zero_first = type_of(*value) == scalar_type::leading_zero;
    const std::optional<std::uint64_t> parsed = zero_first ? std::nullopt : parse_size(value->text);
    if (!parsed || *parsed < min || *parsed > max) {
        wrong(field, wanted, *value);
        return false;
    }
    into = *parsed;
    return true;
}

bool field_reader::texts(std::string_view field, std::vector<std::string>& into, presence need) {
    const yaml_value* value = find(field, need);
    if (value == nullptr) return false;
    if (value->kind != yaml_kind::sequence) {
        wrong(field, "a list of strings", *value);
        return false;
    }
    std::vector<std::string> taken(value->items.size());
    bool good = true;
    for (std::size_t i = 0; i < taken.size(); ++i)
        good &= take_text(value->items[i], path_of(field) + '[' + std::to_string(i) + ']', taken[i]);
    if (good) into = std::move(taken);
    return good;
}

std::size_t field_reader::word_of(std::string_view field, const std::vector<std::string_view>& words,
                                  presence need) {
    const std::string wanted = "one of " + joined(words);
    const yaml_value* value = scalar(field, wanted, need);
    if (value == nullptr) return words.size();
    const auto found = std::find(words.begin(), words.end(), value->text);
    if (found == words.end()) wrong(field, wanted, *value);
    return static_cast<std::size_t>(found - words.begin());
}

void field_reader::report_unknown() const {
    for (const yaml_member& member : value_.members) {
        if (std::find(known_.begin(), known_.end(), member.key) != known_.end()) continue;
        const std::string_view meant = nearest(member.key, known_);
        const std::string hint =
            meant.empty() ? "known here: " + joined(known_) : "did you mean \"" + std::string{meant} + "\"?";
        log_.add(member.at, path_of(harmless(member.key, 60)), "unknown field; " + hint);
    }
}

} // namespace coppice
