/** A server that answers byte by byte as a test says, over TCP or TLS, on loopback. */

/** One request and the connection to answer it on. One answer a connection. */
export interface Exchange {
  /** Path and query. */
  readonly path: string;
  /** Of this server, from 1. */
  readonly number: number;
  header(name: string): string | null;
  /** Sends as it is; a client that has gone away is no failure. */
  send(data: string | Uint8Array): Promise<void>;
  /** Ends the connection in an orderly way. */
  end(): void;
  /** Resolves when the client has gone away. */
  readonly gone: Promise<void>;
}

export type Handler = (exchange: Exchange) => Promise<void> | void;

export interface HostileServer extends AsyncDisposable {
  readonly port: number;
  /** `http://127.0.0.1:PORT`, `https://localhost:PORT`. */
  readonly origin: string;
  /** Host and port of {@link origin}. */
  readonly host: string;
  /** Each request's path and Range, such as `/a.onnx bytes=5-`. */
  readonly requests: string[];
  /** Bytes that were sent. */
  readonly sent: { bytes: number };
}

const HEAD_BYTES_MAX = 65_536;

export function hostileServer(handle: Handler, tls?: { readonly cert: string; readonly key: string }): HostileServer {
  const listen = { hostname: "127.0.0.1", port: 0 };
  const listener = tls === undefined ? Deno.listen(listen) : Deno.listenTls({ ...listen, ...tls });
  const { port } = listener.addr as Deno.NetAddr;
  const host = `${tls === undefined ? "127.0.0.1" : "localhost"}:${port}`;
  const requests: string[] = [];
  const sent = { bytes: 0 };
  const open = new Set<Deno.Conn>();
  const running = new Set<Promise<void>>();

  const serve = async (connection: Deno.Conn, number: { value: number }) => {
    open.add(connection);
    const close = () => {
      if (!open.delete(connection)) return;
      try {
        connection.close();
      } catch {
        // The client was quicker.
      }
    };
    try {
      const head = await readHead(connection);
      if (head === null) return;
      const [line = "", ...lines] = head.split("\r\n");
      const path = line.split(" ")[1] ?? "";
      const header = (name: string) =>
        lines.find((one) => one.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1).trim() ?? null;
      requests.push([path, header("range")].filter((word) => word !== null).join(" "));
      const gone = (async () => {
        const buffer = new Uint8Array(1024);
        while (await connection.read(buffer).catch(() => null) !== null);
      })();
      await handle({
        path,
        number: number.value++,
        header,
        gone,
        end: close,
        async send(data) {
          const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
          try {
            for (let at = 0; at < bytes.length;) {
              const count = await connection.write(bytes.subarray(at, at + 65_536));
              at += count;
              sent.bytes += count;
            }
          } catch {
            // The client has gone away.
          }
        },
      });
    } catch {
      // A handshake that the client refused.
    } finally {
      close();
    }
  };
  const accepting = (async () => {
    const number = { value: 1 };
    try {
      for await (const connection of listener) {
        const one = serve(connection, number);
        running.add(one);
        one.finally(() => running.delete(one));
      }
    } catch {
      // The listener was closed.
    }
  })();
  return {
    port,
    host,
    origin: `${tls === undefined ? "http" : "https"}://${host}`,
    requests,
    sent,
    async [Symbol.asyncDispose]() {
      listener.close();
      for (const connection of [...open]) {
        open.delete(connection);
        try {
          connection.close();
        } catch {
          // Closed already.
        }
      }
      await accepting;
      await Promise.allSettled([...running]);
    },
  };
}

async function readHead(connection: Deno.Conn): Promise<string | null> {
  const buffer = new Uint8Array(4096);
  let head = "";
  while (!head.includes("\r\n\r\n")) {
    const count = await connection.read(buffer);
    if (count === null || head.length > HEAD_BYTES_MAX) return null;
    head += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return head.slice(0, head.indexOf("\r\n\r\n"));
}

/** A head with its lines. */
export const head = (status: string, lines: readonly string[] = []): string =>
  `HTTP/1.1 ${status}\r\n${lines.map((line) => `${line}\r\n`).join("")}\r\n`;

/** Bytes as chunks of the given size, without the last, empty one. */
export function chunked(bytes: Uint8Array, size: number): Uint8Array[] {
  const encoder = new TextEncoder();
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) => {
    const piece = bytes.subarray(index * size, (index + 1) * size);
    return Uint8Array.from([...encoder.encode(`${piece.length.toString(16)}\r\n`), ...piece, 13, 10]);
  });
}

export const LAST_CHUNK = "0\r\n\r\n";

/** What a well-behaved server does, with Range and If-Range; `until` cuts it off so many bytes after where it begins. */
export async function serveFile(
  exchange: Exchange,
  bytes: Uint8Array,
  { etag = '"v1"', until = Infinity, lines = [] }: {
    readonly etag?: string | null;
    readonly until?: number;
    readonly lines?: readonly string[];
  } = {},
): Promise<void> {
  const range = /^bytes=(\d+)-$/.exec(exchange.header("range") ?? "")?.[1];
  const condition = exchange.header("if-range");
  const extra = [...etag === null ? [] : [`etag: ${etag}`], ...lines, "connection: close"];
  const from = range === undefined || condition !== null && condition !== etag ? 0 : Number(range);
  if (from >= bytes.length && from > 0) {
    await exchange.send(
      head("416 Range Not Satisfiable", [`content-range: bytes */${bytes.length}`, "content-length: 0", ...extra]),
    );
    return;
  }
  const rest = bytes.subarray(from);
  const part = from === 0 ? [] : [`content-range: bytes ${from}-${bytes.length - 1}/${bytes.length}`];
  await exchange.send(
    head(from === 0 ? "200 OK" : "206 Partial Content", [`content-length: ${rest.length}`, ...part, ...extra]),
  );
  await exchange.send(rest.subarray(0, Math.min(until, rest.length)));
}
