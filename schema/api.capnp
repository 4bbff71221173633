@0xe4c0a97d15f3b268;
# The public interface of a node, over Cap'n Proto RPC (TCP; TLS when configured). This file is its manual.
#
# Object capabilities: the connection's bootstrap offers only `login`. What login returns is what the token may do; a
# capability that the role does not include is null. A tenant's token can name no other tenant's jobs: they answer
# `not_found`, as ids that never were do.
#
# Errors are values: every result has a `failure`, whose code is a row of the catalogue (schema/errc.hpp); code 0 is
# success. An RPC exception means a broken connection or a fault in the node itself.
#
# Times are microseconds since the Unix epoch, UTC; 0 is "not set". Durations are milliseconds.
# Bounds (schema/limits.hpp): a message 16 MiB, a submit 1,000 jobs, a page 1,000 rows, 1,024 calls under way on a
# connection; past them `overloaded` or `invalid_argument`. A connection that nobody has logged in on is closed after
# 10 s, and before a login takes 64 KiB. Of a caller that does not read its answers no more calls are read.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coppice::api");
using Records = import "records.capnp";
using Id = Records.Id;
using State = Records.State;
using History = import "history.capnp";

struct Failure {
  code @0 :UInt16;            # 0: none
  detail @1 :Text;            # what was wrong, where, and what to do
  retryAfterMs @2 :UInt32;    # 0: not known
}

interface Gate {
  # The bootstrap capability.
  login @0 (token :Text, clientVersion :Text) -> (grant :Grant, failure :Failure);
  # Errors: unauthenticated, token_expired, token_audience; overloaded at the 17th login of a connection. The grant
  # ends with the token's `exp`: calls after it answer token_expired.
}

struct Grant {
  subject @0 :Text;
  role @1 :Text;
  tenant @2 :Text;            # empty: all tenants
  jobs @3 :JobService;
  workers @4 :WorkerService;
  platform @5 :PlatformService;
  nodeVersion @6 :Text;
}

# ---- jobs ---------------------------------------------------------------------------------------------------------

struct JobSpec {
  tenant @0 :Text;            # empty: the token's
  type @1 :Text;
  payload @2 :Data;           # JSON text; empty stands for null
  idempotencyKey @3 :Text;    # empty: none; the same key and body within 24 h answers with the first job's id
  priority @4 :UInt8;         # 1 first .. 5 last; 0: the default, 3
  after @5 :List(Id);         # starts when all of them succeeded; cancelled when one did not
  delayMs @6 :UInt64;
  notBeforeUs @7 :Int64;      # either delayMs or this
  runAnyway @8 :Bool;         # starts when all in `after` have ended, however they did
  traceparent @9 :Text;       # of the caller's span (W3C Trace Context), handed on to every attempt; empty: none
  labels @10 :List(Text);     # to search by: "name=value", at most 16, each name once (schema/labels.hpp)
}

struct GraphJob {
  name @0 :Text;              # 1 to 63 bytes; within the graph
  after @1 :List(Text);       # names of jobs of the graph, anywhere in the list
  job @2 :JobSpec;            # its `after` names jobs that are there already; its idempotencyKey must be empty
  callback @3 :Bool;          # starts when all others of the graph have ended, however they did; at most one, which names
                              # nothing in `after` and which nothing names
}

struct Submitted {
  id @0 :Id;
  existing @1 :Bool;          # the idempotency key was known: this is the first job's id
  failure @2 :Failure;
}

struct JobView {
  id @0 :Id;
  tenant @1 :Text;
  type @2 :Text;
  state @3 :State;
  priority @4 :UInt8;
  attempts @5 :UInt32;        # started so far; the number of the newest
  submittedUs @6 :Int64;
  startedUs @7 :Int64;        # of the newest attempt
  finishedUs @8 :Int64;
  dueUs @9 :Int64;            # scheduled: when
  progress @10 :Float32;
  progressText @11 :Text;
  error @12 :Failure;
  errorAttempt @13 :UInt32;
  resultSize @14 :UInt64;
  pendingAudit @15 :Bool;
  revision @16 :UInt64;
  cancelRequested @17 :Bool;
  parentsPending @18 :UInt32;
  after @19 :List(Id);
  idempotencyKey @20 :Text;
  submitter @21 :Text;
  payload @22 :Data;          # only in `get`
  history @23 :List(Records.AttemptEnd); # only in `get`
  runAnyway @24 :Bool;
  graph @25 :Id;              # the first job of the graph that it was submitted with; 0: of none
  checkpointSize @26 :UInt32; # bytes that its next attempt goes on from; 0: none
  schedule @27 :Text;         # that made it; empty: none
  redrives @28 :Id;           # the job that this one does again; 0: none
  redrivenAs @29 :Id;         # the job that does this one again; 0: none
  traceparent @30 :Text;      # that it was submitted with; empty: none
  edits @31 :UInt32;          # how often it was changed while it waited
  callback @32 :Bool;         # starts when all others of its graph have ended
  labels @33 :List(Text);     # "name=value"
}

