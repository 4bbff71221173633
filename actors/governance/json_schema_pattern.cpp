#include "actors/governance/json_schema_pattern.hpp"

#include <array>
#include <re2/re2.h>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/hex_value.hpp"
#include "schema/limits.hpp"

namespace coppice::json_schema {
namespace {

// ECMA-262 WhiteSpace and LineTerminator, and the rest of Unicode, as ranges of a class.
constexpr std::string_view space_ranges = R"(\t-\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F})"
                                          R"(\x{3000}\x{FEFF})";
constexpr std::string_view other_ranges = R"(\x00-\x08\x0E-\x1F!-\x{9F}\x{A1}-\x{167F}\x{1681}-\x{1FFF})"
                                          R"(\x{200B}-\x{2027}\x{202A}-\x{202E}\x{2030}-\x{205E}\x{2060}-\x{2FFF})"
                                          R"(\x{3001}-\x{FEFE}\x{FF00}-\x{10FFFF})";

constexpr std::string_view too_large_words =
    "it is too large when compiled; instead of a high count in braces, write + and give a maxLength";

struct category {
    std::string_view name;
    std::string_view short_name;
};
constexpr std::array categories{
    category{"Letter", "L"},
    category{"Lowercase_Letter", "Ll"},
    category{"Uppercase_Letter", "Lu"},
    category{"Titlecase_Letter", "Lt"},
    category{"Modifier_Letter", "Lm"},
    category{"Other_Letter", "Lo"},
    category{"Mark", "M"},
    category{"Number", "N"},
    category{"Decimal_Number", "Nd"},
    category{"digit", "Nd"},
    category{"Letter_Number", "Nl"},
    category{"Other_Number", "No"},
    category{"Punctuation", "P"},
    category{"punct", "P"},
    category{"Symbol", "S"},
    category{"Separator", "Z"},
    category{"Space_Separator", "Zs"},
    category{"Control", "Cc"},
};

class translator {
  public:
    explicit translator(std::string_view ecma) : rest_(ecma) {}

    expected<std::string> run() {
        while (!rest_.empty() && why_.empty()) {
            const char c = take();
            if (c == '\\')
                escape();
            else if (in_class_)
                class_character(c);
            else
                character(c);
        }
        if (why_.empty() && in_class_) why_ = "a class is not closed";
        if (!why_.empty()) return fail(errc::schema_invalid, why_);
        return std::move(out_);
    }

  private:
    char take() {
        const char c = rest_.front();
        rest_.remove_prefix(1);
        return c;
    }
    bool skip(std::string_view text) {
        if (!rest_.starts_with(text)) return false;
        rest_.remove_prefix(text.size());
        return true;
    }
    void refuse(std::string why) {
        if (why_.empty()) why_ = std::move(why);
    }

    void character(char c) {
        if (c == '[')
            open_class();
        else if (c == '(')
            group();
        else if (c == '.')
            out_ += R"([^\n\r\x{2028}\x{2029}])";
        else
            out_ += c;
    }

    void open_class() {
        if (skip("^]")) {
            out_ += R"([\x00-\x{10FFFF}])";
        } else if (skip("]")) {
            out_ += R"([^\x00-\x{10FFFF}])";
        } else {
            in_class_ = true;
            out_ += skip("^") ? "[^" : "[";
        }
    }

    void class_character(char c) {
        if (c == ']') in_class_ = false;
        if (c == '[') out_ += '\\';
        out_ += c;
    }

    void group() {
        if (rest_.starts_with("?=") || rest_.starts_with("?!") || rest_.starts_with("?<=") ||
            rest_.starts_with("?<!"))
            return refuse("look-around is not supported: its time is not linear in the text");
        out_ += '(';
        if (skip("?<")) out_ += "?P<";
    }

    void code_point(std::uint32_t code) {
        constexpr std::string_view digits = "0123456789ABCDEF";
        std::string hex;
        for (; code > 0 || hex.empty(); code /= 16) hex.insert(hex.begin(), digits[code % 16]);
        out_ += "\\x{" + hex + "}";
    }

    // `count` hex digits, or nothing and the text untouched.
    std::optional<std::uint32_t> hex(std::size_t count) {
        if (rest_.size() < count) return std::nullopt;
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const int digit = hex_value(rest_[i]);
            if (digit < 0) return std::nullopt;
            value = value * 16 + static_cast<std::uint32_t>(digit);
        }
        rest_.remove_prefix(count);
        return value;
    }

