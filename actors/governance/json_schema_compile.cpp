#include "actors/governance/json_schema_compile.hpp"

#include <array>

#include "actors/governance/bounded_json.hpp"
#include "actors/governance/json_pointer.hpp"
#include "actors/governance/json_schema_compiler.hpp"
#include "actors/governance/json_schema_keywords.hpp"
#include "actors/governance/json_schema_uri.hpp"
#include "schema/limits.hpp"

namespace coppice::json_schema {
namespace {

// `$id` of a resource, or null. Draft-07 has plain-name anchors there too: "#name".
const std::string* id_of(const json& schema) {
    const auto found = schema.find("$id");
    return found != schema.end() && found->is_string() ? &found->get_ref<const std::string&>() : nullptr;
}

} // namespace

std::string program::pointer(node_index at) const {
    std::vector<const std::string*> steps;
    std::size_t size = 0;
    for (; at != no_node; at = nodes[at].parent) {
        steps.push_back(&nodes[at].step);
        size += nodes[at].step.size();
    }
    std::string whole;
    whole.reserve(size);
    for (auto step = steps.rbegin(); step != steps.rend(); ++step) whole += **step;
    return whole;
}

std::string shortened(std::string text) {
    constexpr std::size_t size_max = 200;
    if (text.size() <= size_max) return text;
    std::size_t end = size_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;
    text.resize(end);
    return text + "...";
}

expected<std::shared_ptr<const program>> compile(std::string_view text) { return compiler{}.run(text); }

expected<std::shared_ptr<const program>> compiler::run(std::string_view text) {
    auto parsed = parse_json(text, {.size_max = limits::json_schema_size_max}, errc::schema_invalid);
    if (!parsed) return tl::unexpected(std::move(parsed.error()));
    document_ = std::move(*parsed);
    program_ = std::make_shared<program>();
    program_->text = text;
    program_->resources.push_back({"", &document_, {}});
    resource_by_uri_.emplace("", 0);
    if (const auto language = language_of(document_)) program_->language = *language;
    if (!failed_) compile_schema(document_, no_node, "", 0);
    for (std::size_t i = 0; i < references_.size() && !failed_; ++i) tie(reference{references_[i]});
    if (!failed_) refuse_cycles();
    if (failed_) return tl::unexpected(std::move(*failed_));
    for (resource& part : program_->resources) part.root = nullptr;
    return std::shared_ptr<const program>{std::move(program_)};
}

void compiler::refuse(node_index at, std::string_view step, std::string why) {
    if (failed_) return;
    const std::string pointer = at == no_node ? std::string{step} : program_->pointer(at) + std::string{step};
    failed_ = failure{errc::schema_invalid, pointer.empty() ? std::move(why) : shortened(pointer) + ": " + why};
}

std::optional<dialect> compiler::language_of(const json& schema) {
    if (!schema.is_object()) return std::nullopt;
    const auto found = schema.find("$schema");
    if (found == schema.end()) return std::nullopt;
    struct known {
        std::string_view uri;
        dialect language;
    };
    constexpr std::array dialects{known{"json-schema.org/draft-07/schema", dialect::draft_07},
                                  known{"json-schema.org/draft/2020-12/schema", dialect::draft_2020_12}};
    if (found->is_string()) {
        std::string_view uri = found->get_ref<const std::string&>();
        if (uri.ends_with('#')) uri.remove_suffix(1);
        for (const std::string_view scheme : {"http://", "https://"})
            for (const known& row : dialects)
                if (uri.starts_with(scheme) && uri.substr(scheme.size()) == row.uri) return row.language;
    }
    refuse(no_node, "/$schema", "must name JSON Schema 2020-12 or draft-07, but is " + excerpt(*found));
    return std::nullopt;
}

node_index compiler::compile_schema(const json& value, node_index parent, std::string step,
                                    std::uint32_t resource_index) {
    if (failed_) return no_node;
    if (const auto known = node_at_.find(&value); known != node_at_.end()) return known->second;
    const auto self = static_cast<node_index>(program_->nodes.size());
    if (self == limits::json_schema_nodes_max) {
        refuse(no_node, "", "the schema has more than " + std::to_string(self) + " subschemas");
        return no_node;
    }
    node& blank = program_->nodes.emplace_back();
    blank.parent = parent;
    blank.step = std::move(step);
    blank.resource = resource_index;
    node_at_.emplace(&value, self);
    if (value.is_boolean())
        blank.outcome = value.get<bool>() ? verdict::always : verdict::never;
    else if (value.is_object())
        compile_object(self, value, resource_index);
    else
        refuse(self, "", "a schema must be an object or a boolean, but this is " + excerpt(value));
    return self;
}

void compiler::compile_object(node_index self, const json& schema, std::uint32_t resource_index) {
    const dialect language = program_->language;
    if (const auto own = language_of(schema); own && *own != language)
        return refuse(self, "/$schema", "a document keeps to one dialect, which its root names");
    // In draft-07 a reference replaces everything beside it; definitions are still a place to refer to.
    const bool only_reference = language == dialect::draft_07 && schema.contains("$ref");
    if (!only_reference) resource_index = enter_resource(self, schema, resource_index);
    node made;
    made.parent = program_->nodes[self].parent;
    made.step = program_->nodes[self].step;
    made.resource = resource_index;
    // References made below look at the node before it is complete.
    program_->nodes[self].resource = resource_index;
    const site at{self, made, schema, resource_index};
    for (const auto& [keyword, value] : schema.get_ref<const json::object_t&>()) {
        if (failed_) return;
        if (only_reference && keyword != "$ref" && keyword != "definitions") continue;
        if (const keyword_row* row = find_keyword(keyword, language)) (this->*row->handle)(at, keyword, value);
    }
    program_->nodes[self] = std::move(made);
}

std::uint32_t compiler::enter_resource(node_index self, const json& schema, std::uint32_t resource_index) {
    const std::string* id = id_of(schema);
    if (id != nullptr) {
        const auto named = resolve(program_->resources[resource_index].uri, *id);
        if (!named || (!named->fragment.empty() && program_->language != dialect::draft_07)) {
            refuse(self, "/$id", "must be a URI without a fragment, but is " + quoted_excerpt(*id));
            return resource_index;
        }
        if (named->uri.size() > limits::json_schema_uri_size_max) {
            refuse(self, "/$id", "is longer than " + std::to_string(limits::json_schema_uri_size_max) + " bytes");
            return resource_index;
        }
        const bool anchor_only = id->starts_with('#') && !named->fragment.empty();
        if (!anchor_only && &schema == &document_) {
            program_->resources[0].uri = named->uri;
            resource_by_uri_.emplace(named->uri, 0);
        } else if (!anchor_only) {
            resource_index = static_cast<std::uint32_t>(program_->resources.size());
            if (!resource_by_uri_.emplace(named->uri, resource_index).second)
                refuse(self, "/$id", quoted_excerpt(named->uri) + " is the id of another subschema too");
            program_->resources.push_back({named->uri, &schema, {}});
        }
        if (!named->fragment.empty()) add_anchor(self, "$id", named->fragment, schema, resource_index);
    }
    if (program_->language != dialect::draft_2020_12) return resource_index;
    for (const char* keyword : {"$anchor", "$dynamicAnchor"})
        if (const auto found = schema.find(keyword); found != schema.end() && found->is_string())
            add_anchor(self, keyword, found->get_ref<const std::string&>(), schema, resource_index);
    return resource_index;
}

void compiler::add_anchor(node_index self, const std::string& keyword, const std::string& name, const json& schema,
                          std::uint32_t resource_index) {
    resource& part = program_->resources[resource_index];
    const auto [known, inserted] = anchors_.try_emplace(part.uri + "#" + name, &schema);
    if (!inserted && known->second != &schema)
        return refuse(self, "/" + keyword, quoted_excerpt(name) + " is an anchor of another subschema too");
    if (keyword == "$dynamicAnchor") part.dynamic_anchors.emplace(name, self);
}

std::optional<compiler::target> compiler::find_target(const reference& from) {
    const auto give_up = [&](const std::string& why) -> std::optional<target> {
        refuse(from.from, "/" + from.keyword, quoted_excerpt(from.text) + " " + why);
        return std::nullopt;
    };
    const auto named = resolve(program_->resources[from.resource].uri, from.text);
    if (!named) return give_up("is not a URI reference");
    const auto part = resource_by_uri_.find(named->uri);
    if (part == resource_by_uri_.end())
        return give_up("is not in this document, and only references within it are followed");
    target to{program_->resources[part->second].root, part->second, named->fragment};
    if (named->fragment.empty()) return to;
    if (named->fragment.front() != '/') {
        const auto anchor = anchors_.find(named->uri + "#" + named->fragment);
        if (anchor == anchors_.end()) return give_up("names an anchor that is not in this document");
        to.schema = anchor->second;
        return to;
    }
    const auto steps = pointer_steps(named->fragment);
    if (!steps) return give_up("is not a JSON Pointer");
    for (const std::string& step : *steps) {
        to.schema = follow_step(*to.schema, step);
        if (to.schema == nullptr) return give_up("leads to nothing in this document");
        const auto known = node_at_.find(to.schema);
        if (known != node_at_.end()) to.resource = program_->nodes[known->second].resource;
    }
    return to;
}

// A reference may lead to a place that is no subschema by itself, such as a member of an unknown keyword.
node_index compiler::node_of(const target& to) {
    const auto known = node_at_.find(to.schema);
    if (known != node_at_.end()) return known->second;
    const json* base = to.fragment.starts_with('/') ? program_->resources[to.resource].root : nullptr;
    const auto parent = base == nullptr ? node_at_.end() : node_at_.find(base);
    return compile_schema(*to.schema, parent == node_at_.end() ? no_node : parent->second, to.fragment,
                          to.resource);
}

void compiler::tie(const reference& from) {
    const auto to = find_target(from);
    if (!to) return;
    const node_index index = node_of(*to);
    if (failed_) return;
    in_place_rules& rules = *program_->nodes[from.from].in_place;
    if (from.keyword == "$ref") {
        rules.ref = index;
        return;
    }
    rules.dynamic_ref = index;
    const auto& anchors = program_->resources[program_->nodes[index].resource].dynamic_anchors;
    const auto anchor = anchors.find(to->fragment);
    if (anchor != anchors.end() && anchor->second == index) rules.dynamic_anchor = to->fragment;
}

std::vector<node_index> compiler::in_place_edges(const node& at) const {
    std::vector<node_index> edges;
    if (at.in_place) {
        const in_place_rules& rules = *at.in_place;
        edges = {rules.ref,       rules.dynamic_ref, rules.negated,
                 rules.condition, rules.consequence, rules.alternative};
        for (const auto* list : {&rules.all_of, &rules.any_of, &rules.one_of})
            edges.insert(edges.end(), list->begin(), list->end());
    }
    if (at.object)
        for (const dependency_rule& rule : at.object->dependencies) edges.push_back(rule.schema);
    std::erase(edges, no_node);
    return edges;
}

// Depth first, with its own stack: a chain of references may be as long as the document.
void compiler::refuse_cycles() {
    enum class mark : std::uint8_t { unseen, open, done };
    struct step {
        node_index at;
        std::vector<node_index> edges;
    };
    std::vector<mark> marks(program_->nodes.size(), mark::unseen);
    std::vector<step> path;
    const auto enter = [&](node_index at) {
        marks[at] = mark::open;
        path.push_back({at, in_place_edges(program_->nodes[at])});
    };
    for (node_index start = 0; start < marks.size(); ++start) {
        if (marks[start] == mark::unseen) enter(start);
        while (!path.empty()) {
            step& last = path.back();
            if (last.edges.empty()) {
                marks[last.at] = mark::done;
                path.pop_back();
                continue;
            }
            const node_index next = last.edges.back();
            last.edges.pop_back();
            if (marks[next] == mark::open)
                return refuse(last.at, "",
                              "it leads back to itself without looking at another value (through " +
                                  quoted_excerpt(shortened(program_->pointer(next))) + "), so checking never ends");
            if (marks[next] == mark::unseen) enter(next);
        }
    }
}

} // namespace coppice::json_schema
