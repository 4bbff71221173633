@0xc9b5f3a1d2e47081;
# What is stored: the value of every row. Keys are in actors/jobs/job_keys.hpp; tables in persistence/tables.hpp.
#
# Rules of change: an ordinal is never reused, a field never changes its meaning, and a new field's default must mean
# "as before". Times are microseconds since the Unix epoch, UTC; 0 is "not set". All rows of a shard are the result of
# its commands alone: no row holds anything that a replica could not compute.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coppice::rec");

struct Id {
  # A UUIDv7 as two big-endian halves (schema/ids.hpp says what its bits mean).
  high @0 :UInt64;
  low @1 :UInt64;
}

enum State {
  # The lifecycle; actors/jobs/job_state.hpp has the one transition table.
  blocked @0;    # waits for the jobs in `after`
  scheduled @1;  # waits for a time: its delay, or the backoff after a failed attempt
  queued @2;     # may start as soon as a slot and its turn come
  running @3;    # an attempt is under way
  succeeded @4;
  failed @5;     # final: tries used up, or a permanent failure; kept as the dead letter
  cancelled @6;
  rejected @7;   # refused by governance or entitlement, with evidence; never queued
}

struct JobRow {
  type @0 :UInt32;
  typeVersion @1 :UInt32;     # the declaration that admitted it
  state @2 :State;
  priority @3 :UInt8;         # 1 first .. 5 last
  cancelRequested @4 :Bool;   # running, and told to stop
  payloadApart @5 :Bool;      # payload is in the table `payloads`
  resultApart @6 :Bool;       # result is in the table `results`
  attempt @7 :UInt32;         # number of the newest attempt, 0 before the first: the fencing token
  tries @8 :UInt32;           # attempts that count against attempts_max
  lost @9 :UInt32;            # attempts that ended with their worker, which do not
  parentsPending @10 :UInt32; # of `after`, how many have not succeeded yet
  progress @11 :Float32;      # 0..1, of the newest attempt
  submittedUs @12 :Int64;
  readyUs @13 :Int64;         # when it was queued last; with the priority, its rank
  dueUs @14 :Int64;           # scheduled: when it becomes ready
  startedUs @15 :Int64;       # start of the newest attempt
  finishedUs @16 :Int64;
  queuedDueUs @17 :Int64;     # a timer is set: queued-to-start
  jobDueUs @18 :Int64;        # a timer is set: whole job
  revision @19 :UInt64;       # grows with every change of this row; a watcher waits for it
  evidence @20 :UInt64;       # terminal: sequence number of its evidence
  resultSize @21 :UInt64;     # bytes
  worker @22 :UInt64;         # who runs, or ran, the newest attempt
  children @23 :UInt32;       # jobs that wait for this one
  errorCode @24 :UInt16;      # the last failure; schema/errc.hpp
  errorAttempt @25 :UInt32;
  errorMessage @26 :Text;
  progressText @27 :Text;
  payload @28 :Data;          # JSON
  result @29 :Data;
  after @30 :List(Id);
  idempotencyKey @31 :Text;
  submitter @32 :Text;        # `sub` of the token
  history @33 :List(AttemptEnd); # ends of the newest attempts that did not succeed, oldest first, at most 16
  limitKey @34 :UInt64;       # hash of the payload's field that the type's concurrency went by when it was submitted
  uniqueHigh @35 :UInt64;     # 128 bits that likes of it share; 0, 0: none was asked to be unique
  uniqueLow @36 :UInt64;
  runAnyway @37 :Bool;        # starts when its parents have ended, however they did
  checkpointSize @38 :UInt32; # bytes in the table `checkpoints`, 0: none
  graph @39 :Id;              # the first job of the graph that it was submitted with; 0: of none
  schedule @40 :UInt32;       # that made it; 0: none
  redrives @41 :Id;           # the job that this one does again; 0: none
  redrivenAs @42 :Id;         # the job that does this one again; 0: none
  traceparent @43 :Text;      # of who submitted it (W3C Trace Context); empty: none
  edits @44 :UInt32;          # changes while it waited
  member @45 :Bool;           # its graph's callback waits for it, too
  callback @46 :Bool;         # it is its graph's callback: started by the table `batches`, not by `after`
  labels @47 :List(Text);     # "name=value"
  slots @48 :UInt16;          # of its worker, that the newest attempt takes; 0: one
  resultDigest @49 :Data;     # SHA-256 of a result in the result store, under the job's id and `attempt`; empty: it is here
  logBytes @50 :UInt64;       # texts of the newest attempt's lines, where the type bounds them
  linesStored @51 :UInt64;    # bytes of the newest attempt's lines that went to the result store
  hasStoredLines @52 :Bool;   # lines of some attempt went there
}

