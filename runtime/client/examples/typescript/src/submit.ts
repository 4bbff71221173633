// Submits a job, waits for its end, and prints its result:
//
//     node built/src/submit.js TENANT TYPE PAYLOAD [KEY]
//
// With a KEY the submission may be repeated: the same key and payload give the same job.
import { writeSync } from "node:fs";
import type { JobView } from "../generated/api.js";
import { State } from "../generated/records.js";
import { check, idText, run, writeId, type JobId, type Session } from "./coppice.js";

const stateName = (state: number): string =>
  Object.keys(State).find((name) => State[name as keyof typeof State] === state) ?? `state ${state}`;

async function submit(
  session: Session,
  tenant: string,
  type: string,
  payload: string,
  key: string,
): Promise<JobId> {
  const answer = await session.jobs
    .submit((params) => {
      const job = params._initJobs(1).at(0)!;
      const bytes = new TextEncoder().encode(payload);
      job.tenant = tenant;
      job.type = type;
      job._initPayload(bytes.length).copyBuffer(bytes);
      job.idempotencyKey = key;
    })
    .promise();
  check(answer.failure);
  const submitted = answer.results.at(0)!;
  check(submitted.failure);
  return submitted.id;
}

// The node answers as soon as the job has changed, or after the time that it is given; never sooner than that.
async function ended(session: Session, id: JobId): Promise<JobView> {
  for (let revision = 0n; ; ) {
    const answer = await session.jobs
      .watch((params) => {
        writeId(id, params._initId());
        params.revision = revision;
        params.timeoutMs = 30_000;
      })
      .promise();
    check(answer.failure);
    if (answer.job.finishedUs !== 0n) return answer.job;
    revision = answer.job.revision;
  }
}

const [tenant, type, payload, key] = process.argv.slice(2);
if (tenant === undefined || type === undefined || payload === undefined) {
  console.error("usage: submit TENANT TYPE PAYLOAD [KEY]");
  process.exit(2);
}
await run(async (session) => {
  const id = await submit(session, tenant, type, payload, key ?? "");
  console.error(`job ${idText(id)}`);
  const job = await ended(session, id);
  if (job.state !== State.SUCCEEDED) {
    console.error(`${stateName(job.state)}: ${job.error.detail}`);
    return 1;
  }
  const answer = await session.jobs.result((params) => writeId(id, params._initId())).promise();
  check(answer.failure);
  writeSync(1, answer.result.toUint8Array());
  return 0;
});
