// Who may do what: one table, role by permission, and one rule for tenants.
//
// A role gives each permission over nothing, over its own tenant, or over all of them. A tenant in a token only
// ever narrows: with it, even a platform owner's token reaches that tenant and nothing else. Everything that checks
// a right calls `allows`; no other code names a role.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace coppice {

enum class role : std::uint8_t {
    platform_owner,
    sre,
    security_officer,
    project_maintainer,
    service,
    worker,
};

enum class permission : std::uint8_t {
    submit_jobs,
    read_jobs,
    cancel_jobs,
    redrive_jobs,   // do a job that failed or was cancelled again
    delete_jobs,    // erase jobs that have ended; evidence stays
    edit_jobs,      // change priority and payload of jobs that wait
    read_declared,  // tenants, job types, as declared
    apply_declared, // documents of every kind but Tenant
    apply_tenants,  // documents of kind Tenant: shares and entitlements
    read_tree,      // the supervision tree
    read_evidence,  // audit records
    operate,        // pause, resume, drain, stop an actor, back up
    manage_workers, // list and end sessions of workers
    work,           // run attempts
    issue_tokens,
};

enum class scope : std::uint8_t { none, own_tenant, all_tenants };

struct principal {
    coppice::role role = role::service;
    std::optional<std::string> tenant; // set: nothing beyond this tenant
    std::string subject;               // who, for audit and logs

    bool operator==(const principal&) const = default;
};

std::span<const role> all_roles();
std::span<const permission> all_permissions();

// "platform-owner", "sre", ...: as a token and a document write it.
std::string_view to_string(role r);
std::optional<role> role_from_name(std::string_view name);
// "submit_jobs", ...: for the detail of a refusal.
std::string_view to_string(permission p);

// The table. Total: every pair has a row.
scope scope_of(role r, permission p);

// True when the role means nothing without a tenant (project-maintainer, service).
bool needs_tenant(role r);

// May `who` do this to `tenant`? An empty tenant stands for the platform as a whole (the tree, another tenant's
// neighbours, a list over all tenants): only a principal without a tenant reaches it.
bool allows(const principal& who, permission p, std::string_view tenant);

// May `who` do this to at least one tenant? For a first look at login; each call still asks `allows`.
bool allows_somewhere(const principal& who, permission p);

} // namespace coppice
