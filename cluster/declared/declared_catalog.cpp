#include "cluster/declared/declared_catalog.hpp"

#include <algorithm>

#include "cluster/declared/declared_record.hpp"

namespace coppice {

declared_catalog::document declared_catalog::read(const control_entry& entry, document* former) const {
    if (former != nullptr && former->value == entry.value) {
        former->revision = entry.revision;
        return std::move(*former);
    }
    document d{entry.value, entry.revision, decode_declared(entry.key, entry.value), nullptr, nullptr, nullptr};
    if (!d.row) return d;
    if (d.row->kind == tenant_kind) {
        auto tenant = read_tenant(*d.row, readers_);
        if (tenant)
            d.tenant = std::move(*tenant);
        else
            d.row = tl::unexpected(tenant.error());
    } else if (d.row->kind == job_type_kind) {
        auto type = read_type(*d.row, readers_, former != nullptr ? former->type.get() : nullptr);
        if (type)
            d.type = std::move(*type);
        else
            d.row = tl::unexpected(type.error());
    } else if (d.row->kind == schedule_kind) {
        auto schedule = read_schedule(*d.row, readers_);
        if (schedule)
            d.schedule = std::move(*schedule);
        else
            d.row = tl::unexpected(schedule.error());
    }
    return d;
}

declared_catalog::result declared_catalog::take(const control_listing& copy) {
    std::map<std::string, document> documents;
    for (const control_entry& e : copy.entries) {
        const auto former = documents_.find(e.key);
        documents.emplace(e.key, read(e, former == documents_.end() ? nullptr : &former->second));
    }
    documents_ = std::move(documents);

    std::map<std::string, std::string> refused;
    result r;
    const auto refuse = [&](const std::string& key, const failure& why) {
        const auto known = refused_.find(key);
        if (known == refused_.end() || known->second != why.detail) r.refused.emplace_back(key, why);
        refused.emplace(key, why.detail);
    };
    std::vector<const std::pair<const std::string, document>*> in_order;
    for (const auto& each : documents_)
        if (each.second.row)
            in_order.push_back(&each);
        else
            refuse(each.first, each.second.row.error());
    std::ranges::stable_sort(in_order, {}, [](const auto* each) { return each->second.revision; });
    auto all = std::make_shared<catalog>();
    for (const auto* each : in_order) {
        const document& d = each->second;
        const bool taken = (d.tenant && all->tenant(d.tenant->id) != nullptr) ||
                           (d.type && all->type(d.type->id) != nullptr) ||
                           (d.schedule && all->schedule(d.schedule->id) != nullptr);
        if (taken)
            refuse(each->first, {errc::invalid_argument, "another document of this kind has the same number"});
        else if (d.tenant)
            all->put(d.tenant);
        else if (d.type)
            all->put(d.type);
        else if (d.schedule)
            all->put(d.schedule);
    }
    refused_ = std::move(refused);
    r.all = std::move(all);
    return r;
}

std::vector<declared_row> declared_rows(const control_listing& copy, std::string_view kind) {
    std::vector<declared_row> rows;
    const std::string prefix = kind.empty() ? std::string{declared_prefix} : declared_key(kind, "");
    for (const control_entry& e : copy.entries)
        if (e.key.starts_with(prefix))
            if (auto row = decode_declared(e.key, e.value)) rows.push_back(std::move(*row));
    return rows;
}

} // namespace coppice
