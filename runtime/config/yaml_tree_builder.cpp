#include "runtime/config/yaml_tree_builder.hpp"

#include <utility>

#include "schema/limits.hpp"

namespace coppice {

yaml_tree_builder::yaml_tree_builder(std::string_view text, std::string_view file, document_errors& errors)
    : text_{text}, file_{file}, errors_{errors} {}

text_place yaml_tree_builder::place(const YAML::Mark& mark) {
    if (mark.is_null()) return {};
    return {mark.line + 1, mark.column + 1};
}

char yaml_tree_builder::source_at(const YAML::Mark& mark) const {
    const auto offset = static_cast<std::size_t>(mark.pos);
    return mark.pos >= 0 && offset < text_.size() ? text_[offset] : '\0';
}

void yaml_tree_builder::refuse(text_place at, std::string message) {
    errors_.add({std::string{file_}, at, {}, std::move(message)});
}

void yaml_tree_builder::syntax_error(const YAML::Mark& mark, std::string_view message) {
    if (gave_up()) return;
    if (source_at(mark) == '*' || source_at(mark) == '&') {
        refuse(place(mark), "an anchor or alias (& or *): not supported here; write the value out, or quote it");
    } else {
        refuse(place(mark), "not valid YAML: " + harmless(message, 200));
    }
}

void yaml_tree_builder::check_last_quote() {
    if (last_quote_ == std::string_view::npos) return;
    const char quote = text_[last_quote_];
    for (std::size_t i = last_quote_ + 1; i < text_.size(); ++i) {
        if (quote == '"' && text_[i] == '\\') {
            ++i;
        } else if (text_[i] == quote) {
            if (quote == '"' || i + 1 == text_.size() || text_[i + 1] != quote) return;
            ++i;
        }
    }
    refuse(last_quote_at_, "this quote never closes");
}

void yaml_tree_builder::OnDocumentStart(const YAML::Mark& mark) {
    const std::size_t offset = mark.pos < 0 ? text_.size() : static_cast<std::size_t>(mark.pos);
    const bool marked = offset <= text_.size() && text_.substr(offset).starts_with("---");
    stuck_ = documents_seen_++ > 0 && offset == document_offset_;
    document_offset_ = offset;
    if (stuck_) return refuse(place(mark), "not valid YAML: nothing can begin with this");
    if (documents_seen_ > 1 && !marked)
        refuse(place(mark), "this belongs to nothing: the document before it was complete, and a new one "
                            "begins with a line \"---\"");
}

void yaml_tree_builder::OnDocumentEnd() {
    open_.clear();
    ignored_depth_ = 0;
}

bool yaml_tree_builder::counts() {
    if (too_many_ || ignored_depth_ > 0) return false;
    if (++values_ <= limits::yaml_values_max) return true;
    too_many_ = true;
    refuse({}, "has more than " + std::to_string(limits::yaml_values_max) +
                   " values, the most that is read: split it into several files");
    return false;
}

void yaml_tree_builder::refuse_anchor(const YAML::Mark& mark) {
    refuse(place(mark), "an anchor (&): not supported here; write the value out where it is needed");
}

void yaml_tree_builder::refuse_tag(const YAML::Mark& mark) {
    refuse(place(mark), "a tag (!): not supported here; quote what shall be a string");
}

// A plain "! x" comes with the tag of a quoted string, and "!!str" before nothing with none: so the text is asked
// too.
void yaml_tree_builder::check_properties(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    const char source = source_at(mark);
    if (anchor != 0 || source == '&')
        refuse_anchor(mark);
    else if (source == '!' || (tag != "?" && tag != "!"))
        refuse_tag(mark);
}

bool yaml_tree_builder::expects_key() const {
    return !open_.empty() && open_.back().value.kind == yaml_kind::mapping &&
           open_.back().key_read == key_state::none;
}

void yaml_tree_builder::take_key(const YAML::Mark& mark, const std::string& text) {
    frame& mapping = open_.back();
    mapping.key_read = key_state::refused;
    mapping.key_at = place(mark);
    mapping.key_offset = static_cast<std::size_t>(mark.pos);
    if (text.find('\0') != std::string::npos) return refuse(mapping.key_at, "a key must not contain NUL");
    if (text == "<<" && source_at(mark) == '<')
        return refuse(mapping.key_at, "a merge key (<<): not supported here; write the fields out");
    const auto [first, fresh] = mapping.seen.emplace(text, mapping.key_at);
    if (!fresh)
        return refuse(mapping.key_at, "the key " + shown(text) +
                                          " is here for the second time; the first is on line " +
                                          std::to_string(first->second.line));
    mapping.key = text;
    mapping.key_read = key_state::good;
}

void yaml_tree_builder::put(yaml_value value) {
    if (open_.empty()) {
        if (value.kind != yaml_kind::null) documents_.push_back(std::move(value));
        return;
    }
    frame& parent = open_.back();
    if (parent.value.kind == yaml_kind::sequence) {
        parent.value.items.push_back(std::move(value));
        return;
    }
    if (parent.key_read == key_state::good)
        parent.value.members.push_back({std::move(parent.key), parent.key_at, std::move(value)});
    parent.key_read = key_state::none;
}

// yaml-cpp reads "[1,,2]" and "{a: 1, , }" and, at the end of a text, a key that no ":" follows.
void yaml_tree_builder::check_empty(const YAML::Mark& mark) {
    if (open_.empty()) return;
    const frame& parent = open_.back();
    const char source = source_at(mark);
    const bool written = source == 'n' || source == 'N' || source == '~';
    const bool at_key = parent.value.kind == yaml_kind::mapping && parent.key_read == key_state::good &&
                        static_cast<std::size_t>(mark.pos) == parent.key_offset;
    if (at_key) {
        refuse(place(mark), "the key " + shown(parent.key) + " has neither \":\" nor a value");
    } else if (parent.flow && !written) {
        refuse(place(mark), "an empty element within brackets: give it a value, or leave it out");
    }
}

void yaml_tree_builder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (!counts()) return;
    check_properties(mark, "?", anchor);
    if (expects_key()) {
        refuse(place(mark), "a key is missing here, or is null: quote it if it shall be \"null\"");
        open_.back().key_read = key_state::refused;
        return;
    }
    check_empty(mark);
    yaml_value value;
    value.at = place(mark);
    // An empty value is found only where the next thing begins; people look for it beside its key.
    if (!open_.empty() && open_.back().value.kind == yaml_kind::mapping) value.at = open_.back().key_at;
    put(std::move(value));
}

