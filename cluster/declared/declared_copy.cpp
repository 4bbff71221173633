#include "cluster/declared/declared_copy.hpp"

#include "cluster/declared/declared_catalog.hpp"
#include "cluster/declared/declared_record.hpp"

namespace coppice {

expected<std::shared_ptr<declared_copy>> declared_copy::start(control_store& store,
                                                              std::shared_ptr<control_rows> rows) {
    std::shared_ptr<declared_copy> copy{new declared_copy()};
    auto mirror = control_mirror::start({.store = &store,
                                         .prefix = std::string{declared_prefix},
                                         .rows = std::move(rows),
                                         .changed = [l = copy->listener_](const auto&, control_position) {
                                             const std::lock_guard guard{l->mutex};
                                             if (l->call) l->call();
                                         }});
    if (!mirror) return tl::unexpected(mirror.error());
    copy->mirror_ = std::move(*mirror);
    return copy;
}

std::vector<declared_row> declared_copy::rows(std::string_view kind) const {
    return declared_rows(mirror_->list(kind.empty() ? std::string{declared_prefix} : declared_key(kind, "")), kind);
}

control_listing declared_copy::listing() const { return mirror_->list(declared_prefix); }
control_mirror_status declared_copy::status() const { return mirror_->status(); }

void declared_copy::on_change(std::function<void()> listener) {
    const std::lock_guard guard{listener_->mutex};
    listener_->call = std::move(listener);
}

std::vector<std::string> load_catalog(const declared_copy& copy, const spec_readers& readers,
                                      catalog_board& board) {
    auto read = declared_catalog{readers}.take(copy.listing());
    board.set(std::move(read.all));
    std::vector<std::string> lines;
    for (const auto& [key, why] : read.refused) lines.push_back(key + ": " + to_string(why));
    return lines;
}

} // namespace coppice
