#include "runtime/auth/roles.hpp"

#include <boost/test/unit_test.hpp>
#include <map>

using namespace coppice;

namespace {

using enum permission;

// Written out a second time, by role, as prose would have it: the two tables must agree.
const std::map<role, std::map<permission, scope>> meant{
    {role::platform_owner, {}}, // all of everything; see below
    {role::sre, {{apply_tenants, scope::none}, {issue_tokens, scope::none}}},
    {role::security_officer,
     {{read_jobs, scope::all_tenants},
      {read_declared, scope::all_tenants},
      {read_tree, scope::all_tenants},
      {read_evidence, scope::all_tenants}}},
    {role::project_maintainer,
     {{submit_jobs, scope::own_tenant},
      {read_jobs, scope::own_tenant},
      {cancel_jobs, scope::own_tenant},
      {redrive_jobs, scope::own_tenant},
      {delete_jobs, scope::own_tenant},
      {edit_jobs, scope::own_tenant},
      {read_declared, scope::own_tenant}}},
    {role::service,
     {{submit_jobs, scope::own_tenant}, {read_jobs, scope::own_tenant}, {cancel_jobs, scope::own_tenant}}},
    {role::worker, {{work, scope::all_tenants}}},
};

scope meant_scope(role r, permission p) {
    const auto& row = meant.at(r);
    const auto found = row.find(p);
    if (found != row.end()) return found->second;
    return r == role::platform_owner || r == role::sre ? scope::all_tenants : scope::none;
}

} // namespace

BOOST_AUTO_TEST_SUITE(roles)

BOOST_AUTO_TEST_CASE(every_pair_of_role_and_permission_is_as_meant) {
    for (const role r : all_roles())
        for (const permission p : all_permissions())
            BOOST_TEST((scope_of(r, p) == meant_scope(r, p)), to_string(r) << " " << to_string(p));
}

BOOST_AUTO_TEST_CASE(every_pair_is_decided_for_every_tenant) {
    for (const role r : all_roles())
        for (const permission p : all_permissions()) {
            const scope s = meant_scope(r, p);
            const principal wide{r, std::nullopt, "x"};
            const principal narrow{r, "acme", "x"};
            BOOST_TEST_CONTEXT(to_string(r) << " " << to_string(p)) {
                BOOST_TEST(allows(wide, p, "acme") == (s == scope::all_tenants));
                BOOST_TEST(allows(wide, p, "") == (s == scope::all_tenants));
                BOOST_TEST(allows(narrow, p, "acme") == (s != scope::none));
                BOOST_TEST(!allows(narrow, p, "other"));
                BOOST_TEST(!allows(narrow, p, "acme2"));
                BOOST_TEST(!allows(narrow, p, "")); // the platform is nobody's tenant
                BOOST_TEST(allows_somewhere(wide, p) == (s == scope::all_tenants));
                BOOST_TEST(allows_somewhere(narrow, p) == (s != scope::none));
            }
        }
}

BOOST_AUTO_TEST_CASE(an_empty_tenant_in_a_principal_opens_nothing_of_its_own) {
    for (const role r : all_roles())
        for (const permission p : all_permissions()) {
            BOOST_TEST(!allows({r, "", "x"}, p, ""));
            BOOST_TEST(!allows({r, "", "x"}, p, "acme"));
        }
}

BOOST_AUTO_TEST_CASE(role_names_read_back) {
    for (const role r : all_roles()) BOOST_TEST((role_from_name(to_string(r)) == r));
    for (const char* name : {"", "root", "SRE", "sre ", "platform_owner"}) BOOST_TEST(!role_from_name(name));
}

BOOST_AUTO_TEST_SUITE_END()