void yaml_tree_builder::OnAlias(const YAML::Mark& mark, YAML::anchor_t) {
    if (!counts()) return;
    refuse(place(mark), "an alias (*): not supported here; write the value out where it is needed");
    skip_one();
}

void yaml_tree_builder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                                 const std::string& value) {
    const char source = source_at(mark);
    if (source == '"' || source == '\'') {
        last_quote_ = static_cast<std::size_t>(mark.pos);
        last_quote_at_ = place(mark);
    }
    if (!counts()) return;
    check_properties(mark, tag, anchor);
    if (expects_key()) return take_key(mark, value);
    yaml_value scalar;
    scalar.kind = yaml_kind::scalar;
    scalar.quoted = tag == "!";
    scalar.at = place(mark);
    scalar.text = value;
    if (value.find('\0') != std::string::npos) refuse(scalar.at, "a string must not contain NUL");
    put(std::move(scalar));
}

void yaml_tree_builder::open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, yaml_kind kind,
                             bool flow) {
    if (!counts() || refused_as_too_deep(mark)) {
        ++ignored_depth_;
        return;
    }
    if (anchor != 0) refuse_anchor(mark);
    if (tag != "?") refuse_tag(mark);
    frame fresh;
    fresh.value.kind = kind;
    fresh.value.at = place(mark);
    fresh.flow = flow;
    if (expects_key()) {
        refuse(place(mark), "a key must be a string, not a list or a mapping");
        fresh.stands_for_key = true;
    }
    open_.push_back(std::move(fresh));
}

bool yaml_tree_builder::refused_as_too_deep(const YAML::Mark& mark) {
    if (open_.size() < limits::json_depth_max) return false;
    if (!too_deep_)
        refuse(place(mark), "is nested deeper than " + std::to_string(limits::json_depth_max) + " levels");
    too_deep_ = true;
    skip_one();
    return true;
}

// The mapping or sequence goes on after what could not be taken.
void yaml_tree_builder::skip_one() {
    if (expects_key()) {
        open_.back().key_read = key_state::refused;
    } else {
        put({});
    }
}

void yaml_tree_builder::close() {
    if (ignored_depth_ > 0) {
        --ignored_depth_;
        return;
    }
    if (open_.empty()) return;
    frame done = std::move(open_.back());
    open_.pop_back();
    if (done.stands_for_key && !open_.empty()) {
        open_.back().key_read = key_state::refused;
    } else {
        put(std::move(done.value));
    }
}

void yaml_tree_builder::OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                                        YAML::EmitterStyle::value style) {
    open(mark, tag, anchor, yaml_kind::sequence, style == YAML::EmitterStyle::Flow);
}

void yaml_tree_builder::OnSequenceEnd() { close(); }

void yaml_tree_builder::OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                                   YAML::EmitterStyle::value style) {
    open(mark, tag, anchor, yaml_kind::mapping, style == YAML::EmitterStyle::Flow);
}

void yaml_tree_builder::OnMapEnd() { close(); }

} // namespace coppice
