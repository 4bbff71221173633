#include "runtime/node/cluster_joining.hpp"

#include <algorithm>

#include "cluster/identity/certificate.hpp"
#include "cluster/identity/identity_files.hpp"
#include "persistence/secret_file.hpp"

namespace coppice {
namespace {

namespace fs = std::filesystem;
using file_place = joining::Answer::Place;

expected<void> add_file(join_grant& grant, file_place where, std::string name, const std::string& path) {
    if (path.empty()) return {};
    shared_file file{where, std::move(name), {}};
    if (const auto mode = read_small_file(path, limits::tls_file_size_max, file.content); !mode)
        return tl::unexpected(mode.error());
    grant.files.push_back(std::move(file));
    return {};
}

expected<void> add_token_keys(join_grant& grant, const fs::path& keys) {
    std::error_code error;
    if (!fs::is_directory(keys, error)) return add_file(grant, file_place::TOKEN_KEY, keys.filename(), keys);
    for (const auto& each : fs::directory_iterator{keys, error})
        if (const std::string name = each.path().filename(); name.front() != '.')
            if (auto done = add_file(grant, file_place::TOKEN_KEY, name, each.path()); !done) return done;
    return {};
}

// What all nodes have.
expected<void> add_shared(join_grant& grant, const cluster_settings& settings, const fs::path& token_keys) {
    grant.shards = settings.shards;
    grant.min_in_sync = settings.min_in_sync;
    grant.lease = settings.lease;
    grant.grace = settings.grace;
    grant.etcd_endpoints = settings.etcd.endpoints;
    grant.etcd_prefix = settings.etcd.prefix;
    grant.etcd_user = settings.etcd.user;
    if (auto done = add_token_keys(grant, token_keys); !done) return done;
    if (auto done = add_file(grant, file_place::ETCD_CA, {}, settings.etcd.ca); !done) return done;
    if (auto done = add_file(grant, file_place::ETCD_CERTIFICATE, {}, settings.etcd.certificate); !done)
        return done;
    if (auto done = add_file(grant, file_place::ETCD_KEY, {}, settings.etcd.key); !done) return done;
    return add_file(grant, file_place::ETCD_PASSWORD, {}, settings.etcd.password_file);
}

} // namespace

expected<std::unique_ptr<cluster_joining>> cluster_joining::make(options o) {
    std::unique_ptr<cluster_joining> made{new cluster_joining(std::move(o))};
    const cluster_settings& settings = made->options_.settings;
    std::string trusted;
    if (const auto mode = read_small_file(settings.ca, limits::certificate_pem_size_max, trusted); !mode)
        return tl::unexpected(mode.error());
    const auto authority = authority_certificate_identity(trusted);
    if (!authority) return fail(authority.error().code, settings.ca + ": " + authority.error().detail);
    made->authority_fingerprint_ = authority->fingerprint;
    if (settings.join_listen.host.empty()) return made;
    const std::string identity = fs::path{settings.certificate}.parent_path().string();
    auto by = load_authority(identity);
    if (!by)
        return fail(by.error().code,
                    "cluster.join_listen is for a node that has the cluster's authority: " + by.error().detail);
    made->admission_.emplace(admission::options{
        .store = made->options_.store,
        .by = std::move(*by),
        .members = [members = made->options_.members] { return plain_members(members->members()); },
        .number_from = [identity](node_id least) { return take_node_number(identity, least); }});
    return made;
}

void cluster_joining::invite(std::chrono::seconds lifetime, std::function<void(expected<invitation>)> done) const {
    coppice::invite(*options_.store, {options_.settings.name, authority_fingerprint_, lifetime, wall_clock_now()},
                    std::move(done));
}

void cluster_joining::admit(join_request request, std::function<void(expected<join_grant>)> done) const {
    // Before anything is spent: whether it can be answered.
    join_grant grant;
    if (const auto ready = add_shared(grant, options_.settings, options_.token_keys); !ready) {
        options_.log.error("nobody can be let in", {{"why", to_string(ready.error())}}); // not a stranger's to know
        return done(fail(errc::unavailable, "this node cannot let anybody in; its log says why"));
    }
    admission_->admit(std::move(request),
                      [grant = std::move(grant), done = std::move(done)](expected<admitted> how) mutable {
                          if (!how) return done(tl::unexpected(how.error()));
                          grant.number = how->what.number;
                          grant.certificate_pem = std::move(how->certificate_pem);
                          done(std::move(grant));
                      });
}

void cluster_joining::announce() {
    if (!lets_in() || announced_->exchange(true)) return;
    const cluster_settings& settings = options_.settings;
    const bool wild = settings.join_listen.host == "0.0.0.0" || settings.join_listen.host == "::";
    const endpoint where{wild ? settings.advertised_peer().host : settings.join_listen.host,
                         settings.join_listen.port};
    options_.store->commit(
        {.compares = {}, .puts = {{join_desk_key(settings.node), to_string(where), 0}}, .erases = {}},
        [announced = announced_, log = options_.log](const auto& committed) {
            if (committed) return;
            *announced = false;
            log.debug("the join port was not announced", {{"why", to_string(committed.error().why)}});
        });
}

} // namespace coppice
