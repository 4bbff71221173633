// The messages of the replicas as bytes (schema/replication.capnp), and back. What is read came over a socket or
// from a disk: every count, index and size is checked, and what is wrong with it is said.
#pragma once

#include "cluster/replication/replica_messages.hpp"
#include "schema/errc.hpp"

namespace coppice {

bytes to_wire(const replica_message& message);
// message_invalid: no such message, or one that no sound replica sends.
expected<replica_message> replica_message_from_wire(bytes_view wire);

// An entry's body: a flat message, root rep::LogEntry. `entries`: flat messages, root cmd::Entry.
log_entry make_log_entry(log_position at, instant time, std::span<const bytes_view> entries);
struct log_entry_view {
    log_position at;
    instant time = never;
    std::vector<bytes> entries; // aligned for Cap'n Proto
};
expected<log_entry_view> read_log_entry(bytes_view body);
// Only its place.
expected<log_entry> log_entry_from_wire(bytes_view body);

} // namespace coppice
