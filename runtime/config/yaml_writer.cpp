#include "runtime/config/yaml_writer.hpp"

#include <algorithm>
#include <initializer_list>

#include "runtime/config/yaml_text.hpp"

namespace coppice {

namespace {

using nlohmann::ordered_json;

constexpr std::size_t step = 2;
constexpr std::size_t plain_key_size_max = 512; // yaml-cpp wants the colon within 1024 bytes of a simple key

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Words that some version of YAML takes for something else than a string.
bool is_reserved(std::string_view text) {
    std::string word{text};
    std::transform(word.begin(), word.end(), word.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    for (const std::string_view reserved : {"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
        if (word == reserved) return true;
    return false;
}

bool is_plain(std::string_view text) {
    if (text.empty() || !(is_letter(text.front()) || text.front() == '/') || is_reserved(text)) return false;
    return std::all_of(text.begin(), text.end(), [](char c) {
        return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '/' || c == '.';
    });
}

// A duration such as 90s: digits first, a letter last, and nothing that could make it a number.
bool is_plain_duration(std::string_view text) {
    constexpr std::string_view unit_letters = "smhd";
    if (text.empty() || !is_digit(text.front()) || unit_letters.find(text.back()) == std::string_view::npos)
        return false;
    return std::all_of(text.begin(), text.end(),
                       [&](char c) { return is_digit(c) || unit_letters.find(c) != std::string_view::npos; });
}

std::string hex(char32_t c, std::size_t digits) {
    std::string out(digits, '0');
    for (std::size_t i = digits; i-- > 0; c >>= 4) out[i] = "0123456789abcdef"[c & 15];
    return out;
}

std::string escaped(char32_t c, std::string_view sequence) {
    if (c == '"' || c == '\\') return '\\' + std::string{sequence};
    if (c == '\n') return "\\n";
    if (c == '\t') return "\\t";
    if (c < 0x20 || (c >= 0x7f && c < 0xa0)) return "\\x" + hex(c, 2);
    if (c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe || c == 0xffff) return "\\u" + hex(c, 4);
    return std::string{sequence};
}

std::string scalar(const ordered_json& value) {
    if (value.is_string()) return yaml_string(value.get_ref<const std::string&>());
    return value.dump();
}

bool is_inline(const ordered_json& value) { return !value.is_structured() || value.empty(); }

void write(const ordered_json& value, std::size_t indent, std::string& out);

// What follows "key:" or "-" on its line, and below.
void write_child(const ordered_json& child, std::size_t indent, std::string& out) {
    if (is_inline(child)) {
        out += ' ' + scalar(child) + '\n';
    } else {
        out += '\n';
        write(child, indent + step, out);
    }
}

void write(const ordered_json& value, std::size_t indent, std::string& out) {
    const std::string margin(indent, ' ');
    if (value.is_array()) {
        for (const ordered_json& item : value) {
            out += margin + '-';
            write_child(item, indent, out);
        }
        return;
    }
    for (const auto& [key, child] : value.items()) {
        const std::string name = yaml_string(key);
        out += name.size() > plain_key_size_max ? margin + "? " + name + '\n' + margin + ':' : margin + name + ':';
        write_child(child, indent, out);
    }
}

} // namespace

std::string yaml_string(std::string_view text) {
    if (is_plain(text) || is_plain_duration(text)) return std::string{text};
    std::string out = "\"";
    while (!text.empty()) {
        char32_t c = 0xfffd;
        const std::size_t length = utf8_sequence(text, c);
        out += length == 0 ? "\\ufffd" : escaped(c, text.substr(0, length));
        text.remove_prefix(std::max<std::size_t>(length, 1));
    }
    return out + '"';
}

std::string to_yaml_text(const ordered_json& value, std::size_t indent) {
    std::string out;
    write(value, indent, out);
    return out;
}

} // namespace coppice