    void unicode_escape() {
        if (skip("{")) {
            const auto close = rest_.find('}');
            const auto code = close >= 1 && close <= 6 ? hex(close) : std::nullopt;
            if (!code || *code > 0x10ffffU || !skip("}")) return refuse("malformed \\u{...}");
            return code_point(*code);
        }
        auto code = hex(4);
        if (!code) return refuse("malformed \\u escape");
        if (*code >= 0xd800U && *code < 0xdc00U) {
            const auto low = skip("\\u") ? hex(4) : std::nullopt;
            if (!low || *low < 0xdc00U || *low > 0xdfffU) return refuse("half of a surrogate pair");
            code = 0x10000U + ((*code - 0xd800U) << 10) + (*low - 0xdc00U);
        } else if (*code >= 0xdc00U && *code <= 0xdfffU) {
            return refuse("half of a surrogate pair");
        }
        code_point(*code);
    }

    void property_escape(char c) {
        const auto close = rest_.find('}');
        if (!skip("{") || close == std::string_view::npos) return refuse("malformed \\p{...}");
        std::string_view name = rest_.substr(0, close - 1);
        rest_.remove_prefix(close);
        for (const std::string_view prefix : {"General_Category=", "gc=", "Script=", "sc="})
            if (name.starts_with(prefix)) name.remove_prefix(prefix.size());
        for (const category& known : categories)
            if (known.name == name) name = known.short_name;
        out_ += '\\';
        out_ += c;
        out_ += '{' + std::string{name} + '}';
    }

    void escape() {
        if (rest_.empty()) return refuse("it ends in a backslash");
        const char c = take();
        switch (c) {
        case 'u':
            return unicode_escape();
        case 'p':
        case 'P':
            return property_escape(c);
        case 's':
        case 'S': {
            const auto ranges = c == 's' ? space_ranges : other_ranges;
            out_ += in_class_ ? std::string{ranges} : "[" + std::string{ranges} + "]";
            return;
        }
        case 'x': {
            const auto code = hex(2);
            return code ? code_point(*code) : refuse("malformed \\x escape");
        }
        case 'c':
            if (rest_.empty() || std::isalpha(static_cast<unsigned char>(rest_.front())) == 0)
                return refuse("malformed \\c escape");
            return code_point(static_cast<std::uint32_t>(take()) % 32);
        case '0':
            return code_point(0);
        default:
            return plain_escape(c);
        }
    }

    void plain_escape(char c) {
        const std::string_view allowed = in_class_ ? "dDwWtnrvf" : "dDwWtnrvfbB";
        if (in_class_ && c == 'b') return code_point(8);
        if ((c >= '1' && c <= '9') || c == 'k')
            return refuse("back-references are not supported: their time is not linear in the text");
        const bool word = std::isalnum(static_cast<unsigned char>(c)) != 0;
        if (word && allowed.find(c) == std::string_view::npos)
            return refuse("the escape \\" + std::string{c} + " is not one of ECMA-262");
        if (c == '_') return code_point('_');
        out_ += static_cast<unsigned char>(c) < 0x80U ? "\\" : "";
        out_ += c;
    }

    std::string_view rest_;
    std::string out_;
    std::string why_;
    bool in_class_ = false;
};

std::string named(std::string_view ecma, std::string_view why) {
    return "the pattern " + quoted_excerpt(ecma) + " cannot be used: " + std::string{why};
}

} // namespace

expected<std::string> to_re2(std::string_view ecma) {
    auto text = translator{ecma}.run();
    if (!text) return fail(errc::schema_invalid, named(ecma, text.error().detail));
    return text;
}

expected<pattern> pattern::compile(std::string_view ecma) {
    if (ecma.size() > limits::json_pattern_size_max)
        return fail(errc::schema_invalid,
                    named(ecma, "it is longer than " + std::to_string(limits::json_pattern_size_max) + " bytes"));
    const auto text = to_re2(ecma);
    if (!text) return tl::unexpected(text.error());
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_never_capture(true);
    options.set_max_mem(limits::json_pattern_memory_max);
    auto program = std::make_unique<re2::RE2>(*text, options);
    if (!program->ok()) {
        const bool too_large = program->error_code() == re2::RE2::ErrorPatternTooLarge;
        return fail(errc::schema_invalid, named(ecma, too_large ? std::string{too_large_words} : program->error()));
    }
    if (program->ProgramSize() > limits::json_pattern_program_max)
        return fail(errc::schema_invalid, named(ecma, too_large_words));
    return pattern{std::string{ecma}, std::move(program)};
}

pattern::pattern(std::string source, std::unique_ptr<re2::RE2> program)
    : source_(std::move(source)), program_(std::move(program)), program_size_(program_->ProgramSize()) {}
pattern::pattern(pattern&&) noexcept = default;
pattern& pattern::operator=(pattern&&) noexcept = default;
pattern::~pattern() = default;

bool pattern::matches(std::string_view text) const {
    return program_->Match({text.data(), text.size()}, 0, text.size(), re2::RE2::UNANCHORED, nullptr, 0);
}

std::uint64_t pattern::steps(std::size_t text_size) const {
    constexpr std::uint64_t instructions_per_step = 32;
    return 1 + text_size * static_cast<std::uint64_t>(program_size_) / instructions_per_step;
}

} // namespace coppice::json_schema
