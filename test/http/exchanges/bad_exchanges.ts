/**
 * Exchanges that a server must survive. The same table runs against the source and against the compiled file: start it
 * with {@link BAD_EXCHANGE_FLAGS} and a model that is ready.
 */
import assert from "node:assert/strict";
import { joined, PNG } from "../fixtures.ts";
import { exchange, type RawReply, type Step } from "./raw_client.ts";

/** A server under test. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** Whether its runtime enforces header and idle timeouts and the cap on connections. */
  readonly enforcesTimeouts: boolean;
}

/** Short limits, so that the table is quick; not so short that a slow machine keeps an ordinary request from them. */
export const BAD_EXCHANGE_LIMITS = {
  header_timeout_ms: 1500,
  body_timeout_ms: 1500,
  idle_timeout_ms: 1500,
  max_body_bytes: 200_000,
  max_connections: 100,
  max_pixels: 1_000_000,
} as const;

/** The limits as flags of `trtd serve`. */
export const BAD_EXCHANGE_FLAGS: readonly string[] = Object.entries(BAD_EXCHANGE_LIMITS)
  .flatMap(([key, value]) => [`--${key.replaceAll("_", "-")}`, String(value)]);

export interface BadExchange {
  readonly name: string;
  readonly steps: readonly Step[];
  /** Allowed statuses of each answer; an empty list: the connection ends without one. */
  readonly statuses: readonly (readonly number[])[];
  /** Statuses where the runtime's parser is another and more lenient one. @default {@link statuses} */
  readonly lenient?: readonly (readonly number[])[];
  /** Code of the last answer's problem document. */
  readonly code?: string;
  /** The server must end the connection. */
  readonly closes?: boolean;
  /** The client goes away after the last step. */
  readonly abort?: boolean;
  /** Only where the parser itself keeps the time. */
  readonly needsTimeouts?: boolean;
}

const HOST = "Host: localhost\r\n";
const LIMIT = BAD_EXCHANGE_LIMITS.max_body_bytes;

const post = (headers: string, path = "/v1/detect") => `POST ${path} HTTP/1.1\r\n${HOST}${headers}\r\n`;
const png = (headers: string, path?: string) => post(`Content-Type: image/png\r\n${headers}`, path);
const picture = (path?: string) => joined(png(`Content-Length: ${PNG.length}\r\n`, path), PNG);
const chunk = (bytes: Uint8Array | string) => joined(bytes.length.toString(16), "\r\n", bytes, "\r\n");
const get = (path: string, headers = "") => `GET ${path} HTTP/1.1\r\n${HOST}${headers}\r\n`;

const PART = 'Content-Disposition: form-data; name="image"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n';

function form(body: Uint8Array, type = "multipart/form-data; boundary=BB"): Uint8Array {
  return joined(post(`Content-Type: ${type}\r\nContent-Length: ${body.length}\r\n`), body);
}

const badForm = (name: string, body: Uint8Array, type?: string): BadExchange => ({
  name: `form: ${name}`,
  steps: [form(body, type)],
  statuses: [[400]],
  code: "MULTIPART_INVALID",
});

const badQuery = (query: string): BadExchange => ({
  name: `query: ${query}`,
  steps: [picture(`/v1/detect?${query}`)],
  statuses: [[400]],
  code: "PARAMETER_INVALID",
});

