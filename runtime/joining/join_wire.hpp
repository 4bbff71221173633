// Question and answer of a join (schema/join.capnp) as values. What read gives is bounded, and safe to use as far
// as this file can know: names of files are names, and no path; texts may hold any bytes. Pure; any thread.
#pragma once

#include <string>
#include <vector>

#include "cluster/membership/admission.hpp"
#include "schema/join.capnp.h"

namespace coppice {

// What all nodes of a cluster have.
struct shared_file {
    joining::Answer::Place place = joining::Answer::Place::TOKEN_KEY;
    std::string name; // of a token key's file
    std::string content;
};

struct join_grant {
    node_id number{};
    std::string certificate_pem;
    std::string authority_pem;
    std::uint32_t shards = 0;
    std::uint32_t min_in_sync = 0;
    milliseconds lease{}, grace{};
    std::vector<std::string> etcd_endpoints;
    std::string etcd_prefix;
    std::string etcd_user; // empty: none
    std::vector<shared_file> files;
};

void write(const join_request& request, joining::Question::Builder to);
join_request read(joining::Question::Reader from);

void write(const expected<join_grant>& answer, joining::Answer::Builder to);
// The failure that the cluster answered, or message_invalid.
expected<join_grant> read(joining::Answer::Reader from);

} // namespace coppice