struct AttemptEnd {
  attempt @0 :UInt32;
  code @1 :UInt16;
  startedUs @2 :Int64;
  endedUs @3 :Int64;
  message @4 :Text;
}

struct RunningRow {
  # One for each attempt under way: what a restarted node must know of it without reading the job.
  attempt @0 :UInt32;
  type @1 :UInt32;
  worker @2 :UInt64;
  startedUs @3 :Int64;
  limitKey @4 :UInt64;       # the key under which it is counted; 0: under none
  slots @5 :UInt16;          # of the worker, that it holds; 0: one
}

struct CountersRow {
  # Jobs of one tenant and type, by state; the sum over types is the tenant's.
  blocked @0 :UInt64;
  scheduled @1 :UInt64;
  queued @2 :UInt64;
  running @3 :UInt64;
  succeeded @4 :UInt64;
  failed @5 :UInt64;
  cancelled @6 :UInt64;
  rejected @7 :UInt64;
  refusing @8 :Bool;         # a submission of this type met the tenant's full queue, and evidence of it was given; until
                             # the tenant's next submission is taken
}

struct TenantRow {
  # The shard's copy of a declared tenant: what apply needs of it.
  name @0 :Text;
  version @1 :UInt64;
  weight @2 :UInt32;
  runningMax @3 :UInt32;
  queuedMax @4 :UInt32;
  types @5 :List(Text);      # "*": every type
  paused @6 :Bool;
  rate @7 :RateRow;
  keep @8 :KeepRow;
}

struct KeepRow {
  # How long jobs are kept once they have ended, by how they did. Milliseconds; 0: until somebody deletes them.
  succeededMs @0 :UInt64;
  failedMs @1 :UInt64;
  cancelledMs @2 :UInt64;
  rejectedMs @3 :UInt64;
}

struct RateRow {
  # Starts in a time, evenly spaced but for a burst. 0 starts: no bound.
  starts @0 :UInt32;
  perMs @1 :UInt64;
  burst @2 :UInt32;
}

struct TypeRow {
  # The shard's copy of a declared job type. Milliseconds; 0 is "none".
  name @0 :Text;
  version @1 :UInt64;
  executor @2 :UInt8;        # actors/jobs/job_type_spec.hpp, executor_kind
  attemptsMax @3 :UInt32;
  retryBaseMs @4 :UInt64;
  retryMaxMs @5 :UInt64;
  queuedTimeoutMs @6 :UInt64;
  attemptTimeoutMs @7 :UInt64;
  jobTimeoutMs @8 :UInt64;
  heartbeatTimeoutMs @9 :UInt64;
  cancelGraceMs @10 :UInt64;
  resultBytesMax @11 :UInt64;
  runningMax @12 :UInt32;
  paused @13 :Bool;
  keyField @14 :Text;        # concurrency goes by this field of the payload; empty: there is none
  keyRunningMax @15 :UInt32; # of one tenant and one value of it
  keyRate @16 :RateRow;
  keySince @17 :UInt64;      # the version that changed keyField last: what was admitted before has another key.
                             # Kept by the shard
  unique @18 :Bool;
  uniqueStates @19 :UInt16;  # bit n: state n; a job in one of these answers for its likes
  uniquePeriodMs @20 :UInt64; # after its submission; 0: as long as it is in such a state
  uniqueBy @21 :List(Text);  # fields of the payload; none: the whole of it
  workersRequire @22 :List(Text); # labels that a worker must have to run it
  workersPrefer @23 :List(Text);  # of those that could, the ones with more of these are asked first
  workersSticky @24 :Bool;   # the one that ran the last job of the key is asked before all
  slots @25 :UInt16;         # of one worker, that a job of it takes; 0: one
  logLines @26 :UInt32;      # kept of an attempt, the newest; 0: as many as there may be
  logBytes @27 :UInt64;      # of their texts together; 0: no bound
  workersStickyHard @28 :Bool; # and none but that one, while it takes work
  logStored @29 :UInt64;     # bytes of an attempt's older lines that may go to the result store; 0: none do
}