/** Every exchange, in the groups of the issue: lengths, chunks, heads, slow and aborted clients, forms, queries, routes. */
export const BAD_EXCHANGES: readonly BadExchange[] = [
  {
    name: "length: a declared body over the limit",
    steps: [png(`Content-Length: ${LIMIT + 1}\r\n`)],
    statuses: [[413]],
    code: "BODY_TOO_LARGE",
  },
  {
    name: "length: a body over the limit that is sent all the same",
    steps: [png(`Content-Length: ${10 * LIMIT}\r\n`), new Uint8Array(10 * LIMIT)],
    statuses: [[413]],
    code: "BODY_TOO_LARGE",
  },
  {
    name: "length: a huge declared body",
    steps: [png("Content-Length: 999999999999999\r\n")],
    statuses: [[413]],
    code: "BODY_TOO_LARGE",
  },
  { name: "length: negative", steps: [png("Content-Length: -1\r\n")], statuses: [[400]], closes: true },
  { name: "length: not a number", steps: [png("Content-Length: abc\r\n"), PNG], statuses: [[400]], closes: true },
  {
    name: "length: with a sign",
    steps: [png(`Content-Length: +${PNG.length}\r\n`), PNG],
    statuses: [[400]],
    closes: true,
  },
  {
    name: "length: beyond 64 bits",
    steps: [png("Content-Length: 99999999999999999999999\r\n")],
    statuses: [[400]],
    closes: true,
  },
  {
    name: "length: beyond 53 bits",
    steps: [png("Content-Length: 9007199254740993\r\n")],
    statuses: [[400]],
    closes: true,
  },
  {
    name: "length: two different ones",
    steps: [png("Content-Length: 3\r\nContent-Length: 4\r\n"), "abcd"],
    statuses: [[400]],
    closes: true,
  },
  {
    name: "length: longer than the body, then silence",
    steps: [png(`Content-Length: ${PNG.length + 10}\r\n`), PNG],
    statuses: [[408]],
    code: "BODY_TIMEOUT",
    closes: true,
  },
  {
    name: "length: no body at all",
    steps: [png("")],
    statuses: [[422]],
    code: "IMAGE_EMPTY",
  },
  {
    name: "chunks: over the limit",
    steps: [
      png("Transfer-Encoding: chunked\r\n"),
      chunk(new Uint8Array(150_000)),
      chunk(new Uint8Array(150_000)),
      "0\r\n\r\n",
    ],
    statuses: [[413]],
    code: "BODY_TOO_LARGE",
  },
  {
    name: "chunks: three megabytes in chunks of six bytes",
    steps: [png("Transfer-Encoding: chunked\r\n"), "6\r\nabcdef\r\n".repeat(500_000), "0\r\n\r\n"],
    statuses: [[413]],
    lenient: [[408, 413]],
  },
  {
    name: "chunks: a picture in chunks of one byte",
    steps: [
      png("Transfer-Encoding: chunked\r\n"),
      joined(...Array.from(PNG, (byte) => chunk(Uint8Array.of(byte))), "0\r\n\r\n"),
    ],
    statuses: [[200]],
  },
  {
    name: "chunks: a length that is not hexadecimal",
    steps: [png("Transfer-Encoding: chunked\r\n"), "zz\r\nabc\r\n0\r\n\r\n"],
    statuses: [[400]],
    closes: true,
    lenient: [[400, 499]],
  },
  {
    name: "chunks: a length beyond 64 bits",
    steps: [png("Transfer-Encoding: chunked\r\n"), "fffffffffffffffff\r\nabc\r\n0\r\n\r\n"],
    statuses: [[400]],
    closes: true,
    lenient: [[400, 499]],
  },
  {
    name: "chunks: data longer than its length",
    steps: [png("Transfer-Encoding: chunked\r\n"), "2\r\nabcdef\r\n0\r\n\r\n"],
    statuses: [[400]],
    closes: true,
    lenient: [[400, 499]],
  },
  {
    name: "chunks: no last chunk, then silence",
    steps: [png("Transfer-Encoding: chunked\r\n"), chunk(PNG)],
    statuses: [[408]],
    code: "BODY_TIMEOUT",
    closes: true,
  },
  {
    name: "framing: both length and chunks",
    steps: [png(`Content-Length: 4\r\nTransfer-Encoding: chunked\r\n`), "0\r\n\r\n"],
    statuses: [[400]],
    closes: true,
  },
  {
    name: "framing: an unknown coding",
    steps: [png("Transfer-Encoding: gzip\r\n"), "abc"],
    statuses: [[400]],
    closes: true,
  },
  {
    name: "framing: a coding before chunked",
    steps: [png("Transfer-Encoding: gzip, chunked\r\n"), "0\r\n\r\n"],
    statuses: [[400]],
    closes: true,
  },
  {
    name: "body: a compressed one",
    steps: [png("Content-Encoding: gzip\r\nContent-Length: 3\r\n"), Uint8Array.of(0x1f, 0x8b, 8)],
    statuses: [[415]],
    code: "CONTENT_ENCODING_UNSUPPORTED",
  },
  { name: "head: not HTTP", steps: ["\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"], statuses: [[400]], closes: true },
  { name: "head: a word", steps: ["GARBAGE\r\n\r\n"], statuses: [[400]], closes: true },
  { name: "head: another version", steps: [`GET / HTTP/9.9\r\n${HOST}\r\n`], statuses: [[400]], closes: true },
  { name: "head: a space in the target", steps: [get("/v1 models")], statuses: [[400]], closes: true },
  { name: "head: NUL in the target", steps: [get("/v1\0models")], statuses: [[400]], closes: true },
  { name: "head: NUL in a header", steps: [get("/v1/models", "X: a\0b\r\n")], statuses: [[400]], closes: true },
  { name: "head: a space before the colon", steps: [get("/v1/models", "X : a\r\n")], statuses: [[400]], closes: true },
  { name: "head: a folded header", steps: [get("/v1/models", "X: a\r\n b\r\n")], statuses: [[400]], closes: true },
  {
    name: "head: lines that end with LF alone",
    steps: ["GET /v1/models HTTP/1.1\nHost: a\n\n"],
    statuses: [[400]],
    lenient: [[200, 400]],
  },
  { name: "head: no Host", steps: ["GET /v1/models HTTP/1.1\r\n\r\n"], statuses: [[400]], code: "REQUEST_INVALID" },
  { name: "head: two Hosts", steps: [get("/v1/models", "Host: b\r\n")], statuses: [[400]], code: "REQUEST_INVALID" },
  { name: "head: a Host that is none", steps: ["GET /v1/models HTTP/1.1\r\nHost: a b/c@d\r\n\r\n"], statuses: [[400]] },
  {
    name: "head: 300 KB in one header",
    steps: [get("/v1/models", `X: ${"a".repeat(300_000)}\r\n`)],
    statuses: [[431]],
    closes: true,
  },
  {
    name: "head: 500 headers",
    steps: [get("/v1/models", Array.from({ length: 500 }, (_, i) => `X${i}: a\r\n`).join(""))],
    statuses: [[431]],
  },
  {
    name: "head: an address of 100 KB",
    steps: [get(`/v1/models?${"a".repeat(100_000)}`)],
    statuses: [[431]],
    lenient: [[400, 404, 414, 431, 200]],
  },
  {
    name: "head: an unknown expectation",
    steps: [png("Expect: 200-maybe\r\nContent-Length: 2\r\n"), "ab"],
    statuses: [[417]],
  },
  {
    name: "head: 100-continue for a body over the limit",
    steps: [png(`Expect: 100-continue\r\nContent-Length: ${LIMIT + 1}\r\n`)],
    statuses: [[413]],
    code: "BODY_TOO_LARGE",
  },
  {
    name: "head: a wish for websockets",
    steps: [
      get(
        "/v1/models",
        "Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\nSec-WebSocket-Version: 13\r\n",
      ),
    ],
    statuses: [[200]],
  },
  {
    name: "method: unknown",
    steps: [`FOO /v1/models HTTP/1.1\r\n${HOST}\r\n`],
    statuses: [[400]],
    lenient: [[400, 405]],
  },
  {
    name: "method: CONNECT",
    steps: [`CONNECT example.com:443 HTTP/1.1\r\n${HOST}\r\n`],
    statuses: [[405]],
    lenient: [[400, 405]],
    closes: true,
  },
  {
    name: "method: TRACE",
    steps: [`TRACE /v1/models HTTP/1.1\r\n${HOST}\r\n`],
    statuses: [[405]],
    code: "METHOD_NOT_ALLOWED",
  },
  {
    name: "method: OPTIONS of everything",
    steps: [`OPTIONS * HTTP/1.1\r\n${HOST}\r\n`],
    statuses: [[400]],
    lenient: [[400, 404]],
  },
  { name: "method: GET of a POST route", steps: [get("/v1/detect")], statuses: [[405]], code: "METHOD_NOT_ALLOWED" },
  {
    name: "method: PUT",
    steps: [`PUT /v1/detect HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nab`],
    statuses: [[405]],
    code: "METHOD_NOT_ALLOWED",
  },
  { name: "method: GET with a body", steps: [get("/v1/models", "Content-Length: 4\r\n"), "abcd"], statuses: [[200]] },
  { name: "route: none", steps: [get("/v2/nothing")], statuses: [[404]], code: "ROUTE_NOT_FOUND" },
  { name: "route: two slashes", steps: [get("//v1//models")], statuses: [[404]], lenient: [[400, 404]] },
  {
    name: "route: out of the folder",
    steps: [get("/docs/..%2f..%2fdeno.json")],
    statuses: [[404]],
    code: "ROUTE_NOT_FOUND",
  },
  { name: "route: a name with NUL", steps: [get("/v1/models/a%00b")], statuses: [[400]], code: "MODEL_NAME_INVALID" },
  {
    name: "route: broken percent signs",
    steps: [get("/v1/models/%zz%")],
    statuses: [[400]],
    code: "MODEL_NAME_INVALID",
  },
  {
    name: "route: a full address",
    steps: [`GET http://localhost/v1/models HTTP/1.1\r\n${HOST}\r\n`],
    statuses: [[200]],
  },
  {
    name: "version: HTTP/1.0 without Host",
    steps: ["GET /v1/models HTTP/1.0\r\n\r\n"],
    statuses: [[200]],
    lenient: [[200, 400]],
    closes: true,
  },
  {
    name: "pipelining: a good, a bad and a good request",
    steps: [joined(picture(), get("/nothing"), get("/v1/models", "Connection: close\r\n"))],
    statuses: [[200], [404], [200]],
    closes: true,
  },
  { name: "slow: nothing is sent", steps: [], statuses: [[408]], closes: true },
  {
    name: "slow: the head stops",
    steps: ["POST /v1/detect HTTP/1.1\r\n"],
    statuses: [[408]],
    closes: true,
  },
  {
    name: "slow: the head trickles",
    steps: ["POST /v1/detect HTTP/1.1\r\n", ...Array.from({ length: 30 }, (_, i) => [200, `X${i}: a\r\n`]).flat()],
    statuses: [[408]],
    closes: true,
  },
  {
    name: "slow: the body trickles",
    steps: [png("Content-Length: 1000\r\n"), ...Array.from({ length: 40 }, () => [100, "a"]).flat()],
    statuses: [[408]],
    code: "BODY_TIMEOUT",
    closes: true,
  },
  {
    name: "slow: an idle connection after an answer",
    steps: [get("/v1/models")],
    statuses: [[200]],
    closes: true,
  },
  {
    name: "slow: the head of a second request stops",
    steps: [get("/v1/models"), { answers: 1 }, "POST /v1/detect HTTP/1.1\r\n"],
    statuses: [[200], [408]],
    closes: true,
    needsTimeouts: true,
  },
  { name: "abort: within the head", steps: ["POST /v1/detect HT"], statuses: [], abort: true },
  { name: "abort: within the body", steps: [png("Content-Length: 5000\r\n"), PNG, 50], statuses: [], abort: true },
  { name: "abort: before the answer", steps: [picture()], statuses: [], abort: true },
  badForm(
    "the boundary is missing in the type",
    joined("--BB\r\n", PART, PNG, "\r\n--BB--\r\n"),
    "multipart/form-data",
  ),
  badForm("the boundary is too long", new Uint8Array(9), `multipart/form-data; boundary=${"a".repeat(71)}`),
  badForm("the boundary is not in the body", joined("--CC\r\n", PART, PNG, "\r\n--CC--\r\n")),
  badForm("not closed", joined("--BB\r\n", PART, PNG)),
  badForm("cut within the boundary", joined("--BB\r\n", PART, PNG, "\r\n--B")),
  badForm(
    "no empty line after the headers",
    joined("--BB\r\nContent-Disposition: form-data; name=image\r\n", "\r\n--BB--\r\n"),
  ),
  badForm("no name", joined("--BB\r\nContent-Disposition: form-data\r\n\r\n", PNG, "\r\n--BB--\r\n")),
  badForm("no headers", joined("--BB\r\n\r\n", PNG, "\r\n--BB--\r\n")),
  badForm("no picture", joined('--BB\r\nContent-Disposition: form-data; name="file"\r\n\r\n', PNG, "\r\n--BB--\r\n")),
  badForm("two pictures", joined("--BB\r\n", PART, PNG, "\r\n--BB\r\n", PART, PNG, "\r\n--BB--\r\n")),
  badForm(
    "a picture in base64",
    joined("--BB\r\nContent-Transfer-Encoding: base64\r\n", PART, "iVBO", "\r\n--BB--\r\n"),
  ),
  badForm(
    "33 parts",
    joined(
      ..."x".repeat(33).split("").map(() => `--BB\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n`),
      "--BB--\r\n",
    ),
  ),
  badForm("empty", new Uint8Array(0)),
  badQuery("score=abc"),
  badQuery("score=1.01"),
  badQuery("iou=-1"),
  badQuery("max=0"),
  badQuery("max=1e9"),
  badQuery("annotate=maybe"),
  badQuery("score=0.1&score=0.2"),
  badQuery("threshold=0.5"),
];