struct LogLine {
  attempt @0 :UInt32;
  sequence @1 :UInt64;        # from 0, without gaps unless lines were dropped
  atUs @2 :Int64;
  stream @3 :UInt8;           # 0 out, 1 err, 2 system
  text @4 :Text;
}

interface JobService {
  submit @0 (jobs :List(JobSpec)) -> (results :List(Submitted), failure :Failure);
  # One result a job, in order, after the commit of all. Each job stands for itself: one refused refuses no other.

  get @1 (id :Id, staleOk :Bool) -> (job :JobView, failure :Failure);
  # A read has everything that was acknowledged anywhere before it. `staleOk`, here and below: what this node has will do,
  # at once and without asking the shard's primary. Errors: unavailable, when nobody may say so in time, or when this node
  # holds no replica of the shard.

  list @2 (filter :Filter, limit :UInt32, cursor :Data, staleOk :Bool, whole :Bool)
      -> (jobs :List(JobView), cursor :Data, failure :Failure, filters :UInt16, total :UInt64, whole :Bool);
  # `filters`: how many fields of Filter this node goes by; one that is of an older version passes over the others.
  # Newest first within a tenant. An empty cursor starts, an empty cursor returned is the end; a page may hold fewer
  # rows than asked for, or none, and still have a cursor. `whole`: with payload and history, as many jobs as have a
  # mebibyte of those; said back by a node that knows of it. `total`, on the first page of a whole list: how many jobs
  # there are of the tenant, type and state that the filter names, whatever else it asks for.
  struct Filter {
    tenant @0 :Text;          # empty: all that the token may see
    type @1 :Text;
    anyState @2 :Bool = true;
    state @3 :State;
    submittedFromUs @4 :Int64;   # at that time or later; 0: any
    submittedBeforeUs @5 :Int64; # 0: any
    errorCode @6 :UInt16;     # whose last failure has this code; 0: any
    key @7 :Text;             # of whom this idempotency key answers; empty: any. Of one tenant, which must be named
    payloadField @8 :Text;    # whose payload has this field at its top level, ...
    payloadValue @9 :Text;    # ... with this value, as JSON; numbers are equal by value. No field: any
    labels @10 :List(Text);   # which has all of these: "name=value", or "name" with any value
  }

  cancel @3 (ids :List(Id), reason :Text) -> (results :List(Failure), failure :Failure);
  # A waiting job is cancelled at once; a running one is told to stop, given its grace, then killed.

  logs @4 (id :Id, attempt :UInt32, fromSequence :UInt64, limit :UInt32, staleOk :Bool) -> (lines :List(LogLine), failure :Failure);
  # attempt 0: the newest.

  result @5 (id :Id, staleOk :Bool) -> (result :Data, failure :Failure);
  # Errors: illegal_transition when the job has not succeeded; of one that is in the result store also unavailable, and
  # store_damaged when it is not there any more or not what was stored.

  watch @6 (id :Id, revision :UInt64, timeoutMs :UInt32) -> (job :JobView, failure :Failure);
  # Answers as soon as the job's revision is above `revision`, or after the timeout (at most 30 s) with the job as it is.

  follow @7 (after :List(UInt64), limit :UInt32, timeoutMs :UInt32, newest :Bool, oldest :Bool)
      -> (events :List(History.Event), last :List(UInt64), failure :Failure);
  # The durable feed of what happened, in order for each tenant: events beyond `after`, as soon as there are any; `last`
  # is the next `after`. A place in the feed is a sequence for each shard of the cluster, by number; one that is not
  # there is 0, the beginning. `newest`: answer at once with the newest place and no events, to start from now; `oldest`: the
  # same with the place before the oldest events that are kept. A
  # tenant's token sees its own only. Errors: cursor_expired; invalid_argument: more places than shards.

