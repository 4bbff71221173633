// A worker: adds up numbers.
//
//     node built/src/work.js TYPE [NAME]        a payload is {"numbers": [1, 2, 3]}, its result their sum
//
// SIGTERM: takes nothing more, and ends when what it has is done.
import {
  AttemptReport_Outcome,
  Worker$Server,
  type Assignment,
  type AttemptReport,
  type WorkerSession$Client,
} from "../generated/api.js";
import { check, idText, run, writeId, type JobId } from "./coppice.js";

const slots = 4;

// What must outlive the message that it came in.
interface Attempt {
  job: JobId;
  number: number;
  payload: string;
}

interface Outcome {
  result?: string;
  error?: string; // not tried again: the payload will be no better then
}

function attemptOf(a: Assignment): Attempt {
  const payload = new TextDecoder().decode(a.payload.toUint8Array());
  return { job: { high: a.ref.job.high, low: a.ref.job.low }, number: a.ref.attempt, payload };
}

function work(payload: string): Outcome {
  const { numbers } = (JSON.parse(payload) ?? {}) as { numbers?: unknown };
  if (!Array.isArray(numbers) || !numbers.every((n) => typeof n === "number"))
    return { error: "the payload has no list of numbers" };
  return { result: String(numbers.reduce((sum: number, n: number) => sum + n, 0)) };
}

function outcomeOf(attempt: Attempt): Outcome {
  try {
    return work(attempt.payload);
  } catch (error) {
    return { error: String(error) };
  }
}

function fill(report: AttemptReport, attempt: Attempt, outcome: Outcome): void {
  const ref = report._initRef();
  writeId(attempt.job, ref._initJob());
  ref.attempt = attempt.number;
  const line = report._initLogs(1).at(0)!;
  line.atUs = BigInt(Date.now()) * 1000n;
  line.text = `${attempt.payload.length} bytes of payload`;
  if (outcome.error !== undefined) {
    report.outcome = AttemptReport_Outcome.FAILED;
    report._initError().detail = outcome.error;
    report.permanent = true;
    return;
  }
  const bytes = new TextEncoder().encode(outcome.result);
  report.outcome = AttemptReport_Outcome.SUCCEEDED;
  report._initResult(bytes.length).copyBuffer(bytes);
}

class Summing {
  private readonly running = new Set<Promise<void>>();
  private readonly early: Attempt[] = []; // came before the answer to `attach`
  private workSession: WorkerSession$Client | undefined;

  readonly server = new Worker$Server({
    assign: async (params) => {
      for (const each of params.assignments) this.take(attemptOf(each));
    },
    // Sums are done at once: what is to be stopped is over by the time that one hears of it.
    cancel: async () => {},
    revoke: async () => {},
  });

  start(workSession: WorkerSession$Client): void {
    this.workSession = workSession;
    for (const attempt of this.early.splice(0)) this.take(attempt);
  }

  async idle(): Promise<void> {
    await Promise.allSettled(this.running);
  }

  private take(attempt: Attempt): void {
    if (this.workSession === undefined) {
      this.early.push(attempt);
      return;
    }
    const told: Promise<void> = this.report(attempt, outcomeOf(attempt))
      .catch((error) => console.error(String(error)))
      .finally(() => this.running.delete(told));
    this.running.add(told);
  }

  // Kept by the node once it has answered. A stale attempt was taken away meanwhile: its report changed nothing.
  private async report(attempt: Attempt, outcome: Outcome): Promise<void> {
    const answer = await this.workSession!.report((params) => fill(params._initReports(1).at(0)!, attempt, outcome)).promise();
    check(answer.failure);
    const refused = answer.results.at(0)!;
    if (refused.code !== 0) console.error(`${idText(attempt.job)}: ${refused.detail}`);
  }
}

const [type, name] = process.argv.slice(2);
if (type === undefined) {
  console.error("usage: work TYPE [NAME]");
  process.exit(2);
}
await run(async (session) => {
  const worker = new Summing();
  const attached = await session.workers
    .attach((params) => {
      params.name = name ?? "typescript";
      params._initTypes(1).set(0, type);
      params.slots = slots;
      params.worker = worker.server.client();
    })
    .promise();
  check(attached.failure);
  const workSession = attached.session;
  worker.start(workSession);
  console.error(`working for jobs of type ${type}`);

  // It must be heard; half the time that it may be silent leaves room for a slow network.
  setInterval(() => void workSession.heartbeat().promise(), attached.silenceMaxMs / 2);
  await new Promise((resolve) => process.once("SIGTERM", resolve));
  await workSession.drain().promise();
  await worker.idle();
  return 0;
});
