// What the replicas of a shard say to each other, as the replication machine sees it: schema/replication.capnp
// without the bytes. replica_wire.hpp writes and reads it.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "cluster/replication/log_positions.hpp"
#include "persistence/tables.hpp"
#include "schema/ids.hpp"
#include "schema/time.hpp"

namespace coppice {

// An entry of a shard's log: its place, and the flat Cap'n Proto message (root rep::LogEntry) that holds it. The
// bytes are shared between the log, the senders and the batch under way.
struct log_entry {
    log_position at;
    std::shared_ptr<const bytes> body;
};

// A digest of tables, and with which it may be compared (row_layout.hpp).
struct tables_digest {
    std::uint64_t at = 0; // after this entry; 0: none is said
    std::uint64_t digest = 0;
    std::uint64_t chain = 0;
    std::uint64_t layout = 0;
    bool operator==(const tables_digest&) const = default;
};

struct prepare_message {
    log_position previous;
    std::vector<log_entry> entries; // in order, the first at previous.index + 1
    std::uint64_t commit = 0;
    instant stamp = never; // the sender's clock
    tables_digest tables;
};
struct ack_message {
    std::uint64_t match = 0;
    instant stamp = never; // of the prepare that is answered: the primary's own clock
};
struct mismatch_message {
    std::uint64_t hint = 0;
    bool wiped = false;
    instant stamp = never;
};
struct stale_epoch_message {};
struct hand_over_message {
    log_position last;
};
struct snapshot_row {
    std::uint8_t table = 0;
    bytes key;
    bytes value;
};
struct slice_message {
    log_position at;
    std::uint32_t number = 0;
    std::vector<snapshot_row> rows;
    bool last = false;
    std::uint64_t digest = 0;
    std::int64_t time_us = 0;
    std::uint64_t chain = 0;
    std::uint64_t layout = 0;
};
struct slice_ack_message {
    log_position at;
    std::uint32_t number = 0;
    bool done = false;
};

struct replica_message {
    shard_id shard{};
    std::uint64_t epoch = 0;
    std::variant<prepare_message, ack_message, mismatch_message, stale_epoch_message, hand_over_message,
                 slice_message, slice_ack_message>
        what;
};

} // namespace coppice