struct IdempotencyRow {
  job @0 :Id;
  bodyHigh @1 :UInt64;       # 128 bits of the body's SHA-256
  bodyLow @2 :UInt64;
  expiresUs @3 :Int64;
}

struct ScheduleRow {
  # A declared schedule, and how far it is. Kept by the shard of its tenant.
  name @0 :Text;
  version @1 :UInt64;
  tenant @2 :UInt32;
  type @3 :Text;
  payload @4 :Data;
  priority @5 :UInt8;
  cron @6 :Text;             # empty: everyMs
  zone @7 :Text;
  everyMs @8 :UInt64;
  overlap @9 :UInt8;         # actors/schedules/schedule_spec.hpp
  missedPolicy @10 :UInt8;
  catchUpMs @11 :UInt64;
  jitterMs @12 :UInt64;
  paused @13 :Bool;
  # How far it is: a declaration leaves these as they are, but for `nextUs`.
  nextUs @14 :Int64;         # the time that comes next; 0: to be found, from the present on
  lastUs @15 :Int64;         # the time of the newest run that was made
  lastJob @16 :Id;           # that run
  bufferedUs @17 :Int64;     # a run of this time waits for lastJob to end; 0: none
  bufferedJob @18 :Id;       # its job's id
  runs @19 :UInt64;          # made
  overlapped @20 :UInt64;    # not made, for the one before had not ended, or a job like it was there
  missed @21 :UInt64;        # not made, for their time had passed
  refused @22 :UInt64;       # not made, for the tenant or the type did not allow it
  errorCode @23 :UInt16;     # of the last that was refused
  errorMessage @24 :Text;
}

struct GraphRow {
  # The jobs that were submitted together, in the order in which they were named.
  jobs @0 :List(Id);
}

struct BatchRow {
  # Of a graph with a callback, until that is released.
  callback @0 :Id;
  pending @1 :UInt32;         # of the graph's other jobs, how many have not ended
}

struct UniqueRow {
  # Which job answers for its likes.
  job @0 :Id;
}

struct LogRow {
  atUs @0 :Int64;
  stream @1 :UInt8;          # actors/jobs/attempt.hpp, log_stream
  text @2 :Text;
}

struct EvidenceRow {
  # Who did what, and what came of it; appended in the commit that it speaks of, never changed.
  atUs @0 :Int64;
  kind @1 :Kind;
  job @2 :Id;
  type @3 :UInt32;
  typeVersion @4 :UInt32;
  state @5 :State;
  attempt @6 :UInt32;
  code @7 :UInt16;           # why it failed, was cancelled or was refused
  submitter @8 :Text;
  detail @9 :Text;

  enum Kind {
    jobEnded @0;
    jobRefused @1;
    tenantRefused @2;        # from now on the tenant's submissions are refused (queue full); one row until it ends
    jobDeleted @3;           # by somebody; what is erased when its time is over leaves none
    jobEdited @4;            # by somebody, while it waited
    repaired @5;             # by somebody: rows of a job, or with none, of counters; the detail says which
  }
}

struct EventRow {
  # A fact that a commit produced. Sequence (the key) orders them; tenant is in the job's id.
  atUs @0 :Int64;
  job @1 :Id;
  type @2 :UInt32;
  state @3 :State;           # the state entered
  attempt @4 :UInt32;
  code @5 :UInt16;
}

struct Declared {
  # Control data: one declared document.
  number @0 :UInt32;         # tenant_id or type_id: given at the first apply, never reused
  version @1 :UInt64;        # grows with every change
  spec @2 :Text;             # canonical JSON
  changedUs @3 :Int64;
  changedBy @4 :Text;
}

struct ReplicaRow {
  # A shard's replica on this node: the log entry up to which its tables are the result of the shard's log.
  index @0 :UInt64;
  epoch @1 :UInt64;
  digest @2 :UInt64;         # of everything that the log has written so far; equal on all replicas at one index, if they
                             # are of one chain
  timeUs @3 :Int64;          # of the newest entry
  installing @4 :Bool;       # a snapshot was begun and not ended: the rows are no state of any log
  chain @5 :UInt64;          # of digests that can be compared; 0: from the beginning of the shard
  layout @6 :UInt64;         # of the rows that the digests are of (cluster/replication/row_layout.hpp)
}
