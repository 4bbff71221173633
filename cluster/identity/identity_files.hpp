// The identities of a cluster on disk, in one directory that only their owner can write:
//
//   authority.pem, authority.key   the cluster's authority; only on nodes that may admit others
//   node.key                       a node's key; made once, kept over renewals
//   node.pem                       its certificate; replaced by a renewal
//   trusted.pem                    the authority's certificate that the node checks its peers with
//   last-node                      beside the authority: the number that a node was given last
//
// Each file is written whole, durably and with mode 0600 (persistence/secret_file). A renewal replaces one file
// only, so that key and certificate belong together whenever the process dies. Synchronous file I/O; any thread,
// but one writer a directory.
//
// Errors name the file: errc::not_found, already_exists, or invalid_argument for anything that is wrong with it,
// such as a key that others than its owner can reach.
#pragma once

#include <string>

#include "cluster/identity/authority.hpp"

namespace coppice {

// Neither ever overwrites.
expected<void> create_authority_files(const std::string& directory, const authority& a);
expected<void> create_node_key_file(const std::string& directory, const node_key& key);

expected<authority> load_authority(const std::string& directory);
bool has_authority(const std::string& directory);

// A number that was never given by this authority: `least` or, when that was given, the next; on disk before it is
// told, so that none is given twice, whatever fails. Several processes may ask at the same moment (flock).
expected<node_id> take_node_number(const std::string& directory, node_id least);
expected<node_key> load_node_key(const std::string& directory);

// What a node proves itself with and checks its peers by.
struct node_credentials {
    node_key key;
    std::string certificate_pem;
    std::string authority_pem;
    node_identity identity; // of the certificate, by that authority
};

// Keeps a certificate for the key that is in the directory already; it replaces an older one. invalid_argument when
// it is not for that key.
expected<void> save_node_certificate(const std::string& directory, const std::string& certificate_pem,
                                     const std::string& authority_pem, instant now);
// All of a node's files, checked against each other, and the certificate as verify does at `now`
// (errc::unauthenticated when that fails).
expected<node_credentials> load_node_credentials(const std::string& directory, instant now);

} // namespace coppice
