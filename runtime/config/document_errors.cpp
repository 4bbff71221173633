#include "runtime/config/document_errors.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "schema/limits.hpp"

namespace coppice {

namespace {

constexpr std::size_t shown_size_max = 60;
constexpr std::size_t compared_size_max = 64; // longer names are no typing error of ours

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

std::string lower(std::string_view text) {
    std::string out{text};
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

} // namespace

std::string to_string(const document_error& error) {
    std::string text = harmless(error.file, 4096);
    if (error.at.line > 0) {
        text += ':' + std::to_string(error.at.line);
        if (error.at.column > 0) text += ':' + std::to_string(error.at.column);
    }
    if (!text.empty()) text += ": ";
    if (!error.path.empty()) text += error.path + ": ";
    return text + error.message;
}

void document_errors::add(document_error error) {
    if (list.size() < limits::document_errors_max) {
        list.push_back(std::move(error));
    } else {
        ++unreported;
    }
}

void document_errors::append(document_errors more) {
    for (document_error& error : more.list) add(std::move(error));
    unreported += more.unreported;
}

void document_errors::sort() {
    std::stable_sort(list.begin(), list.end(), [](const document_error& a, const document_error& b) {
        return std::tie(a.file, a.at) < std::tie(b.file, b.at);
    });
}

std::string to_string(const document_errors& errors) {
    std::string text;
    for (const document_error& error : errors.list) {
        if (!text.empty()) text += '\n';
        text += to_string(error);
    }
    if (errors.unreported > 0) text += "\nand " + std::to_string(errors.unreported) + " more errors";
    return text;
}

failure to_failure(const document_errors& errors) { return {errc::document_invalid, to_string(errors)}; }

std::string harmless(std::string_view text, std::size_t size_max) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string out;
    std::size_t i = 0;
    for (; i < text.size() && out.size() < size_max; ++i) {
        const auto byte = static_cast<unsigned char>(text[i]);
        const bool c1 = byte == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0;
        if (byte == '\n') {
            out += "\\n";
        } else if (byte < 0x20 || byte == 0x7f || c1) {
            const auto shown_byte = c1 ? static_cast<unsigned char>(text[++i]) : byte;
            out += "\\x";
            out += digits[shown_byte >> 4];
            out += digits[shown_byte & 15];
        } else {
            out += static_cast<char>(byte);
        }
    }
    if (i == text.size()) return out;
    while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80) out += text[i++];
    return i == text.size() ? out : out + "...";
}

std::string shown(std::string_view text) { return '"' + harmless(text, shown_size_max) + '"'; }

std::string_view nearest(std::string_view text, const std::vector<std::string_view>& known) {
    if (text.size() > compared_size_max) return {};
    const std::string wanted = lower(text);
    std::string_view best;
    std::size_t best_distance = std::max<std::size_t>(1, std::min<std::size_t>(3, text.size() / 3)) + 1;
    for (const std::string_view candidate : known) {
        const std::size_t distance = edit_distance(wanted, lower(candidate));
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

} // namespace coppice