/**
 * Run one exchange and check its answer, then that the server still detects.
 * @throws {AssertionError} naming what was wrong
 */
export async function checkBadExchange(bad: BadExchange, target: Target): Promise<void> {
  const statuses = target.enforcesTimeouts ? bad.statuses : bad.lenient ?? bad.statuses;
  const reply = await exchange(bad.steps, {
    host: target.host,
    port: target.port,
    answers: statuses.length,
    untilClosed: bad.closes === true,
    abort: bad.abort === true,
  });
  if (bad.abort !== true) {
    const seen = JSON.stringify(reply);
    assert.equal(reply.statuses.length, statuses.length, seen);
    statuses.forEach((allowed, i) => assert.ok(allowed.includes(reply.statuses[i]!), `${reply.statuses[i]}: ${seen}`));
    if (bad.closes === true) assert.ok(reply.closed, `the connection stays open: ${seen}`);
    if (reply.statuses.at(-1)! >= 400) checkProblem(reply, bad, target);
  }
  await checkServes(target);
}

/** The parser of a lenient runtime answers without a body before trtd sees the request. */
function checkProblem(reply: RawReply, bad: BadExchange, target: Target): void {
  if (bad.code === undefined && !target.enforcesTimeouts && reply.body === "") return;
  assert.equal(reply.headers["content-type"], "application/problem+json", JSON.stringify(reply));
  const problem = JSON.parse(reply.body);
  assert.equal(problem.status, reply.statuses.at(-1));
  assert.equal(problem.request_id, reply.headers["x-request-id"]);
  assert.doesNotMatch(reply.body, /\.ts:\d|node_modules|file:\/\//);
  if (bad.code !== undefined) assert.equal(problem.code, bad.code);
}

/** A good request on a new connection is answered. */
export async function checkServes({ host, port }: Target): Promise<void> {
  const reply = await exchange([picture()], { host, port });
  assert.deepEqual(reply.statuses, [200], `the server does not serve any more: ${JSON.stringify(reply)}`);
}
