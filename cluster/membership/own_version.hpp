// What this version of the program can do, as a member's record says it.
#pragma once

#include "cluster/membership/member.hpp"

namespace coppice {

// Protocol and features of `m`.
void write_own_version(member& m);

} // namespace coppice
