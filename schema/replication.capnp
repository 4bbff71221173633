@0xe3f07c5a9b1d2846;
# What the replicas of a shard say to each other (cluster/replication), and what their logs hold. Inside the frames of
# peer.capnp. PacificA (Lin et al., MSR-TR-2008-25) is the protocol; cluster/replication/replica_machine.hpp says which
# of its rules are which here.
#
# Rules of change: as in records.capnp. Everything comes over a socket: whoever reads checks every value.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coppice::rep");

struct Position {
  # An entry's place in the log: its index, and the epoch of the primary that made it. Two logs that agree on a position
  # agree on everything before it. {0, 0} is the place before the first entry.
  index @0 :UInt64;
  epoch @1 :UInt64;
}

struct LogEntry {
  # What one batch of a primary did to the shard's tables, as commands: applied whole, at `timeUs`. One without commands
  # is the mark that a new primary sets.
  at @0 :Position;
  timeUs @1 :Int64;
  entries @2 :List(Data);    # each a flat message, root cmd::Entry
}

struct Message {
  shard @0 :UInt16;
  epoch @1 :UInt64;          # the sender's; an older one than the receiver's is answered with staleEpoch
  union {
    none @2 :Void;
    prepare @3 :Prepare;
    ack @4 :Ack;
    mismatch @5 :Mismatch;
    staleEpoch @6 :Void;
    handOver @7 :Position;   # the primary has stopped at this position: take over at once
    slice @8 :Slice;
    sliceAck @9 :SliceAck;
  }
}

struct Prepare {
  # From the primary. Without entries it is the beat that keeps the lease.
  previous @0 :Position;     # of the entry before the first of `entries`
  entries @1 :List(Data);    # each a flat message, root LogEntry, in order of index
  commit @2 :UInt64;         # everything up to here is committed
  stampUs @3 :Int64;         # the primary's clock when it was sent; comes back in the ack
  digestAt @4 :UInt64;       # no longer said: 0
  digest @5 :UInt64;
  tables @6 :TablesDigest;
}

struct TablesDigest {
  # The primary's tables had `digest` after entry `at` (0: it says none). Digests of one chain and one layout of rows
  # can be compared.
  at @0 :UInt64;
  digest @1 :UInt64;
  chain @2 :UInt64;
  layout @3 :UInt64;
}

struct Ack {
  match @0 :UInt64;          # everything up to here is on disk, and known to be the primary's
  stampUs @1 :Int64;         # of the newest prepare that was heard
}

struct Mismatch {
  # `previous` is not in my log: go on from `hint` or before.
  hint @0 :UInt64;
  wiped @1 :Bool;            # I have nothing of this shard at all, whatever the configuration says
  stampUs @2 :Int64;
}

struct Slice {
  # A part of a snapshot: rows of the primary's tables as they were at `at`, in order of table and key.
  at @0 :Position;
  number @1 :UInt32;         # 0 begins anew
  rows @2 :List(Row);
  last @3 :Bool;
  digest @4 :UInt64;
  timeUs @5 :Int64;
  chain @6 :UInt64;          # of the digest
  layout @7 :UInt64;

  struct Row {
    table @0 :UInt8;
    key @1 :Data;
    value @2 :Data;
  }
}

struct SliceAck {
  at @0 :Position;
  number @1 :UInt32;         # the next one that is wanted
  done @2 :Bool;             # all of it is on disk
}
