@0xd3a9c5f17b20e846;
# How a new node is let into a cluster: one question and one answer over TLS, in which only the side of the cluster shows
# a certificate (runtime/edge/join_desk.hpp). The new node has found its token's authority in that certificate's chain
# before it asks.
#
# Rules of change: as in records.capnp. Everything comes over a socket: whoever reads checks every value.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coppice::joining");

struct Listener {
  host @0 :Text;              # a DNS name or an IP literal
  port @1 :UInt16;
}

struct Question {
  tokenId @0 :Text;
  secret @1 :Data;            # of the token: 32 bytes
  signingRequest @2 :Text;    # PKCS #10 in PEM; of it only the public key is taken
  # What its member record is to say; whoever lets it in decides about the rest.
  peer @3 :Listener;          # where other nodes will reach it
  rpc @4 :Listener;           # where clients and workers will
  zone @5 :Text;              # empty: not known
  protocolMin @6 :UInt32;     # versions of the peer protocol that it speaks
  protocolMax @7 :UInt32;
  features @8 :List(Text);    # that it has; sorted
}

struct Answer {
  code @0 :UInt16;            # of schema/errc.hpp; 0: it is let in, and the rest is set
  detail @1 :Text;
  number @2 :UInt32;          # the new member's, for good
  certificate @3 :Text;       # PEM: its own
  authority @4 :Text;         # PEM: whom it trusts from now on
  shards @5 :UInt32;
  minInSync @6 :UInt32;
  leaseMs @7 :UInt64;
  graceMs @8 :UInt64;
  etcdEndpoints @9 :List(Text);
  etcdPrefix @10 :Text;
  etcdUser @11 :Text;         # empty: none
  files @12 :List(File);      # what all nodes of the cluster have

  struct File {
    place @0 :Place;
    name @1 :Text;            # of a key's file; empty for the others
    content @2 :Data;
  }
  enum Place {
    tokenKey @0;              # in the directory of token keys
    etcdCa @1;
    etcdCertificate @2;
    etcdKey @3;
    etcdPassword @4;
  }
}
