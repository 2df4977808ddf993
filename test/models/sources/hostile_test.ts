/** Servers that do not do what they should: each case is a way, and what a pull makes of it. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { chunked, type Exchange, type Handler, head, hostileServer, LAST_CHUNK, serveFile } from "./hostile_server.ts";
import { type Expected, type PullOptions, type Rig, sha256Of, someModel, withRig } from "./pull_rig.ts";
import { pause } from "../../until.ts";

const MODEL = someModel(300_000, 1);
const OTHER = someModel(300_000, 2);
const DIGEST = sha256Of(MODEL);

/** undici keeps one clock for all of its connections, which outlives a test. */
const LOOSE = { sanitizeOps: false, sanitizeResources: false };

interface Case {
  readonly title: string;
  readonly handle: Handler;
  readonly expected: Expected;
  /** The message says this. */
  readonly says?: RegExp;
  /** @default unpinned */
  readonly pinned?: boolean;
  /** Bytes that land when it is downloaded. @default MODEL */
  readonly lands?: Uint8Array;
  /** Requests that the server gets. */
  readonly requests?: number;
  /** Whether something to resume stays. @default false */
  readonly leavesPart?: boolean;
  readonly options?: PullOptions;
  readonly path?: string;
}

const half = MODEL.length >> 1;
const whole = head("200 OK", [`content-length: ${MODEL.length}`, 'etag: "v1"', "connection: close"]);
const redirect = (location: string) => head("302 Found", [`location: ${location}`, "content-length: 0"]);
const quick: PullOptions = { settings: { stallMs: 3000 } };
const single: PullOptions = { settings: { attempts: 1, stallMs: 3000 } };

const cutOnce = (again: Handler): Handler => (exchange) =>
  exchange.number === 1 ? serveFile(exchange, MODEL, { until: half }) : again(exchange);

const answer = (status: string, body = "", lines: readonly string[] = []): Handler => (exchange) =>
  exchange.send(head(status, [`content-length: ${body.length}`, ...lines]) + body);

const toAddress = (location: string): Handler => (exchange) => exchange.send(redirect(location));

