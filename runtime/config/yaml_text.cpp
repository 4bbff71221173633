#include "runtime/config/yaml_text.hpp"

#include "schema/limits.hpp"

namespace coppice {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

// The characters that YAML allows a text to contain as they are (1.2.2, 5.1), without the byte order mark.
bool is_printable(char32_t c) {
    if (c == '\t' || c == '\n' || c == '\r' || c == 0x85) return true;
    return c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

std::string_view character_problem(std::string_view rest, std::size_t& length) {
    char32_t c = 0;
    length = utf8_sequence(rest, c);
    if (length == 0) return "this is not UTF-8: save the file in that encoding";
    if (c == 0) return "a NUL byte: this is not a text file";
    if (!is_printable(c))
        return "a control character, which YAML does not allow: write it as an escape within double quotes";
    if (c == '\r' && !rest.substr(1).starts_with('\n'))
        return "a carriage return without a newline: end lines with a newline";
    return {};
}

// `line` without its end.
std::string_view line_problem(std::string_view line) {
    if (line.starts_with('%'))
        return "a directive (a line that begins with %): not supported here; leave it out, or indent the line";
    bool tab = false;
    for (const char c : line) {
        if (c == '\t')
            tab = true;
        else if (c != ' ' && c != '-' && c != '?' && c != '\r')
            return tab && c != '#' ? "a tab indents this line: YAML indents with spaces" : "";
    }
    return {};
}

void check_characters(std::string_view text, std::vector<text_problem>& found) {
    text_place at{1, 1};
    std::size_t length = 0;
    for (std::size_t i = 0; i < text.size(); i += length) {
        if (const std::string_view problem = character_problem(text.substr(i), length); !problem.empty()) {
            found.push_back({at, problem});
            return;
        }
        at = text[i] == '\n' ? text_place{at.line + 1, 1}
                             : text_place{at.line, at.column + static_cast<int>(length)};
    }
}

void check_lines(std::string_view text, std::vector<text_problem>& found) {
    for (int line = 1; !text.empty(); ++line) {
        const std::size_t end = text.find('\n');
        if (const std::string_view problem = line_problem(text.substr(0, end)); !problem.empty()) {
            found.push_back({{line, 1}, problem});
            return;
        }
        if (end == std::string_view::npos) return;
        text.remove_prefix(end + 1);
    }
}

} // namespace

std::size_t utf8_sequence(std::string_view text, char32_t& code_point) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    if (text.empty()) return 0;
    const unsigned char first = byte(0);
    if (first < 0x80) {
        code_point = first;
        return 1;
    }
    const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < length) return 0;
    char32_t c = first & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return 0;
        c = (c << 6) | (byte(i) & 0x3fU);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return 0;
    code_point = c;
    return length;
}

std::string_view without_mark(std::string_view text) {
    if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
    return text;
}

std::vector<text_problem> problems_of(std::string_view text) {
    if (text.size() > limits::document_size_max)
        return {{{}, "is larger than 1 MiB, the most that is read: split it into several files"}};
    std::vector<text_problem> found;
    text = without_mark(text);
    check_characters(text, found);
    check_lines(text, found);
    std::size_t brackets = 0;
    for (const char c : text) brackets += c == '[' || c == '{' ? 1 : 0;
    if (brackets > limits::yaml_brackets_max)
        found.push_back({{}, "has more than 65536 opening brackets, the most that is read"});
    return found;
}

} // namespace coppice
