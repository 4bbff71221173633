@0xce1a2bf17e5c3a67;
# What happened, as callers of the public interface see it (api.capnp).

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coppice::api");
using Records = import "records.capnp";
using Id = Records.Id;
using State = Records.State;

struct Event {
  sequence @0 :UInt64;
  atUs @1 :Int64;
  job @2 :Id;
  type @3 :Text;
  state @4 :State;
  attempt @5 :UInt32;
  code @6 :UInt16;
}

struct Evidence {
  # Who did what, and what came of it; written in the commit that it speaks of, never changed.
  shard @0 :UInt16;
  sequence @1 :UInt64;        # in its shard, from 1, without gaps
  atUs @2 :Int64;
  kind @3 :Records.EvidenceRow.Kind;
  tenant @4 :Text;            # empty: of none
  job @5 :Id;                 # 0: of none
  type @6 :Text;              # empty: of none, or one that is not declared any more
  typeVersion @7 :UInt32;
  state @8 :State;            # that the job is in, then
  attempt @9 :UInt32;
  code @10 :UInt16;           # why it failed, was cancelled or was refused
  by @11 :Text;               # the subject of the token that did it, or that submitted the job
  detail @12 :Text;           # what was changed, and the reason that was given
}
