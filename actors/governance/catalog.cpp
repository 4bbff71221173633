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
const declared_tenant* catalog::tenant(tenant_id id) const { return find_in(tenants_by_id, id); }
const declared_type* catalog::type(type_id id) const { return find_in(types_by_id, id); }

void catalog::put(declared_tenant t) {
    const auto shared = std::make_shared<const declared_tenant>(std::move(t));
    tenants[shared->spec.name] = shared;
    tenants_by_id[shared->id] = shared;
}

void catalog::put(declared_type y) {
    const auto shared = std::make_shared<const declared_type>(std::move(y));
    types[shared->spec.name] = shared;
    types_by_id[shared->id] = shared;
}

} // namespace coppice