  submitGraph @8 (jobs :List(GraphJob), idempotencyKey :Text) -> (ids :List(Id), existing :Bool, failure :Failure);
  # Jobs that depend on each other, of one tenant, all or none: at most 10,000 jobs whose `after` name 32,768 together.
  # `ids` in the order of `jobs`. `idempotencyKey` is the whole graph's: the same one and the same graph within 24 h answer
  # with the first one's ids, and `existing`. Errors: those of submit, with the name of the job that is refused;
  # invalid_argument: a name twice, a name that is not there, a cycle (with its names).

  graph @9 (id :Id, limit :UInt32, from :UInt32, staleOk :Bool)
      -> (jobs :List(JobView), size :UInt32, failure :Failure, counts :List(UInt32));
  # The jobs that were submitted together with this one, parents first, from the `from`-th on; `size`: how many there are;
  # `counts`: how many of them are in each state, by its number.

  explain @10 (id :Id, staleOk :Bool) -> (reasons :List(Text), failure :Failure);
  # What the job waits for, in words; for one that runs or has ended, that.

  schedules @11 (tenant :Text, name :Text, staleOk :Bool) -> (schedules :List(ScheduleView), failure :Failure);
  # Of the tenant (empty: all that the token may see), by name; of one name, if given.

  runSchedule @12 (name :Text) -> (id :Id, failure :Failure);
  # Makes a run now, beside those that its times make. Errors: not_found; those of submit.

  redrive @13 (ids :List(Id)) -> (results :List(Submitted), failure :Failure);
  # Does jobs that failed or were cancelled again, each as a new job with the same payload, priority and parents (for a
  # parent that was redriven, its redrive; those that are kept no longer are left out), by the type as it is declared now.
  # One result a job, in order: the new job's id. A job is redriven once: asked again, the answer is that redrive, and
  # `existing`. At most 1,000. Errors: not_found; illegal_transition: it did not fail, or a parent is to be redriven first;
  # overloaded: the payloads have more than 8 MiB together, ask for the rest again; those of submit.

  deleteJobs @14 (ids :List(Id), reason :Text) -> (results :List(Failure), failure :Failure);
  # Erases jobs that have ended, with logs, result and idempotency key; evidence of them and of who deleted them stays. At
  # most 1,000. Errors: not_found; illegal_transition: it has not ended; conflict: the jobs that wait for it are just being
  # told.

  edit @15 (ids :List(Id), change :Edit, reason :Text) -> (results :List(Failure), failure :Failure);
  # Changes jobs that wait: blocked, scheduled or queued. With another priority a job moves to the place in the queue that
  # it would have had with it from the beginning; another payload is checked, and counted by its keys, by the type as it
  # is declared now. Evidence says who changed what, and why. At most 1,000. Errors: not_found; illegal_transition: it
  # does not wait; payload_invalid; conflict: its type is unique, and another job is like the one that it would become.
  struct Edit {
    priority @0 :UInt8;       # 1 first .. 5 last; 0: as it is
    hasPayload @1 :Bool;
    payload @2 :Data;         # JSON text, in place of the one that it has; empty stands for null
  }

  evidence @16 (after :List(UInt64), limit :UInt32)
      -> (rows :List(History.Evidence), last :List(UInt64), newest :List(UInt64), failure :Failure);
  # Evidence beyond `after`, as much as there is, in order within each shard. `after`, `last` and `newest` are places as
  # those of `follow`: a sequence for each shard; `last` is the next `after`, and when it has come to the `newest` of the
  # first answer, everything was read that was there then. A page may have fewer rows than asked for, or none, before
  # that. It is for roles that read evidence; a tenant's token sees its own. Errors: permission_denied; invalid_argument:
  # more places than shards.
}

struct ScheduleView {
  name @0 :Text;
  tenant @1 :Text;
  type @2 :Text;
  timing @3 :Text;            # "0 3 * * * Europe/Berlin", "every 15m"
  paused @4 :Bool;
  times @5 :List(Int64);      # the next five; none while it is paused
  lastUs @6 :Int64;           # the time of the newest run
  lastJob @7 :Id;
  runs @8 :UInt64;
  overlapped @9 :UInt64;      # not made, for the one before had not ended, or a job like it was there
  missed @10 :UInt64;         # not made, for their time had passed
  refused @11 :UInt64;        # not made; `error` says why the last was not
  error @12 :Failure;
  waiting @13 :Bool;          # a run waits for the one before to end
  overlap @14 :Text;
  missedPolicy @15 :Text;
}

# ---- workers ------------------------------------------------------------------------------------------------------

struct AttemptRef {
  job @0 :Id;
  attempt @1 :UInt32;
}