const CASES: readonly Case[] = [
  // lengths
  { title: "a whole file", handle: (x) => serveFile(x, MODEL), expected: "downloaded", requests: 1 },
  {
    title: "a file of which each connection brings a fifth",
    handle: (x) => serveFile(x, MODEL, { until: MODEL.length / 5 + 1 }),
    expected: "downloaded",
    requests: 5,
  },
  {
    title: "a connection that ends after the head, each time",
    handle: (x) => x.send(whole),
    expected: "DOWNLOAD_TRUNCATED",
    requests: 3,
  },
  {
    title: "a connection that is reset before an answer",
    handle: (x) => x.end(),
    expected: "DOWNLOAD_TRUNCATED",
    requests: 3,
  },
  {
    title: "a Content-Length that is too long",
    handle: async (x) => {
      await x.send(head("200 OK", [`content-length: ${MODEL.length + 1000}`]));
      await x.send(MODEL);
    },
    expected: "DOWNLOAD_INVALID",
    options: single,
    says: /do not fit together|middle/,
  },
  {
    title: "a Content-Length that is too short: what is there is no whole model",
    handle: async (x) => {
      await x.send(head("200 OK", [`content-length: ${half}`]));
      await x.send(MODEL);
    },
    expected: "MODEL_TRUNCATED",
  },
  {
    title: "a Content-Length that is too short, with a pin",
    handle: async (x) => {
      await x.send(head("200 OK", [`content-length: ${half}`]));
      await x.send(MODEL);
    },
    expected: "DIGEST_MISMATCH",
    pinned: true,
  },
  {
    title: "no length, and a connection that ends where the file does",
    handle: async (x) => {
      await x.send(head("200 OK", ["connection: close"]));
      await x.send(MODEL);
    },
    expected: "downloaded",
  },
  {
    title: "no length, and a connection that ends too early",
    handle: async (x) => {
      await x.send(head("200 OK", ["connection: close"]));
      await x.send(MODEL.subarray(0, half));
    },
    expected: "MODEL_TRUNCATED",
  },
  {
    title: "chunks",
    handle: async (x) => {
      await x.send(head("200 OK", ["transfer-encoding: chunked"]));
      for (const piece of chunked(MODEL, 7001)) await x.send(piece);
      await x.send(LAST_CHUNK);
    },
    expected: "downloaded",
  },
  {
    title: "chunks without the last one",
    handle: async (x) => {
      await x.send(head("200 OK", ["transfer-encoding: chunked", 'etag: "v1"']));
      for (const piece of chunked(MODEL.subarray(0, half), 7001)) await x.send(piece);
    },
    expected: "DOWNLOAD_TRUNCATED",
    leavesPart: true,
  },
  {
    title: "a chunk whose size is no number",
    handle: async (x) => {
      await x.send(head("200 OK", ["transfer-encoding: chunked"]));
      await x.send("zz\r\nhello\r\n");
    },
    expected: "DOWNLOAD_INVALID",
  },
  { title: "no bytes at all", handle: answer("200 OK"), expected: "MODEL_NOT_PROTOBUF" },
  // time
  {
    title: "a stall before the answer",
    handle: (x) => x.gone,
    expected: "DOWNLOAD_STALLED",
    options: single,
  },
  {
    title: "a stall within the head",
    handle: async (x) => {
      await x.send("HTTP/1.1 200 OK\r\ncontent-le");
      await x.gone;
    },
    expected: "DOWNLOAD_STALLED",
    options: single,
  },
  {
    title: "a stall within the body, and the rest at the second attempt",
    handle: async (x) => {
      await serveFile(x, MODEL, x.number === 1 ? { until: half } : {});
      if (x.number === 1) await x.gone;
    },
    expected: "downloaded",
    options: quick,
    requests: 2,
  },
  {
    title: "a slow drip",
    handle: async (x) => {
      await x.send(whole);
      let isThere = true;
      x.gone.then(() => isThere = false);
      for (let at = 0; isThere && at < MODEL.length; at++) {
        await x.send(MODEL.subarray(at, at + 1));
        await pause(50);
      }
    },
    expected: "DOWNLOAD_TIMED_OUT",
    options: { settings: { timeoutMs: 3000 } },
    leavesPart: true,
  },
  // redirects
  {
    title: "a redirect on the same host",
    handle: (x) => x.path === "/a.onnx" ? x.send(redirect("/b")) : serveFile(x, MODEL),
    expected: "downloaded",
    requests: 2,
  },
  {
    title: "a redirect to itself",
    handle: toAddress("/a.onnx"),
    expected: "DOWNLOAD_REDIRECT",
    says: /circle/,
    requests: 1,
  },
  {
    title: "redirects in a circle of two",
    handle: (x) => x.send(redirect(x.path === "/a.onnx" ? "/b" : "/a.onnx")),
    expected: "DOWNLOAD_REDIRECT",
    says: /circle/,
    requests: 2,
  },
  {
    title: "more redirects than are sane",
    handle: (x) => x.send(redirect(`/${x.number}`)),
    expected: "DOWNLOAD_REDIRECT",
    says: /more than 5/,
    requests: 6,
  },
  ...[
    ["plain http", "http://models.example/a.onnx", /is not https/],
    ["a file of this machine", "file:///etc/passwd", /is not https/],
    ["127.0.0.1", "https://127.0.0.1:1/a.onnx", /loopback/],
    ["127.1, another way to write it", "https://127.1:1/a.onnx", /loopback/],
    ["0.0.0.0", "https://0.0.0.0:1/a.onnx", /unspecified/],
    ["[::1]", "https://[::1]:1/a.onnx", /loopback/],
    ["127.0.0.1 in IPv6", "https://[::ffff:127.0.0.1]:1/a.onnx", /loopback/],
    ["a private network", "https://10.1.2.3/a.onnx", /private/],
    ["another private network", "https://192.168.1.1/a.onnx", /private/],
    ["the metadata of a cloud", "https://169.254.169.254/latest/meta-data", /link-local/],
    ["a private network of IPv6", "https://[fd00::1]/a.onnx", /private/],
    ["a name that stands for loopback", "https://localhost:1/a.onnx", /address is loopback/],
    ["a user and password", "https://user:secret@models.example/a.onnx", /user or password/],
    ["what is no address", "https://", /no address/],
  ].map(([where, location, says]): Case => ({
    title: `a redirect to ${where}`,
    handle: toAddress(location as string),
    expected: "DOWNLOAD_REDIRECT",
    says: says as RegExp,
    requests: 1,
  })),
  {
    title: "a redirect that says no address",
    handle: answer("302 Found"),
    expected: "DOWNLOAD_REDIRECT",
    says: /no address/,
  },
  // statuses
  { title: "401", handle: answer("401 Unauthorized"), expected: "DOWNLOAD_FORBIDDEN", says: /401/, requests: 1 },
  { title: "403", handle: answer("403 Forbidden"), expected: "DOWNLOAD_FORBIDDEN", says: /403/, requests: 1 },
  { title: "404", handle: answer("404 Not Found"), expected: "DOWNLOAD_NOT_FOUND", says: /404/, requests: 1 },
  { title: "410", handle: answer("410 Gone"), expected: "DOWNLOAD_NOT_FOUND", requests: 1 },
  { title: "400", handle: answer("400 Bad Request"), expected: "DOWNLOAD_FAILED", says: /400/, requests: 1 },
  { title: "204", handle: answer("204 No Content"), expected: "DOWNLOAD_FAILED", says: /204/, requests: 1 },
  {
    title: "500, then 503, then the file",
    handle: (x) =>
      x.number === 1
        ? answer("500 Internal Server Error")(x)
        : x.number === 2
        ? answer("503 Service Unavailable", "", ["retry-after: 0"])(x)
        : serveFile(x, MODEL),
    expected: "downloaded",
    requests: 3,
  },
  {
    title: "500 for ever",
    handle: answer("500 Internal Server Error"),
    expected: "DOWNLOAD_FAILED",
    says: /500/,
    requests: 3,
  },
  {
    title: "an error body that repeats secrets: only its code is told",
    handle: answer(
      "403 Forbidden",
      "<Error><Code>AccessDenied</Code><AWSAccessKeyId>AKSECRET</AWSAccessKeyId></Error>",
    ),
    expected: "DOWNLOAD_FORBIDDEN",
    says: /^(?!.*AKSECRET).*AccessDenied/,
  },
  // going on
  {
    title: "416 for the rest: the file became shorter",
    handle: cutOnce((x) =>
      x.header("range") === null
        ? serveFile(x, MODEL, { etag: '"v2"' })
        : x.send(head("416 Range Not Satisfiable", ["content-range: bytes */10", "content-length: 0"]))
    ),
    expected: "downloaded",
    requests: 3,
  },
  {
    title: "another file under the same address in between (ETag)",
    handle: cutOnce((x) => serveFile(x, OTHER, { etag: '"v2"' })),
    expected: "downloaded",
    lands: OTHER,
    requests: 2,
  },
  {
    title: "another file in between, and a server that does not look at If-Range",
    handle: cutOnce(async (x) => {
      if (x.header("range") === null) return await serveFile(x, OTHER, { etag: '"v2"' });
      const lines = [`content-length: ${OTHER.length - half}`, 'etag: "v2"'];
      const range = `content-range: bytes ${half}-${OTHER.length - 1}/${OTHER.length}`;
      await x.send(head("206 Partial Content", [...lines, range]));
      await x.send(OTHER.subarray(half));
    }),
    expected: "downloaded",
    lands: OTHER,
    requests: 3,
  },
  {
    title: "the rest of the file called the whole (200 with Content-Range)",
    handle: cutOnce(async (x) => {
      if (x.header("range") === null) return await serveFile(x, MODEL);
      const range = `content-range: bytes ${half}-${MODEL.length - 1}/${MODEL.length}`;
      await x.send(head("200 OK", [`content-length: ${MODEL.length - half}`, 'etag: "v1"', range]));
      await x.send(MODEL.subarray(half));
    }),
    expected: "downloaded",
    requests: 3,
  },
  {
    title: "another part than was asked for",
    handle: cutOnce(async (x) => {
      if (x.header("range") === null) return await serveFile(x, MODEL);
      const range = `content-range: bytes ${half + 1}-${MODEL.length - 1}/${MODEL.length}`;
      await x.send(head("206 Partial Content", [`content-length: ${MODEL.length - half - 1}`, 'etag: "v1"', range]));
      await x.send(MODEL.subarray(half + 1));
    }),
    expected: "downloaded",
    requests: 3,
  },
  {
    title: "a server that knows no ranges and no ETags",
    handle: async (x) => {
      await x.send(head("200 OK", [`content-length: ${MODEL.length}`]));
      await x.send(x.number < 3 ? MODEL.subarray(0, half) : MODEL);
    },
    expected: "downloaded",
    requests: 3,
  },
  {
    title: "a part that nobody asked for",
    handle: async (x) => {
      await x.send(head("206 Partial Content", [`content-length: 10`, `content-range: bytes 0-9/${MODEL.length}`]));
      await x.send(MODEL.subarray(0, 10));
    },
    expected: "DOWNLOAD_INVALID",
    says: /a part of the file/,
  },
  // contents
  {
    title: "another file than the pin names",
    handle: (x) => serveFile(x, OTHER),
    expected: "DIGEST_MISMATCH",
    pinned: true,
    says: new RegExp(DIGEST),
  },
  {
    title: "a file with one flipped bit",
    handle: (x) => serveFile(x, MODEL.map((byte, index) => index === 1000 ? byte ^ 1 : byte)),
    expected: "DIGEST_MISMATCH",
    pinned: true,
  },
  {
    title: "a page to log in instead of the model",
    handle: answer("200 OK", "<!doctype html><html>Please log in</html>", ["content-type: text/html"]),
    expected: "MODEL_NOT_PROTOBUF",
  },
  {
    title: "a body that is compressed though nobody asked",
    handle: answer("200 OK", "\x1f\x8b...", ["content-encoding: gzip"]),
    expected: "DOWNLOAD_INVALID",
    says: /compresses/,
  },
  {
    title: "a file that is too large by its Content-Length",
    handle: async (x) => {
      await x.send(head("200 OK", ["content-length: 5000000000"]));
      await x.gone;
    },
    expected: "MODEL_TOO_LARGE",
    says: /5000000000 bytes/,
    requests: 1,
  },
  {
    title: "a file that grows too large on the way",
    handle: async (x) => {
      await x.send(head("200 OK", ["transfer-encoding: chunked"]));
      for (const piece of chunked(MODEL, 50_000)) await x.send(piece);
      await x.gone;
    },
    expected: "MODEL_TOO_LARGE",
    options: { settings: { bytesMax: 200_000 } },
    requests: 1,
  },
  {
    title: "a file for which the disk has no room by its Content-Length",
    handle: async (x) => {
      await x.send(head("200 OK", [`content-length: ${Number.MAX_SAFE_INTEGER}`]));
      await x.gone;
    },
    expected: "DISK_FULL",
    options: { settings: { bytesMax: Number.MAX_SAFE_INTEGER } },
    requests: 1,
  },
  // protocol
  {
    title: "headers without end",
    handle: async (x) => {
      await x.send("HTTP/1.1 200 OK\r\n");
      for (let line = 0; line < 1000; line++) await x.send(`x-${line}: ${"a".repeat(1000)}\r\n`);
    },
    expected: "DOWNLOAD_INVALID",
    says: /headers/,
  },
  { title: "something else than HTTP", handle: (x) => x.send("SSH-2.0-OpenSSH\r\n"), expected: "DOWNLOAD_INVALID" },
  {
    title: "a length and chunks at once",
    handle: async (x) => {
      await x.send(head("200 OK", ["content-length: 3", "transfer-encoding: chunked"]));
      await x.send("5\r\nhello\r\n0\r\n\r\n");
    },
    expected: "DOWNLOAD_TRUNCATED",
  },
];

