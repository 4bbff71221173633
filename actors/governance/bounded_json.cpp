#include "actors/governance/bounded_json.hpp"

#include <algorithm>
#include <iterator>
#include <vector>

#include "actors/governance/json_number.hpp"

namespace coppice {
namespace {

using nlohmann::json;

constexpr std::size_t excerpt_size_max = 60;

// Walks the text and leaves a note of how far the parser has read.
struct noting_iterator {
    using iterator_category = std::forward_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    const char* at = nullptr;
    const char** read = nullptr;

    reference operator*() const { return *at; }
    noting_iterator& operator++() {
        *read = ++at;
        return *this;
    }
    noting_iterator operator++(int) {
        noting_iterator before = *this;
        ++*this;
        return before;
    }
    bool operator==(const noting_iterator& other) const { return at == other.at; }
};

// nlohmann's sentence without its prefix and without the bytes it quotes, which need not be UTF-8.
std::string plain_sentence(std::string sentence) {
    if (const auto cut = sentence.find("; last read: "); cut != std::string::npos) sentence.resize(cut);
    for (const std::string_view before : {" - ", ": ", "] "})
        if (const auto at = sentence.find(before); at != std::string::npos)
            return sentence.substr(at + before.size());
    return sentence;
}

// Builds the tree; an event that returns false ends the parse, with the reason in `refused`.
class tree_builder {
  public:
    explicit tree_builder(const json_bounds& bounds) : bounds_(bounds) {}

    bool null() { return scalar(nullptr); }
    bool boolean(bool value) { return scalar(value); }
    bool number_integer(std::int64_t value) { return scalar(value); }
    bool number_unsigned(std::uint64_t value) { return scalar(value); }
    bool number_float(double value, const std::string& written) {
        if (written.find_first_of(".eE") == std::string::npos)
            return refuse("an integer does not fit in 64 bits (write it as a string)");
        return scalar(value);
    }
    bool string(std::string& value) { return scalar(std::move(value)); }
    bool binary(json::binary_t&) { return refuse("binary data"); }

    bool start_object(std::size_t) { return open(json::object()); }
    bool start_array(std::size_t) { return open(json::array()); }
    bool end_object() { return close(); }
    bool end_array() { return close(); }

    bool key(std::string& name) {
        const auto [member, inserted] = open_.back()->get_ref<json::object_t&>().try_emplace(name, nullptr);
        if (!inserted) return refuse("the key " + quoted_excerpt(name) + " is there twice");
        slot_ = &member->second;
        return true;
    }

    bool parse_error(std::size_t, const std::string&, const json::exception& error) {
        constexpr int number_overflow = 406;
        return refuse(error.id == number_overflow ? "a number is beyond the range of double"
                                                  : plain_sentence(error.what()));
    }

    const std::string& refused() const { return refused_; }
    json take() { return std::move(root_); }

  private:
    bool refuse(std::string why) {
        refused_ = std::move(why);
        return false;
    }

    // Where the next value goes, or null when there are too many.
    json* place() {
        if (++values_ > bounds_.values_max) {
            refuse("more than " + std::to_string(bounds_.values_max) + " values");
            return nullptr;
        }
        if (open_.empty()) return &root_;
        if (open_.back()->is_object()) return slot_;
        auto& items = open_.back()->get_ref<json::array_t&>();
        items.emplace_back(nullptr);
        return &items.back();
    }

    template <class Value>
    bool scalar(Value&& value) {
        json* at = place();
        if (at == nullptr) return false;
        *at = std::forward<Value>(value);
        return true;
    }

    bool open(json container) {
        if (open_.size() == bounds_.depth_max)
            return refuse("nested deeper than " + std::to_string(bounds_.depth_max));
        json* at = place();
        if (at == nullptr) return false;
        *at = std::move(container);
        open_.push_back(at);
        return true;
    }

    bool close() {
        open_.pop_back();
        return true;
    }

