@0xd1a7be60f2945c13;
# Proposed changes. Commands are the only way in which durable state changes: proposed, committed, applied by a pure
# function. One message is an Entry: the commands of one proposal, applied in order, each with its own result.
# Every outside input of apply (ids, times, who) is in the command or in the batch's time.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("coppice::cmd");
using Records = import "records.capnp";
using Id = Records.Id;

struct Entry {
  commands @0 :List(Command);
}

struct Command {
  union {
    none @0 :Void;
    submit @1 :Submit;
    cancel @2 :Cancel;
    start @3 :Start;
    report @4 :Report;
    adopt @5 :Adopt;
    tick @6 :Tick;
    declareTenant @7 :DeclareTenant;
    declareType @8 :DeclareType;
    prune @9 :Prune;
    refuse @10 :Refuse;
    declare @11 :Declare;
    submitGraph @12 :SubmitGraph;
    declareSchedule @13 :DeclareSchedule;
    runSchedule @14 :RunSchedule;
    deleteJob @15 :DeleteJob;
    sweep @16 :Sweep;
    editJob @17 :EditJob;
    repair @18 :Repair;
    linesStored @19 :LinesStored;
  }
}

struct Submit {
  # A new job. Result: its id, or with an idempotency key the id of the job that the key made first.
  # Errors: unknown_tenant, unknown_type, type_not_allowed, queue_full, conflict, dependency_unknown, invalid_argument.
  job @0 :Id;
  type @1 :UInt32;
  typeVersion @2 :UInt32;      # whose schema the edge checked the payload against; unavailable when it is not current
  priority @3 :UInt8;          # 0: the default
  notBeforeUs @4 :Int64;       # 0: at once
  payload @5 :Data;
  idempotencyKey @6 :Text;
  bodyHigh @7 :UInt64;
  bodyLow @8 :UInt64;
  after @9 :List(Id);
  submitter @10 :Text;
  limitKey @11 :UInt64;        # as in JobRow, made by the edge from the type that it names
  uniqueHigh @12 :UInt64;
  uniqueLow @13 :UInt64;
  runAnyway @14 :Bool;
  schedule @15 :UInt32;        # that makes it; the shard's own to say
  redrives @16 :Id;            # a job that failed or was cancelled, and that this one does again. Result: that job's
                               # redrive, if it has one already. Errors: not_found, illegal_transition
  traceparent @17 :Text;
  labels @18 :List(Text);
}

struct SubmitGraph {
  # Jobs that are taken all together or not at all. Each may name jobs before it in the list, by id, in `after`; the first
  # one's id is the graph's. Only the first has an idempotency key, which is the graph's. Result: the first job's id.
  # Errors: those of submit, with the place in the list of the job that is refused.
  jobs @0 :List(Submit);
  hasCallback @1 :Bool;        # the last of them names none in `after`, and waits until all others have ended
}

struct Refuse {
  # The edge refused a submission by governance (a payload that does not meet its schema): leave evidence.
  job @0 :Id;
  type @1 :UInt32;
  typeVersion @2 :UInt32;
  code @3 :UInt16;
  detail @4 :Text;
  submitter @5 :Text;
}

struct Cancel {
  # Errors: not_found, illegal_transition (ended already).
  job @0 :Id;
  by @1 :Text;
  reason @2 :Text;
}

struct DeleteJob {
  # Erases a job that has ended, its logs, result and idempotency key; its evidence stays.
  # Errors: not_found; illegal_transition (has not ended); conflict (has jobs that are yet to be told of its end).
  job @0 :Id;
  by @1 :Text;
  reason @2 :Text;
}

struct EditJob {
  # Another priority or payload for a job that waits.
  # Errors: not_found; illegal_transition (does not wait); conflict (another job is like it); with a payload, unavailable
  # when `typeVersion` is not the type's current one; invalid_argument.
  job @0 :Id;
  priority @1 :UInt8;          # 0: as it is
  hasPayload @2 :Bool;
  payload @3 :Data;
  typeVersion @4 :UInt32;      # of the job's type, whose schema the edge checked the payload against
  limitKey @5 :UInt64;         # of the payload, as in Submit
  uniqueHigh @6 :UInt64;
  uniqueLow @7 :UInt64;
  by @8 :Text;
  reason @9 :Text;
}

