/**
 * The load generator: one keep-alive connection that costs next to nothing beside the server under test, because it
 * writes bytes that were made before and reads answers by their Content-Length.
 */

/** Address of a server under test, on this machine. */
export interface Address {
  readonly hostname: string;
  readonly port: number;
  /** Key that requests to it have. @default none */
  readonly apiKey?: string;
}

export interface HttpAnswer {
  readonly status: number;
  /** Status line and headers. */
  readonly head: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The bytes of one request with a body, ready to be sent again and again. */
export function postBytes(
  path: string,
  body: Uint8Array,
  options: { contentType: string; address: Address },
): Uint8Array<ArrayBuffer> {
  const { contentType, address } = options;
  const head = new TextEncoder().encode(
    `POST ${path} HTTP/1.1\r\n${headersFor(address)}Content-Type: ${contentType}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n`,
  );
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

export function getBytes(path: string, address: Address): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`GET ${path} HTTP/1.1\r\n${headersFor(address)}\r\n`);
}

const headersFor = ({ hostname, port, apiKey }: Address): string =>
  `Host: ${hostname}:${port}\r\n${apiKey === undefined ? "" : `Authorization: Bearer ${apiKey}\r\n`}`;

/** One connection; one request at a time. */
export class HttpConnection implements Disposable {
  readonly #connection: Deno.TcpConn;
  #buffer = new Uint8Array(1 << 20);

  private constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    connection.setNoDelay(true);
  }

  static async open(address: Address): Promise<HttpConnection> {
    return new HttpConnection(await Deno.connect({ hostname: address.hostname, port: address.port }));
  }

  /**
   * Send a whole request and read the whole answer.
   * @throws {Error} when the connection ends early or the answer has no Content-Length
   */
  async send(request: Uint8Array): Promise<HttpAnswer> {
    for (let at = 0; at < request.length;) at += await this.#connection.write(request.subarray(at));
    let filled = 0;
    let total = Infinity;
    let head: Head | null = null;
    while (filled < total) {
      if (filled === this.#buffer.length) this.#grow();
      const count = await this.#connection.read(this.#buffer.subarray(filled));
      if (count === null) throw new Error(`The server closed the connection after ${filled} bytes of an answer`);
      filled += count;
      head ??= headOf(this.#buffer.subarray(0, filled));
      if (head !== null) total = head.bytes + head.contentLength;
    }
    return { status: head!.status, head: head!.text, body: this.#buffer.slice(head!.bytes, total) };
  }

  [Symbol.dispose](): void {
    this.#connection.close();
  }

  #grow(): void {
    const grown = new Uint8Array(2 * this.#buffer.length);
    grown.set(this.#buffer);
    this.#buffer = grown;
  }
}

interface Head {
  readonly status: number;
  readonly text: string;
  /** Bytes up to and with the empty line. */
  readonly bytes: number;
  readonly contentLength: number;
}

function headOf(bytes: Uint8Array): Head | null {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 16_384));
  const end = text.indexOf("\r\n\r\n");
  if (end < 0) return null;
  const head = text.slice(0, end);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1]);
  const length = /^content-length: *(\d+) *$/im.exec(head)?.[1];
  if (Number.isNaN(status) || length === undefined) {
    throw new Error(`The answer's head is not understood: ${head.split("\r\n")[0]}`);
  }
  return { status, text: head, bytes: end + 4, contentLength: Number(length) };
}
