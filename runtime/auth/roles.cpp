#include "runtime/auth/roles.hpp"

#include <algorithm>
#include <array>

namespace coppice {
namespace {

constexpr std::size_t role_count = 6;
constexpr std::size_t permission_count = 15;

constexpr std::array roles{role::platform_owner,     role::sre,     role::security_officer,
                           role::project_maintainer, role::service, role::worker};
constexpr std::array<std::string_view, role_count> role_names{"platform-owner",     "sre",     "security-officer",
                                                              "project-maintainer", "service", "worker"};

constexpr scope none = scope::none;
constexpr scope own = scope::own_tenant;
constexpr scope all = scope::all_tenants;

struct permission_row {
    permission what;
    std::string_view name;
    std::array<scope, role_count> by_role;
};

// clang-format off
constexpr std::array<permission_row, permission_count> table{{
    //                                               owner sre  security maintainer service worker
    {permission::submit_jobs,    "submit_jobs",    { all,  all, none,    own,       own,    none }},
    {permission::read_jobs,      "read_jobs",      { all,  all, all,     own,       own,    none }},
    {permission::cancel_jobs,    "cancel_jobs",    { all,  all, none,    own,       own,    none }},
    {permission::redrive_jobs,   "redrive_jobs",   { all,  all, none,    own,       none,   none }},
    {permission::delete_jobs,    "delete_jobs",    { all,  all, none,    own,       none,   none }},
    {permission::edit_jobs,      "edit_jobs",      { all,  all, none,    own,       none,   none }},
    {permission::read_declared,  "read_declared",  { all,  all, all,     own,       none,   none }},
    {permission::apply_declared, "apply_declared", { all,  all, none,    none,      none,   none }},
    {permission::apply_tenants,  "apply_tenants",  { all,  none,none,    none,      none,   none }},
    {permission::read_tree,      "read_tree",      { all,  all, all,     none,      none,   none }},
    {permission::read_evidence,  "read_evidence",  { all,  all, all,     none,      none,   none }},
    {permission::operate,        "operate",        { all,  all, none,    none,      none,   none }},
    {permission::manage_workers, "manage_workers", { all,  all, none,    none,      none,   none }},
    {permission::work,           "work",           { all,  all, none,    none,      none,   all  }},
    {permission::issue_tokens,   "issue_tokens",   { all,  none,none,    none,      none,   none }},
}};
// clang-format on

constexpr auto make_permissions() {
    std::array<permission, permission_count> list{};
    for (std::size_t i = 0; i < permission_count; ++i) list[i] = table[i].what;
    return list;
}
constexpr auto permissions = make_permissions();

constexpr bool in_order() {
    for (std::size_t i = 0; i < permission_count; ++i)
        if (static_cast<std::size_t>(table[i].what) != i) return false;
    for (std::size_t i = 0; i < role_count; ++i)
        if (static_cast<std::size_t>(roles[i]) != i) return false;
    return true;
}
static_assert(in_order());

} // namespace

std::span<const role> all_roles() { return roles; }
std::span<const permission> all_permissions() { return permissions; }

std::string_view to_string(role r) { return role_names[static_cast<std::size_t>(r)]; }

std::optional<role> role_from_name(std::string_view name) {
    const auto* found = std::ranges::find(role_names, name);
    if (found == role_names.end()) return std::nullopt;
    return roles[static_cast<std::size_t>(found - role_names.begin())];
}

std::string_view to_string(permission p) { return table[static_cast<std::size_t>(p)].name; }

scope scope_of(role r, permission p) {
    return table[static_cast<std::size_t>(p)].by_role[static_cast<std::size_t>(r)];
}

bool needs_tenant(role r) { return r == role::project_maintainer || r == role::service; }

bool allows(const principal& who, permission p, std::string_view tenant) {
    const bool is_own = who.tenant && !tenant.empty() && *who.tenant == tenant;
    switch (scope_of(who.role, p)) {
    case scope::none:
        return false;
    case scope::own_tenant:
        return is_own;
    case scope::all_tenants:
        return !who.tenant || is_own;
    }
    return false;
}

bool allows_somewhere(const principal& who, permission p) {
    const scope s = scope_of(who.role, p);
    return s == scope::all_tenants || (s == scope::own_tenant && who.tenant && !who.tenant->empty());
}

} // namespace coppice