struct Repair {
  # What the store check found is put right: of a job, or of a tenant's counters. Rows that are derived from the job's are made
  # anew from it, rows that point at it and should not are erased; counters are counted anew, which looks at all jobs of the
  # tenant. What is right stays as it is. Errors: invalid_argument (a job of another shard, no tenant of the shard).
  job @0 :Id;                  # 0: counters
  rows @1 :List(Row);          # that were found to be wrong, at most limits::repair_rows_max
  tenant @2 :UInt32;           # of counters
  by @3 :Text;
  reason @4 :Text;

  struct Row {
    table @0 :UInt8;           # persistence/tables.hpp
    key @1 :Data;
  }
}

struct Sweep {
  # Erases jobs of a tenant that have ended and are kept no longer, oldest first; a bounded number of them.
  tenant @0 :UInt32;
  from @1 :Id;                 # 0: the oldest
}

struct Start {
  # The scheduler's decision. Errors: illegal_transition when the job is no longer queued.
  job @0 :Id;
  worker @1 :UInt64;
}

struct Report {
  # What an executor says of an attempt: log lines, progress, and at the end the outcome.
  # Errors: stale_attempt when `attempt` is not the one under way.
  job @0 :Id;
  attempt @1 :UInt32;
  logs @2 :List(LogLine);
  progress @3 :Float32;        # below 0: none
  progressText @4 :Text;
  outcome @5 :Outcome;

  enum Outcome {
    none @0;                   # the attempt goes on
    succeeded @1;
    failed @2;
    cancelled @3;
    lost @4;
    timedOut @5;               # the attempt's timeout or heartbeat; counts as a try; code says which
  }
  result @6 :Data;
  code @7 :UInt16;
  message @8 :Text;
  permanent @9 :Bool;
  retryAfterMs @10 :Int64 = -1; # below 0: the type's backoff
  worker @11 :UInt64;          # who reports; stale unless it is the one that runs the attempt. 0: the node itself
  checkpoint @12 :Data;        # for the next attempt, instead of the last one; empty: none
  resultDigest @13 :Data;      # SHA-256 of a result that is in the result store, and not here; empty: it is here
  resultSize @14 :UInt64;      # of that, bytes
}

struct LogLine {
  sequence @0 :UInt64;
  atUs @1 :Int64;
  stream @2 :UInt8;
  text @3 :Text;
}

struct LinesStored {
  # The oldest lines of an attempt are in the result store now, and leave the tables. Errors: not_found.
  job @0 :Id;
  attempt @1 :UInt32;
  below @2 :UInt64;            # sequence: those before it
  bytes @3 :UInt64;            # that they take there
}

struct Adopt {
  # An attempt under way goes on under another session of its worker. Errors: stale_attempt.
  job @0 :Id;
  attempt @1 :UInt32;
  worker @2 :UInt64;
}

struct Tick {
  # Fires the timers that are due at the batch's time, at most `most` of them.
  most @0 :UInt32;
}

struct DeclareTenant {
  tenant @0 :UInt32;
  row @1 :Records.TenantRow;   # ignored unless its version is newer than the stored one
}

struct DeclareType {
  type @0 :UInt32;
  row @1 :Records.TypeRow;
}

struct DeclareSchedule {
  schedule @0 :UInt32;
  row @1 :Records.ScheduleRow; # its declaration; ignored unless its version is newer than the stored one
}

struct RunSchedule {
  # Times of a schedule that have come, found by the primary: time zones are data that nodes may have in different
  # versions. Or a run that somebody asked for. Result: the id of the last job that was made.
  # Errors: not_found; conflict when `next` is not the one that the row has (another primary was first); of a run that was
  # asked for, those of submit.
  schedule @0 :UInt32;
  expectedUs @1 :Int64;        # the row's nextUs
  runs @2 :List(Run);
  missed @3 :UInt64;
  nextUs @4 :Int64;
  byHand @5 :Bool;             # only `runs` counts, and whatever `overlap` says
  by @6 :Text;                 # who asked

  struct Run {
    timeUs @0 :Int64;
    job @1 :Id;
  }
}

struct Prune {
  # Erases events before `eventsBefore`, at most `most` rows.
  eventsBefore @0 :UInt64;
  most @1 :UInt32;
}

struct Declare {
  # To the control store: what a document declares. The same spec again changes nothing.
  kind @0 :Text;
  name @1 :Text;
  spec @2 :Text;               # canonical JSON, valid: the edge checked it
  by @3 :Text;
}
