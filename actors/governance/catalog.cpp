#include "actors/governance/catalog.hpp"

namespace coppice {
namespace {

template <class Map, class Key>
auto find_in(const Map& map, const Key& key) -> decltype(map.begin()->second.get()) {
    const auto found = map.find(key);
    return found == map.end() ? nullptr : found->second.get();
}

} // namespace

const declared_tenant* catalog::tenant(std::string_view name) const { return find_in(tenants, name); }
const declared_type* catalog::type(std::string_view name) const { return find_in(types, name); }
const declared_schedule* catalog::schedule(std::string_view name) const { return find_in(schedules, name); }
const declared_schedule* catalog::schedule(schedule_id id) const { return find_in(schedules_by_id, id); }
const declared_tenant* catalog::tenant(tenant_id id) const { return find_in(tenants_by_id, id); }
const declared_type* catalog::type(type_id id) const { return find_in(types_by_id, id); }

void catalog::put(std::shared_ptr<const declared_tenant> t) {
    tenants_by_id[t->id] = t;
    auto& place = tenants[t->spec.name];
    place = std::move(t);
}

void catalog::put(std::shared_ptr<const declared_schedule> s) {
    schedules_by_id[s->id] = s;
    auto& place = schedules[s->spec.name];
    place = std::move(s);
}

void catalog::put(std::shared_ptr<const declared_type> y) {
    types_by_id[y->id] = y;
    auto& place = types[y->spec.name];
    place = std::move(y);
}

} // namespace coppice
