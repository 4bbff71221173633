#include "runtime/cli/declared_views.hpp"

#include <algorithm>
#include <cctype>

namespace coppice::cli {

std::optional<declared_kind> kind_of(std::string word) {
    std::erase_if(word, [](char c) { return c == '-' || c == '_'; });
    std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::tolower(c); });
    if (word.ends_with('s')) word.pop_back();
    if (word == "tenant") return declared_kind::tenant;
    if (word == "jobtype" || word == "type") return declared_kind::job_type;
    if (word == "schedule") return declared_kind::schedule;
    return std::nullopt;
}

expected<declared_document> document_of(const client::declared_view& view, declared_kind kind) {
    declared_document document{.kind = kind, .name = view.name, .spec = tenant_spec{}, .file = {}};
    if (kind == declared_kind::tenant) {
        auto spec = tenant_spec_from_json(view.spec);
        if (!spec) return tl::unexpected(std::move(spec.error()));
        document.spec = std::move(*spec);
    } else if (kind == declared_kind::schedule) {
        auto spec = schedule_spec_from_json(view.spec);
        if (!spec) return tl::unexpected(std::move(spec.error()));
        document.spec = std::move(*spec);
    } else {
        auto spec = job_type_spec_from_json(view.spec, spec_origin::stored);
        if (!spec) return tl::unexpected(std::move(spec.error()));
        document.spec = std::move(*spec);
    }
    std::visit([&](auto& spec) { spec.name = view.name; }, document.spec);
    return document;
}

} // namespace coppice::cli
