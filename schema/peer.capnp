@0xb6c1f0a92d7e4835;
# What two nodes of a cluster say to each other, over mutual TLS (cluster/peers). One message is an Envelope: on the
# wire four bytes of length, little-endian, then the message as Cap'n Proto frames it. Two connections a pair: one for
# each channel, so that what is urgent never waits behind what is large.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coppice::peer");

struct Envelope {
  version @0 :UInt16;          # of the protocol, as the hellos agreed on it; 0 in a hello
  from @1 :UInt32;             # the sender's node id; its certificate says the same
  channel @2 :UInt8;           # of this connection: 0 control, 1 bulk
  sequence @3 :UInt64;         # 1, 2, 3 .. on each connection, in each direction
  union {
    none @4 :Void;             # nobody sends it
    hello @5 :Hello;           # the first message, and only the first, in each direction
    heartbeat @6 :Void;
    credit @7 :Credit;
    frame @8 :Data;            # what the nodes have to say to each other; opaque here
    goodbye @9 :Goodbye;
  }
}

struct Hello {
  cluster @0 :Text;            # its name; another one is refused
  to @1 :UInt32;               # whom the sender believes to have reached (the answer: who asked)
  versionMin @2 :UInt16;       # both sides speak the highest version that both can
  versionMax @3 :UInt16;
  session @4 :UInt64;          # ties the two connections of a link together; the dialer makes it up
  controlWindow @5 :UInt64;    # bytes that the sender of this hello takes in before it gives credit
  bulkWindow @6 :UInt64;
}

struct Credit {
  # So many bytes of the window are free again. Always on the control connection.
  channel @0 :UInt8;
  bytes @1 :UInt64;
}

struct Goodbye {
  reason @0 :Text;             # for the other side's log
}
