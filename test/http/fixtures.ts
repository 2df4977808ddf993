/** Pictures and a server around a worker that the test controls. */
import { deflateSync } from "node:zlib";
import { type AccessSettings, Guard } from "../../src/http/access/guard.ts";
import { createApp } from "../../src/http/app.ts";
import { earlyRefusal } from "../../src/http/early_refusal.ts";
import { BodyBudget } from "../../src/http/request/body.ts";
import { Metrics } from "../../src/http/metrics/metrics.ts";
import { HttpServer, type ServerSettings } from "../../src/http/listen/server.ts";
import type { EngineStatuses, HttpSettings, Served } from "../../src/http/service.ts";
import type { Model } from "../../src/models/model.ts";
import { SYSTEM_CLOCK } from "../../src/serving/clock.ts";
import { EngineBuilds } from "../../src/serving/engine/engine_builds.ts";
import { ServingManager, type ServingOptions } from "../../src/serving/manager/manager.ts";
import { FAKE_MODEL, FakeWorker } from "../serving/fake_worker.ts";
import { grayPicture } from "../serving/gray_picture.ts";

/** A PNG of 16x16 pixels. */
export const PNG = grayPicture();

/** A PNG with a header for any size and no more pixels than fit `rows`. */
export function pngOf(width: number, height: number, rows = 1): Uint8Array<ArrayBuffer> {
  const size = new Uint8Array(13);
  const view = new DataView(size.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  size.set([8, 0, 0, 0, 0], 8);
  const pixels = deflateSync(new Uint8Array(rows * (1 + Math.min(width, 4096))));
  return joined(
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    pngChunk("IHDR", size),
    pngChunk("IDAT", pixels),
    pngChunk("IEND", new Uint8Array(0)),
  );
}

function pngChunk(type: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const typed = joined(new TextEncoder().encode(type), data);
  return joined(u32(data.length), typed, u32(crc32(typed)));
}

function u32(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** CRC-32 of PNG (ISO 3309), bit by bit. */
function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return (crc ^ 0xffffffff) >>> 0;
}

/** Bytes and texts one after another. */
export function joined(...pieces: (Uint8Array | string)[]): Uint8Array<ArrayBuffer> {
  const all = pieces.map((piece) => typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
  const whole = new Uint8Array(all.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of all) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

export const MODEL: Model = {
  name: "codes",
  path: "/nowhere/codes.onnx",
  manifest: { name: "codes", file: "codes.onnx", description: "Finds codes", license: "Apache-2.0" },
};

export interface TestServer extends AsyncDisposable {
  readonly server: HttpServer;
  readonly manager: ServingManager;
  readonly metrics: Metrics;
  readonly worker: FakeWorker;
  readonly url: string;
}

export interface TestServerOptions {
  readonly worker?: FakeWorker;
  readonly serving?: Partial<ServingOptions>;
  readonly engines?: EngineStatuses;
  /** Null for a server without shared memory. */
  readonly ringUsage?: null;
  readonly builds?: EngineBuilds;
  readonly http?: Partial<ServerSettings & HttpSettings>;
  readonly access?: Partial<AccessSettings>;
}

const NO_ENGINES: EngineStatuses = {
  pending: false,
  status: () => ({ cache: "none", path: null, missed_because: [], detail: "There is no engine" }),
};

const noBuilds = () =>
  new EngineBuilds({
    models: [FAKE_MODEL],
    startBuild: () => ({ ended: Promise.resolve({ type: "ended", result: "refused", error: null }), cancel() {} }),
    takeOver: () => Promise.resolve(),
    clock: SYSTEM_CLOCK,
  });

/** A server on a free port of the loopback. */
export async function testServer(options: TestServerOptions = {}): Promise<TestServer> {
  const worker = options.worker ?? new FakeWorker();
  let starts = 0;
  const metrics = new Metrics([FAKE_MODEL]);
  const manager = new ServingManager({
    models: [FAKE_MODEL],
    startWorker: () => starts++ === 0 ? worker : new FakeWorker(),
    queueLimit: 64,
    requestTimeoutMs: 5000,
    onEvent: metrics.serving.listen,
    ...options.serving,
  });
  const settings = {
    host: "127.0.0.1",
    port: 0,
    max_connections: 1024,
    request_timeout_ms: 5000,
    header_timeout_ms: 5000,
    body_timeout_ms: 10_000,
    idle_timeout_ms: 65_000,
    max_body_bytes: 16_777_216,
    max_pixels: 40_000_000,
    ...options.http,
  };
  const guard = await Guard.open({ ...settings, ...options.access });
  const served: Served = {
    guard,
    service: manager,
    engines: options.engines ?? NO_ENGINES,
    builds: options.builds ?? noBuilds(),
    reload: (name) => manager.reload(name),
    metrics,
    ringUsage: () => options.ringUsage === null ? null : { bytes: 1_048_576, usedBytes: 65_536 },
    settings,
    models: [MODEL],
    budget: new BodyBudget(12 * settings.max_body_bytes),
  };
  const app = createApp(served);
  const server = await HttpServer.listen(
    settings,
    (request, env) => app.fetch(request, env),
    { onRefused: (error) => metrics.error(error), early: earlyRefusal(served) },
  );
  await new Promise((resolve) => setTimeout(resolve, 0));
  return {
    server,
    manager,
    metrics,
    worker,
    url: server.url,
    async [Symbol.asyncDispose]() {
      server.close();
      await manager.close();
    },
  };
}
