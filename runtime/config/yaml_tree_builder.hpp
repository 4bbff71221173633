// Private to strict_yaml: takes yaml-cpp's events and builds the tree, refusing on the way. It never throws to stop
// the parser; past a bound it ignores what comes, and yaml-cpp's own depth guard (500) ends the rest.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/mark.h>

#include "runtime/config/yaml_value.hpp"

namespace coppice {

class yaml_tree_builder final : public YAML::EventHandler {
  public:
    // All three outlive the builder. `text` is what the parser reads, so that a mark can be looked up in it.
    yaml_tree_builder(std::string_view text, std::string_view file, document_errors& errors);

    std::vector<yaml_value> take_documents() { return std::move(documents_); }
    // A problem that the parser itself found.
    void syntax_error(const YAML::Mark& mark, std::string_view message);
    // Whether the depth or the number of values passed its bound, so that a syntax error after it says nothing new.
    bool gave_up() const { return too_deep_ || too_many_; }
    // Whether the last document began where the one before it did: yaml-cpp does not pass some misplaced tokens,
    // and would give documents without end.
    bool stuck() const { return stuck_; }
    // To be called when the parser is done: yaml-cpp takes the end of the text for a closing quote.
    void check_last_quote();

    void OnDocumentStart(const YAML::Mark& mark) override;
    void OnDocumentEnd() override;
    void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  const std::string& value) override;
    void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value style) override;
    void OnSequenceEnd() override;
    void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value style) override;
    void OnMapEnd() override;

  private:
    enum class key_state { none, good, refused };

    // A sequence or mapping that is still open.
    struct frame {
        yaml_value value;
        bool flow = false;
        bool stands_for_key = false; // refused already; built only to find its end
        key_state key_read = key_state::none;
        std::string key;
        text_place key_at;
        std::size_t key_offset = 0;
        std::map<std::string, text_place> seen;
    };

    static text_place place(const YAML::Mark& mark);
    char source_at(const YAML::Mark& mark) const;
    void refuse(text_place at, std::string message);
    void refuse_anchor(const YAML::Mark& mark);
    void refuse_tag(const YAML::Mark& mark);
    bool refused_as_too_deep(const YAML::Mark& mark);
    void skip_one();
    void check_properties(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor);
    void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, yaml_kind kind, bool flow);
    void close();
    bool expects_key() const;
    void take_key(const YAML::Mark& mark, const std::string& text);
    void check_empty(const YAML::Mark& mark);
    void put(yaml_value value);
    bool counts();

    std::string_view text_;
    std::string_view file_;
    document_errors& errors_;
    std::vector<yaml_value> documents_;
    std::vector<frame> open_;
    std::size_t ignored_depth_ = 0; // collections open below the one that was too deep
    std::size_t values_ = 0;
    std::size_t documents_seen_ = 0;
    std::size_t document_offset_ = 0;
    bool stuck_ = false;
    std::size_t last_quote_ = std::string_view::npos;
    text_place last_quote_at_;
    bool too_deep_ = false;
    bool too_many_ = false;
};

} // namespace coppice