for (const one of CASES) {
  Deno.test({ name: `hostile server: ${one.title}: ${one.expected}`, ...LOOSE }, async () => {
    await using server = hostileServer(one.handle);
    await withRig(async (rig) => {
      const pin = one.pinned === true ? `#sha256=${DIGEST}` : "";
      const word = `${server.origin}${one.path ?? "/a.onnx"}${pin}`;
      const options: PullOptions = { trustedHosts: [server.host], ...one.options };
      if (one.expected === "downloaded") {
        const pulled = await rig.pull(word, options);
        assert.equal(pulled.status, "downloaded");
        assert.equal(pulled.sha256, sha256Of(one.lands ?? MODEL));
        assert.deepEqual(await Deno.readFile(join(rig.modelsDir, "a", "a.onnx")), one.lands ?? MODEL);
        assert.deepEqual(await rig.files(), ["a/a.onnx", "a/manifest.json"]);
      } else {
        const error = await rig.refused(word, options);
        assert.equal(error.code, one.expected, error.message);
        if (one.says !== undefined) assert.match(error.message, one.says);
        const parts = (await rig.files()).filter((path) => path.endsWith(".part"));
        assert.equal(parts.length, one.leavesPart === true ? 1 : 0);
        const left = one.leavesPart === true
          ? (await rig.files()).filter((path) => !path.startsWith(".downloads/"))
          : await rig.files();
        assert.deepEqual(left, []);
      }
      if (one.requests !== undefined) assert.equal(server.requests.length, one.requests, server.requests.join(", "));
    });
  });
}

Deno.test("hostile server: there are at least 20 cases", () => assert.ok(CASES.length >= 20, String(CASES.length)));

Deno.test({ name: "hostile server: what is cut off is asked for once only", ...LOOSE }, async () => {
  await using server = hostileServer((exchange: Exchange) => serveFile(exchange, MODEL, { until: MODEL.length / 4 }));
  await withRig(async (rig: Rig) => {
    await rig.pull(`${server.origin}/a.onnx`, { trustedHosts: [server.host] });
    assert.ok(server.sent.bytes < MODEL.length + 10_000, `${server.sent.bytes} bytes for ${MODEL.length}`);
  });
});
