#include "runtime/config/json_values.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "schema/limits.hpp"

namespace coppice {

namespace {

using nlohmann::json;

// nlohmann's SAX interface; a handler returns false to stop.
class json_tree_builder {
  public:
    explicit json_tree_builder(std::size_t depth_max) : depth_max_{depth_max} {}

    yaml_value root;
    std::string problem;

    bool null() { return put({}); }
    bool boolean(bool value) { return scalar(value ? "true" : "false", false); }
    bool number_integer(json::number_integer_t value) { return scalar(std::to_string(value), false); }
    bool number_unsigned(json::number_unsigned_t value) { return scalar(std::to_string(value), false); }
    bool number_float(json::number_float_t, const std::string& text) { return scalar(text, false); }
    bool string(std::string& value) {
        if (value.find('\0') != std::string::npos) return stop("a string must not contain NUL");
        return scalar(value, true);
    }
    bool binary(json::binary_t&) { return stop("binary data"); }
    bool start_array(std::size_t) { return open(yaml_kind::sequence); }
    bool end_array() { return close(); }
    bool start_object(std::size_t) { return open(yaml_kind::mapping); }
    bool end_object() { return close(); }
    bool key(std::string& name) {
        if (!open_.back().seen.insert(name).second) return stop("the key " + shown(name) + " is there twice");
        if (name.find('\0') != std::string::npos) return stop("a key must not contain NUL");
        open_.back().key = name;
        return true;
    }
    bool parse_error(std::size_t offset, const std::string&, const json::exception&) {
        return stop("not valid JSON at byte " + std::to_string(offset));
    }

  private:
    struct frame {
        yaml_value value;
        std::string key;
        std::set<std::string> seen;
    };

    bool stop(std::string why) {
        problem = std::move(why);
        return false;
    }
    bool scalar(std::string text, bool quoted) {
        yaml_value value;
        value.kind = yaml_kind::scalar;
        value.quoted = quoted;
        value.text = std::move(text);
        return put(std::move(value));
    }
    bool open(yaml_kind kind) {
        if (open_.size() == depth_max_)
            return stop("is nested deeper than " + std::to_string(depth_max_) + " levels");
        open_.emplace_back().value.kind = kind;
        return true;
    }
    bool close() {
        yaml_value done = std::move(open_.back().value);
        open_.pop_back();
        return put(std::move(done));
    }
    bool put(yaml_value value) {
        if (++values_ > limits::yaml_values_max) return stop("has too many values");
        if (open_.empty()) {
            root = std::move(value);
        } else if (frame& parent = open_.back(); parent.value.kind == yaml_kind::sequence) {
            parent.value.items.push_back(std::move(value));
        } else {
            parent.value.members.push_back({std::move(parent.key), {}, std::move(value)});
        }
        return true;
    }

    std::size_t depth_max_;
    std::size_t values_ = 0;
    std::vector<frame> open_;
};

// Converts a tree; the recursion is bounded by the tree's depth (limits::json_depth_max).
class json_converter {
  public:
    json_converter(std::string_view file, document_errors& errors) : file_{file}, errors_{errors} {}

    json convert(const yaml_value& value, const std::string& path) {
        switch (value.kind) {
        case yaml_kind::null:
            return nullptr;
        case yaml_kind::scalar:
            return scalar(value, path);
        case yaml_kind::sequence:
            break;
        case yaml_kind::mapping:
            return object(value, path);
        }
        json array = json::array();
        for (std::size_t i = 0; i < value.items.size(); ++i)
            array.push_back(convert(value.items[i], path + '[' + std::to_string(i) + ']'));
        return array;
    }

    bool failed() const { return failed_; }

  private:
    json object(const yaml_value& value, const std::string& path) {
        json object = json::object();
        for (const yaml_member& member : value.members)
            object[member.key] = convert(member.value, path + '.' + harmless(member.key, 60));
        return object;
    }

    json scalar(const yaml_value& value, const std::string& path) {
        const std::string_view text = value.text;
        switch (type_of(value)) {
        case scalar_type::string:
            return value.text;
        case scalar_type::boolean:
            return text[0] == 't' || text[0] == 'T';
        case scalar_type::integer:
            return integer(value, text, 10, path);
        case scalar_type::octal:
            return integer(value, text.substr(2), 8, path);
        case scalar_type::hexadecimal:
            return integer(value, text.substr(2), 16, path);
        case scalar_type::floating:
            return floating(value, text, path);
        case scalar_type::leading_zero:
            return refuse(value, path,
                          "a leading zero is read differently by different programs: leave it out, or "
                          "quote the text");
        case scalar_type::infinite:
            return refuse(value, path, "JSON has no such number: quote it if it is text");
        }
        return nullptr;
    }

    json integer(const yaml_value& value, std::string_view digits, int base, const std::string& path) {
        if (digits.starts_with('+')) digits.remove_prefix(1);
        if (digits.starts_with('-')) {
            if (std::int64_t number = 0; read(digits, number, base)) return number;
        } else if (std::uint64_t number = 0; read(digits, number, base)) {
            return number;
        }
        return refuse(value, path, "this number does not fit into 64 bits: quote it if it is text");
    }

    template <class Number>
    static bool read(std::string_view digits, Number& number, int base) {
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
        return error == std::errc{} && end == digits.data() + digits.size();
    }

    json floating(const yaml_value& value, std::string_view text, const std::string& path) {
        if (text.starts_with('+')) text.remove_prefix(1);
        double number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error == std::errc{} && end == text.data() + text.size() && std::isfinite(number)) return number;
        return refuse(value, path, "this number does not fit into a double: quote it if it is text");
    }

    json refuse(const yaml_value& value, const std::string& path, std::string message) {
        failed_ = true;
        errors_.add({std::string{file_}, value.at, path, std::move(message)});
        return nullptr;
    }

    std::string_view file_;
    document_errors& errors_;
    bool failed_ = false;
};

} // namespace

expected<yaml_value> parse_json_value(std::string_view text, std::size_t depth_max) {
    if (text.size() > limits::document_size_max)
        return fail(errc::document_invalid, "JSON text of more than 1 MiB");
    json_tree_builder builder{depth_max};
    if (!json::sax_parse(text, &builder)) return fail(errc::document_invalid, builder.problem);
    return std::move(builder.root);
}

std::optional<std::string> to_canonical_json(const yaml_value& value, std::string_view path, std::string_view file,
                                             document_errors& errors) {
    json_converter converter{file, errors};
    const json converted = converter.convert(value, std::string{path});
    if (converter.failed()) return std::nullopt;
    return converted.dump(-1, ' ', false, json::error_handler_t::replace);
}

} // namespace coppice
