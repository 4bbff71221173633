@0xb8d1f5c24e6a9073;
# What the nodes of a cluster say to each other beside replication (cluster/routing): proposals and reads on their way to
# a shard's primary, and workers that are attached to another node than that. Inside the frames of peer.capnp.
#
# Rules of change: as in records.capnp. Everything comes over a socket: whoever reads checks every value.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coppice::route");
using Records = import "records.capnp";
using Id = Records.Id;

struct Message {
  shard @0 :UInt16;
  id @1 :UInt64;               # of the question; comes back in its answer
  union {
    none @2 :Void;
    propose @3 :Propose;       # to the primary; answered by `results`
    results @4 :List(Result);  # one a command
    readPoint @5 :Void;        # to the primary: up to where must I have applied to read what is acknowledged by now?
    readPointIs @6 :ReadPoint;
    serving @7 :Serving;       # from the primary: I serve; introduce your executors
    executorUp @8 :Executor;
    executorDown @9 :ExecutorDown;
    draining @10 :UInt64;      # a worker
    heard @11 :Attempt;
    assign @12 :Assign;        # from the primary to the node of the executor
    cancel @13 :Cancel;
    revoke @14 :Cancel;
    grant @15 :Grant;          # to the primary: so many slots of an executor are the shard's from now on
    slots @16 :List(Slots);    # from the primary: what became of the grants, and who is short of slots
  }
}

struct Propose {
  entry @0 :Data;              # a flat message, root cmd::Entry
  commands @1 :UInt32;
  grows @2 :Bool;
}

struct Result {
  code @0 :UInt16;
  existing @1 :Bool;
  retryAfterMs @2 :UInt32;
  job @3 :Id;
  detail @4 :Text;
}

struct ReadPoint {
  code @0 :UInt16;             # 0: ok
  index @1 :UInt64;
}

struct Serving {
  epoch @0 :UInt64;
  generation @1 :UInt64;       # of the shard's actors in this epoch: another one knows no executors
}

struct Executor {
  worker @0 :UInt64;
  slots @1 :UInt32;            # 0: not offered yet
  tenant @2 :UInt32;
  types @3 :List(Text);
  grant @4 :UInt64;            # the number of the word that gave it `slots`
  isOffered @7 :Bool;          # it has said which types it runs, on how many slots
  isKnown @5 :Bool;            # attempts may run under its name: those of the shard that it holds are in `holds`, the
  holds @6 :List(Attempt);     # others never came to it
  labels @8 :List(Text);
  total @9 :UInt32;            # its slots, those of all shards; 0: `slots`
}

struct ExecutorDown {
  worker @0 :UInt64;
  graceMs @1 :UInt64;
}

struct Attempt {
  job @0 :Id;
  attempt @1 :UInt32;
}

struct Cancel {
  worker @0 :UInt64;
  attempt @1 :Attempt;
  graceMs @2 :UInt64;
}

struct Assign {
  worker @0 :UInt64;
  starts @1 :List(Start);
  generation @2 :UInt64;       # of `serving`; one that came before the executor presented itself again is passed over
}

struct Grant {
  worker @0 :UInt64;
  slots @1 :UInt32;
  grant @2 :UInt64;
}

struct Slots {
  worker @0 :UInt64;
  grant @1 :UInt64;            # the newest that the primary has heard of
  mayUse @2 :UInt32;           # the slots granted, or what runs, if that is more
  wants @3 :Bool;              # work waits for a slot of this executor
  needs @4 :UInt32;            # so many at once; 0: one, if it wants any
  largeStarts @5 :UInt32;      # jobs of several slots that the primary has started on it
}

struct Start {
  attempt @0 :Attempt;
  executor @1 :UInt8;
  queuedUs @2 :Int64;
  startedUs @3 :Int64;
  tenant @4 :Text;
  tenantNumber @5 :UInt32;
  type @6 :Text;
  typeNumber @7 :UInt32;
  payload @8 :Data;
  parents @9 :List(Parent);
  priority @10 :UInt8;
  attemptTimeoutMs @11 :Int64;
  heartbeatTimeoutMs @12 :Int64;
  cancelGraceMs @13 :Int64;
  resultBytesMax @14 :UInt64;
  checkpoint @15 :Data;
  traceparent @16 :Text;
  slots @17 :UInt16;           # 0: one
}

struct Parent {
  job @0 :Id;
  type @1 :Text;
  result @2 :Data;
  truncated @3 :Bool;
  state @4 :Records.State;
}
