// A connection to a node: the login, and what it grants. What calls mean is said in schema/api.capnp.
import { Conn } from "capnp-es";
import { readFileSync } from "node:fs";
import { Gate, type Failure, type JobService$Client, type WorkerService$Client } from "../generated/api.js";
import type { Id } from "../generated/records.js";
import { TcpTransport } from "./tcp_transport.js";

// What a node answers instead of a result; `code` is a row of schema/errc.hpp.
export class CoppiceError extends Error {
  constructor(
    readonly code: number,
    detail: string,
    readonly retryAfterMs: number,
  ) {
    super(`${detail} (code ${code})`);
  }
}

export function check(failure: Failure): void {
  if (failure.code !== 0) throw new CoppiceError(failure.code, failure.detail, failure.retryAfterMs);
}

export interface Session {
  jobs: JobService$Client;
  workers: WorkerService$Client;
  closed: Promise<Error>; // settles when the connection is over; calls under way then are never answered
}

export async function login(address: string, token: string): Promise<Session> {
  const [host, port] = splitAddress(address);
  const transport = await TcpTransport.open(host, port);
  const connection = new Conn(transport);
  const closed = new Promise<Error>((resolve) => {
    connection.onError = (error) => resolve(error ?? new Error("closed"));
  });
  const answer = connection.bootstrap(Gate).login((params) => {
    params.token = token;
    params.clientVersion = "typescript example";
  });
  const given = await Promise.race([answer.promise(), closed.then((error) => Promise.reject(error))]);
  check(given.failure);
  return { jobs: given.grant.jobs, workers: given.grant.workers, closed };
}

// Ends the process with what `body` gives; with 1, and the reason, when it fails or the connection does.
export async function run(body: (session: Session) => Promise<number>): Promise<never> {
  try {
    const session = await loginFromEnvironment();
    const lost = session.closed.then((error) => Promise.reject(error));
    process.exit(await Promise.race([body(session), lost]));
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
}

// Where and as whom, from the environment that `coppice` itself reads.
function loginFromEnvironment(): Promise<Session> {
  const { COPPICE_TOKEN: given, COPPICE_TOKEN_FILE: file, COPPICE_SERVER: address } = process.env;
  const token = given ?? (file === undefined ? undefined : readFileSync(file, "utf8").trim());
  if (!token) throw new Error("neither COPPICE_TOKEN nor COPPICE_TOKEN_FILE is set");
  return login(address ?? "127.0.0.1:7400", token);
}

function splitAddress(address: string): [string, number] {
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  if (colon < 1 || !Number.isInteger(port)) throw new Error(`"${address}" is not HOST:PORT`);
  return [address.slice(0, colon).replace(/^\[|\]$/g, ""), port];
}

// A job's id: a UUID in two halves.
export interface JobId {
  high: bigint;
  low: bigint;
}

export function idText(id: JobId): string {
  const hex = id.high.toString(16).padStart(16, "0") + id.low.toString(16).padStart(16, "0");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export function writeId(from: JobId, to: Id): void {
  to.high = from.high;
  to.low = from.low;
}