struct ParentResult {
  job @0 :Id;
  type @1 :Text;
  result @2 :Data;
  truncated @3 :Bool;
  state @4 :State;            # succeeded, unless the job runs however its parents end
}

struct Assignment {
  ref @0 :AttemptRef;
  tenant @1 :Text;
  type @2 :Text;
  payload @3 :Data;
  parents @4 :List(ParentResult);
  priority @5 :UInt8;
  attemptTimeoutMs @6 :UInt64;
  heartbeatTimeoutMs @7 :UInt64;
  cancelGraceMs @8 :UInt64;
  resultBytesMax @9 :UInt64;
  checkpoint @10 :Data;       # what an attempt before this one left; empty: nothing
  traceparent @11 :Text;      # that the job was submitted with (W3C Trace Context); empty: none
  slots @12 :UInt16;          # of the worker, that it takes; 0: one
}

struct AttemptReport {
  ref @0 :AttemptRef;
  logs @1 :List(LogLine);
  progress @2 :Float32 = -1;  # below 0: none
  progressText @3 :Text;
  outcome @4 :Outcome;
  result @5 :Data;
  error @6 :Failure;
  permanent @7 :Bool;
  retryAfterMs @8 :Int64 = -1;
  checkpoint @9 :Data;        # at most 64 KiB; handed to the next attempt, in place of the last one. Empty: none

  enum Outcome {
    none @0;
    succeeded @1;
    failed @2;
    cancelled @3;
    lost @4;                  # the worker gives the attempt back; not counted as a try
  }
}

interface Worker {
  # Implemented by the worker; the node calls it.
  assign @0 (assignments :List(Assignment)) -> ();
  # Never more than the slots that are free. Each start was committed before.
  cancel @1 (attempts :List(AttemptRef)) -> ();
  # Stop these: within their grace report an outcome; after it they are taken away.
  revoke @2 (attempts :List(AttemptRef)) -> ();
  # These are no longer yours: kill them; whatever you report of them is stale.
}

interface WorkerService {
  attach @0 (name :Text, types :List(Text), slots :UInt32, worker :Worker, running :List(AttemptRef),
             labels :List(Text))
      -> (session :WorkerSession, kept :List(AttemptRef), silenceMaxMs :UInt32, failure :Failure);
  # `running`: attempts that this worker still runs from a session that broke. `kept` are those that are still its own;
  # it must kill the others. The worker must let itself be heard (any call) within silenceMaxMs.
  # `labels`: what this worker is or has, for types that ask for it (JobType `workers`): at most 32 of 1 to 127 bytes.
  # With a token that is bound to a tenant it is handed that tenant's attempts alone, and keeps no others.
  # Errors: permission_denied; unknown_tenant when the token's is not declared; overloaded beyond 8 sessions on a
  # connection.
}

interface WorkerSession {
  report @0 (reports :List(AttemptReport)) -> (results :List(Failure), failure :Failure);
  # At most 4,096 reports, of 1,000 lines each. In order; answered after the commit. stale_attempt: that attempt is
  # not yours any more, and nothing was changed.
  heartbeat @1 (attempts :List(AttemptRef)) -> (failure :Failure);
  # `attempts`: those with a heartbeat timeout that are alive. An empty list says that the worker itself is.
  drain @2 () -> (failure :Failure);
  # No more assignments.
}

# ---- platform -----------------------------------------------------------------------------------------------------

struct DocumentError {
  file @0 :Text;
  line @1 :UInt32;
  column @2 :UInt32;
  path @3 :Text;
  message @4 :Text;
}

struct Change {
  kind @0 :Text;
  name @1 :Text;
  action @2 :Action;
  version @3 :UInt64;
  enum Action {
    unchanged @0;
    created @1;
    updated @2;
  }
}

struct DeclaredView {
  kind @0 :Text;
  name @1 :Text;
  version @2 :UInt64;
  spec @3 :Text;              # JSON
  changedUs @4 :Int64;
  changedBy @5 :Text;
}

struct TreeRow {
  path @0 :Text;
  kind @1 :Text;
  state @2 :Text;
  mailbox @3 :UInt64;
  handled @4 :UInt64;
  restarts @5 :UInt64;
  lastFailure @6 :Text;
  ageMs @7 :UInt64;
  memoryBytes @8 :UInt64;     # 0: not known
}

