// The compiler's insides, shared by json_schema_compile.cpp (the walk, ids and references) and
// json_schema_keywords.cpp (what each keyword means). Nobody else includes it.
//
// One walk over the document makes a node of every subschema and takes note of ids, anchors and references; then
// the references are tied, which may compile places that only a reference reaches; then cycles are looked for. The
// first thing wrong is kept in `failed_`, and every step after it does nothing.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "actors/governance/json_schema_program.hpp"
#include "schema/errc.hpp"

namespace coppice::json_schema {

class compiler {
  public:
    expected<std::shared_ptr<const program>> run(std::string_view text);

  private:
    // The subschema at work: its node under construction (moved into place when done), and one of its keywords.
    struct site {
        node_index self;
        node& made;
        const json& schema;
        std::uint32_t resource;
    };
    using handler = void (compiler::*)(const site&, const std::string& keyword, const json& value);
    struct keyword_row;
    static const keyword_row* find_keyword(std::string_view name, dialect language);

    struct reference {
        node_index from;
        std::string keyword;
        std::string text;
        std::uint32_t resource;
    };
    struct target {
        const json* schema = nullptr;
        std::uint32_t resource = 0;
        std::string fragment;
    };

    // ---- the walk (json_schema_compile.cpp)
    std::optional<dialect> language_of(const json& schema);
    node_index compile_schema(const json& value, node_index parent, std::string step, std::uint32_t resource_index);
    void compile_object(node_index self, const json& schema, std::uint32_t resource_index);
    std::uint32_t enter_resource(node_index self, const json& schema, std::uint32_t resource_index);
    void add_anchor(node_index self, const std::string& keyword, const std::string& name, const json& schema,
                    std::uint32_t resource_index);
    void tie(const reference& from);
    std::optional<target> find_target(const reference& from);
    node_index node_of(const target& to);
    void refuse_cycles();
    std::vector<node_index> in_place_edges(const node& at) const;

    // ---- keywords (json_schema_keywords.cpp)
    void type(const site&, const std::string&, const json&);
    void choice(const site&, const std::string&, const json&);
    void number_bound(const site&, const std::string&, const json&);
    void multiple_of(const site&, const std::string&, const json&);
    void size_bound(const site&, const std::string&, const json&);
    void string_pattern(const site&, const std::string&, const json&);
    void items(const site&, const std::string&, const json&);
    void prefix_items(const site&, const std::string&, const json&);
    void additional_items(const site&, const std::string&, const json&);
    void contains(const site&, const std::string&, const json&);
    void unique_items(const site&, const std::string&, const json&);
    void unevaluated(const site&, const std::string&, const json&);
    void properties(const site&, const std::string&, const json&);
    void required(const site&, const std::string&, const json&);
    void pattern_properties(const site&, const std::string&, const json&);
    void property_schema(const site&, const std::string&, const json&);
    void dependencies(const site&, const std::string&, const json&);
    void definitions(const site&, const std::string&, const json&);
    void schema_list(const site&, const std::string&, const json&);
    void schema_in_place(const site&, const std::string&, const json&);
    void ref(const site&, const std::string&, const json&);
    void recursive_ref(const site&, const std::string&, const json&);
    void must_be_string(const site&, const std::string&, const json&);
    void must_be_boolean(const site&, const std::string&, const json&);
    void must_be_array(const site&, const std::string&, const json&);
    void annotation_schema(const site&, const std::string&, const json&);

    // ---- helpers
    void refuse(node_index at, std::string_view step, std::string why);
    void refuse_type(const site& at, const std::string& keyword, std::string_view wanted, const json& value);
    node_index child(const site& at, std::string step, const json& value);
    std::vector<node_index> children(const site& at, const std::string& keyword, const json& value);
    std::optional<std::vector<std::string>> unique_strings(const site& at, std::string_view step,
                                                           const json& value);
    const pattern* pattern_for(const site& at, std::string_view step, const std::string& source);

    std::optional<failure> failed_;
    json document_;
    std::shared_ptr<program> program_;
    std::vector<reference> references_;
    std::unordered_map<const json*, node_index> node_at_;
    std::map<std::string, std::uint32_t> resource_by_uri_;
    std::map<std::string, const json*> anchors_; // "uri#name"
    std::map<std::string, const pattern*> pattern_by_source_;
    std::uint64_t pattern_instructions_ = 0;
};

// A pointer or name for a message: at most some 200 bytes, cut at a code point.
std::string shortened(std::string text);

} // namespace coppice::json_schema
