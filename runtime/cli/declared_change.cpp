#include "runtime/cli/declared_change.hpp"

#include "runtime/cli/terminal_text.hpp"

namespace coppice::cli {

exit_status set_paused(invocation& call, client::blocking_client& node, declared_kind kind, const std::string& name,
                       bool paused) {
    const auto views = node.get_declared(std::string{to_string(kind)}, name);
    if (!views) return call.refuse(views.error(), name);
    if (views->empty())
        return call.refuse({errc::not_found, "no " + std::string{to_string(kind)} + " of that name is declared", 0},
                           name);
    auto document = document_of(views->front(), kind);
    if (!document) return call.refuse(document.error(), name);
    std::visit([&](auto& spec) { spec.paused = paused; }, document->spec);
    const auto result = node.apply({{name + ".yaml", to_yaml(*document)}});
    if (!result) return call.refuse(result.error(), name);
    if (!result->errors.empty())
        return call.refuse({errc::document_invalid, result->errors.front().message, 0}, name);
    const bool changed =
        !result->changes.empty() && result->changes.front().action != client::change_action::unchanged;
    call.con.print(std::string{to_string(kind)} + " " + printable(name) + (changed ? " is " : " was ") +
                   (paused ? "paused" : "running") + (changed ? "" : " already") + "\n");
    return exit_status::ok;
}

} // namespace coppice::cli