struct NodeView {
  # A member of the cluster, as the node that was asked sees it.
  node @0 :UInt32;
  name @1 :Text;
  state @2 :Text;             # joining, active, draining, removed
  zone @3 :Text;              # empty: not known
  rpc @4 :Text;               # host:port for clients and workers
  peer @5 :Text;              # host:port for the other nodes
  leads @6 :UInt32;           # shards of which it is the primary
  inSync @7 :UInt32;          # shards of which it holds all that is committed, those that it leads included
  holds @8 :UInt32;           # shards of which it is a replica, learners included
  isSelf @9 :Bool;            # the node that answers
  linked @10 :Bool;           # there is a link with it; true of the node itself
  seenMs @11 :Int64 = -1;     # since it was heard last; below 0: never, in this life of the node that answers
  applied @12 :UInt64;        # newest log entry in its tables, over its shards; 0: the node that answers cannot tell
}

struct ShardView {
  shard @0 :UInt16;
  epoch @1 :UInt64;
  primary @2 :UInt32;         # node; 0: none yet
  inSync @3 :List(UInt32);
  replicas @4 :List(UInt32);
  role @5 :Text;              # of the replica here, in words
  applied @6 :UInt64;         # newest log entry in the tables here
  leaseValid @7 :Bool;        # the node that answers leads the shard, and may read and acknowledge now
}

interface PlatformService {
  apply @0 (files :List(File), dryRun :Bool) -> (changes :List(Change), errors :List(DocumentError), failure :Failure);
  # YAML documents, validated whole before anything changes; applying what is there already changes nothing.
  struct File {
    name @0 :Text;
    text @1 :Text;
  }
  get @1 (kind :Text, name :Text) -> (documents :List(DeclaredView), failure :Failure);
  # An empty name: all of the kind.
  tree @2 (path :Text, limit :UInt32) -> (rows :List(TreeRow), cut :Bool, failure :Failure);
  metrics @3 () -> (text :Text, failure :Failure);
  check @4 () -> (findings :List(Text), rows :UInt64, failure :Failure, repairable :UInt32, audit :Audit);
  # Walks the store of the node that is asked, and checks its invariants (every job in exactly one index, counters, bonds
  # between jobs, evidence). Slow on big stores. `repairable`: jobs and counters that `repair` may put right. `audit`: the
  # newest walk that the node made by itself.
  struct Audit {
    at @0 :Int64;             # when it ended; 0: none yet
    rows @1 :UInt64;
    findings @2 :UInt32;
  }

  # The cluster. A node alone answers invalid_argument.
  nodes @5 () -> (nodes :List(NodeView), failure :Failure);
  shards @6 () -> (shards :List(ShardView), failure :Failure);
  changeNode @7 (node :UInt32, change :NodeChange) -> (failure :Failure);
  # Answers when the wish is recorded; what follows from it (primaries and replicas that move) comes after. A wish
  # that is fulfilled already succeeds. Errors: not_found; illegal_transition; conflict when the record changed
  # meanwhile; invalid_argument when no other node would remain.
  enum NodeChange {
    drain @0;                 # gives up what it leads, then what it holds where others can
    resume @1;                # may hold and lead again
    remove @2;                # for good: its links are cut, it stops, its number is never used again
  }
  moveShard @8 (shard :UInt16, to :UInt32) -> (primary :UInt32, failure :Failure);
  # Answers when `to` leads. Errors: not_primary, with `primary`, whom to ask instead (0: nobody leads now);
  # invalid_argument when `to` is not an active node that is in sync; unavailable when it did not happen in time.
  makeJoinToken @9 (lifetimeMs :UInt64) -> (token :Text, expires :Int64, desks :List(Text), failure :Failure);
  # A text that lets one new node in, once, at one of the addresses `desks`: as good as the cluster's keys while it lasts.
  # Lifetime 0: an hour. Errors: invalid_argument (1 s to 7 days), overloaded (64 that nobody has used), unavailable when
  # no node lets others in, or the control store is away.
  starts @11 (change :Bool, closed :Bool, perSecond :UInt32) -> (closed :Bool, perSecond :UInt32, failure :Failure);
  # How fast the node that is asked starts jobs of the shards that it leads: not at all (`closed`), or at most so many a
  # second, or (0) as fast as there are slots. `change`: sets it, until the node is started again; the answer is how it is.
  repair @10 (jobs :List(Id), counters :Bool, all :Bool, reason :Text) -> (repairs :List(Repair), remaining :List(Text), failure :Failure);
  # Checks, puts right what is found of these jobs (or of all), and of counters if told so, and checks again. At most a
  # check's findings at once. Evidence says what was done, by whom and why.
  struct Repair {
    job @0 :Id;            # 0: counters
    counters @1 :Text;         # of this tenant
    failure @2 :Failure;       # code ok: it was done
  }
}