    const json_bounds& bounds_;
    json root_;
    std::vector<json*> open_; // from the root to the container that is being filled; stable, as only the last grows
    json* slot_ = nullptr;    // the member whose key was just read
    std::size_t values_ = 0;
    std::string refused_;
};

std::string position(std::string_view read) {
    const auto line = std::ranges::count(read, '\n') + 1;
    const auto line_start = read.rfind('\n');
    const auto column = line_start == std::string_view::npos ? read.size() : read.size() - line_start - 1;
    return "line " + std::to_string(line) + ", column " + std::to_string(std::max<std::size_t>(column, 1));
}

void append_string(std::string& to, std::string_view text) {
    constexpr std::string_view hex = "0123456789abcdef";
    constexpr std::string_view plain = "btn-fr"; // by code, from 8; 11 has none
    to += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            to += '\\';
            to += c;
        } else if (byte >= 8 && byte <= 13 && byte != 11) {
            to += '\\';
            to += plain[byte - 8U];
        } else if (byte < 32) {
            to += "\\u00";
            to += hex[byte >> 4];
            to += hex[byte & 15];
        } else {
            to += c;
        }
    }
    to += '"';
}

void append_canonical(std::string& to, const json& value) {
    switch (value.type()) {
    case json::value_t::object: {
        char before = '{';
        for (const auto& [key, member] : value.get_ref<const json::object_t&>()) {
            to += before;
            append_string(to, key);
            to += ':';
            append_canonical(to, member);
            before = ',';
        }
        to += before == '{' ? "{}" : "}";
        break;
    }
    case json::value_t::array: {
        char before = '[';
        for (const json& item : value.get_ref<const json::array_t&>()) {
            to += before;
            append_canonical(to, item);
            before = ',';
        }
        to += before == '[' ? "[]" : "]";
        break;
    }
    case json::value_t::string:
        append_string(to, value.get_ref<const std::string&>());
        break;
    case json::value_t::boolean:
        to += value.get<bool>() ? "true" : "false";
        break;
    case json::value_t::number_integer:
    case json::value_t::number_unsigned:
    case json::value_t::number_float:
        to += number_text(value);
        break;
    default:
        to += "null";
    }
}

std::string counted(std::size_t count, std::string_view one, std::string_view many) {
    return std::to_string(count) + " " + std::string{count == 1 ? one : many};
}

} // namespace

expected<json> parse_json(std::string_view text, const json_bounds& bounds, errc code) {
    if (text.size() > bounds.size_max)
        return fail(errc::payload_too_large, std::to_string(text.size()) + " bytes of JSON, where at most " +
                                                 std::to_string(bounds.size_max) + " are accepted");
    const char* read = text.data();
    tree_builder builder{bounds};
    const noting_iterator first{text.data(), &read};
    const noting_iterator last{text.data() + text.size(), &read};
    if (!json::sax_parse(first, last, &builder)) {
        const std::string_view consumed{text.data(), static_cast<std::size_t>(read - text.data())};
        return fail(code, position(consumed) + ": " + builder.refused());
    }
    return builder.take();
}

std::string canonical_json(const json& value) {
    std::string text;
    append_canonical(text, value);
    return text;
}

std::string quoted_excerpt(std::string_view text) {
    const bool cut = text.size() > excerpt_size_max;
    if (cut) {
        std::size_t end = excerpt_size_max;
        while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
        text = text.substr(0, end);
    }
    std::string quoted;
    append_string(quoted, text);
    if (cut) quoted += "...";
    return quoted;
}

std::string excerpt(const json& value) {
    if (value.is_string()) return quoted_excerpt(value.get_ref<const std::string&>());
    if (value.is_array()) return "an array of " + counted(value.size(), "item", "items");
    if (value.is_object()) return "an object of " + counted(value.size(), "property", "properties");
    return canonical_json(value);
}

} // namespace coppice
