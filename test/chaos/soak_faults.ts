/** What goes wrong with requests, none of it the server's fault. */
import assert from "node:assert/strict";
import type { ServeProcess } from "../server/serve_process.ts";
import { Client, writeAll } from "./client.ts";
import { PICTURES } from "./colour_model.ts";

export interface Fault {
  readonly name: string;
  /** @throws {Error} when the answer is none that it may have */
  commit(server: ServeProcess): Promise<void>;
}

const PNG = { "content-type": "image/png" };

export const FAULT_KINDS: readonly Fault[] = [
  { name: "damaged picture", commit: (server) => ask(server, PICTURES[0]!.bytes.slice(0, 60), PNG, [400, 422]) },
  { name: "no picture", commit: (server) => ask(server, new TextEncoder().encode("nothing"), PNG, [400, 415, 422]) },
  {
    name: "no time",
    commit: (server) => ask(server, PICTURES[1]!.bytes, { ...PNG, "x-request-timeout-ms": "1" }, [200, 504]),
  },
  { name: "aborted body", commit: (server) => abandon(server, PICTURES[2]!.bytes.slice(0, 40)) },
  { name: "aborted answer", commit: (server) => abandon(server, PICTURES[2]!.bytes) },
];

async function ask(
  server: ServeProcess,
  body: Uint8Array,
  headers: Readonly<Record<string, string>>,
  statuses: readonly number[],
): Promise<void> {
  const client = new Client(server);
  const reply = await client.ask({ body, headers });
  client.close();
  assert.ok(statuses.includes(reply.status), `${reply.status}: ${new TextDecoder().decode(reply.body)}`);
}

/** Send a part of a request and go away. */
async function abandon(server: ServeProcess, body: Uint8Array): Promise<void> {
  const connection = await Deno.connect({ hostname: server.host, port: server.port });
  const head = "POST /v1/detect HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\nContent-Length: " +
    `${PICTURES[2]!.bytes.length}\r\n\r\n`;
  await writeAll(connection, new TextEncoder().encode(head));
  await writeAll(connection, body);
  connection.close();
}

/** Numbers from 0 to 1, the same for the same seed (xorshift). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
