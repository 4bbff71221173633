// The commands that put right what a store check found.
#pragma once

#include <string>

#include "actors/jobs/store_check.hpp"
#include "schema/commands.capnp.h"
#include "schema/wire_ids.hpp"

namespace coppice {

struct repair_wish {
    std::string by;
    std::string reason;
};

inline void write_repair(const job_id& job, const std::vector<check_report::suspect_row>& rows,
                         const repair_wish& wish, cmd::Repair::Builder to) {
    write_id(job, to.initJob());
    auto list = to.initRows(static_cast<unsigned>(rows.size()));
    for (unsigned i = 0; i < list.size(); ++i) {
        list[i].setTable(static_cast<std::uint8_t>(rows[i].of));
        list[i].setKey({reinterpret_cast<const kj::byte*>(rows[i].key.data()), rows[i].key.size()});
    }
    to.setBy(wish.by);
    to.setReason(wish.reason);
}

inline void write_repair(tenant_id counters, const repair_wish& wish, cmd::Repair::Builder to) {
    to.setTenant(counters.value);
    to.setBy(wish.by);
    to.setReason(wish.reason);
}

} // namespace coppice
