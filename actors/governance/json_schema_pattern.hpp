// Regular expressions of JSON Schema (ECMA-262 with the u flag), run by RE2, whose time is linear in the text: no
// pattern can make matching blow up. What RE2 cannot do (look-around, back-references) and what would mean
// something else there is refused when the schema is compiled, by name.
//
// Translated: \uXXXX and \u{X}, \cX, \s and \S and "." as ECMA has them, (?<name>), [^], [] and "[" in a class, the
// long names of the common Unicode categories. RE2's (?i) goes through.
// Bounds: limits::json_pattern_*. Matching is const and thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "schema/errc.hpp"

namespace re2 {
class RE2;
}

namespace coppice::json_schema {

class pattern {
  public:
    // schema_invalid, naming the pattern and what is wrong with it.
    static expected<pattern> compile(std::string_view ecma);

    pattern(pattern&&) noexcept;
    pattern& operator=(pattern&&) noexcept;
    pattern(const pattern&) = delete;
    pattern& operator=(const pattern&) = delete;
    ~pattern();

    // Whether it matches anywhere in `text` (UTF-8).
    bool matches(std::string_view text) const;
    // What a match on so long a text may cost, in steps of a validation: the worst case is text times program.
    std::uint64_t steps(std::size_t text_size) const;
    int program_size() const { return program_size_; }
    const std::string& source() const { return source_; }

  private:
    pattern(std::string source, std::unique_ptr<re2::RE2> program);

    std::string source_;
    std::unique_ptr<re2::RE2> program_;
    int program_size_ = 0;
};

// The RE2 spelling of an ECMA-262 pattern; schema_invalid as above.
expected<std::string> to_re2(std::string_view ecma);

} // namespace coppice::json_schema
