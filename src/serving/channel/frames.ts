/**
 * Frames between the serving manager and a worker: two little-endian u32 (bytes of the header, bytes of the payload),
 * a JSON header in UTF-8, the payload as it is.
 */

/** A JSON header and the bytes that go with it, empty when there are none. */
export interface Frame {
  readonly header: unknown;
  readonly payload: Uint8Array<ArrayBuffer>;
}

/** Longest header: 5,000 detections of 300 bytes fit five times. */
export const MAX_HEADER_BYTES = 8 * 1024 * 1024;
/** Longest payload: the largest `max_body_bytes` that the settings allow. */
export const MAX_PAYLOAD_BYTES = 1024 * 1024 * 1024;

const PREFIX_BYTES = 8;
const BUFFER_BYTES = 64 * 1024;

/** What frames are read from; `null` is the end. */
export interface ByteSource {
  read(into: Uint8Array): Promise<number | null>;
}

/** What frames are written to; may take fewer bytes than given. */
export interface ByteSink {
  write(bytes: Uint8Array): Promise<number>;
}

/** A frame's prefix and header, ready to be followed by the payload. */
export function frameHead(header: unknown, payloadBytes: number): Uint8Array<ArrayBuffer> {
  const json = new TextEncoder().encode(JSON.stringify(header));
  if (json.length > MAX_HEADER_BYTES) throw new RangeError(`A frame's header has ${json.length} bytes`);
  if (payloadBytes > MAX_PAYLOAD_BYTES) throw new RangeError(`A frame's payload has ${payloadBytes} bytes`);
  const head = new Uint8Array(PREFIX_BYTES + json.length);
  const view = new DataView(head.buffer);
  view.setUint32(0, json.length, true);
  view.setUint32(4, payloadBytes, true);
  head.set(json, PREFIX_BYTES);
  return head;
}

/** Reads whole frames, however the bytes arrive. A payload is read straight into its own memory. */
export class FrameReader {
  readonly #source: ByteSource;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  readonly #view = new DataView(this.#buffer.buffer);
  readonly #decoder = new TextDecoder("utf-8", { fatal: true });
  #start = 0;
  #end = 0;

  constructor(source: ByteSource) {
    this.#source = source;
  }

  /**
   * The next frame, or null at the end of the stream.
   * @throws {RangeError} when a length is over its limit
   * @throws {SyntaxError} when the header is not JSON
   * @throws {Error} when the stream ends inside a frame
   */
  async next(): Promise<Frame | null> {
    const whole = this.#buffered();
    if (whole !== null) return whole;
    if (this.#start === this.#end) {
      const count = await this.#source.read(this.#buffer);
      if (count === null) return null;
      [this.#start, this.#end] = [0, count];
      const next = this.#buffered();
      if (next !== null) return next;
    }
    const prefix = new Uint8Array(PREFIX_BYTES);
    if (!await this.#fill(prefix, true)) return null;
    const view = new DataView(prefix.buffer);
    const headerBytes = view.getUint32(0, true);
    const payloadBytes = view.getUint32(4, true);
    if (headerBytes > MAX_HEADER_BYTES) throw new RangeError(`A frame announces a header of ${headerBytes} bytes`);
    if (payloadBytes > MAX_PAYLOAD_BYTES) throw new RangeError(`A frame announces a payload of ${payloadBytes} bytes`);
    const json = new Uint8Array(headerBytes);
    await this.#fill(json, false);
    const payload = new Uint8Array(payloadBytes);
    await this.#fill(payload, false);
    return { header: JSON.parse(this.#decoder.decode(json)), payload };
  }

  /** A frame that lies in the buffer as a whole: nearly all do. */
  #buffered(): Frame | null {
    const start = this.#start + PREFIX_BYTES;
    if (start > this.#end) return null;
    const headerBytes = this.#view.getUint32(this.#start, true);
    const payloadBytes = this.#view.getUint32(this.#start + 4, true);
    if (start + headerBytes + payloadBytes > this.#end) return null;
    const header = JSON.parse(this.#decoder.decode(this.#buffer.subarray(start, start + headerBytes)));
    this.#start = start + headerBytes + payloadBytes;
    return { header, payload: this.#buffer.slice(start + headerBytes, this.#start) };
  }

  async #fill(target: Uint8Array, mayEnd: boolean): Promise<boolean> {
    let filled = 0;
    while (filled < target.length) {
      if (this.#start < this.#end) {
        const piece = this.#buffer.subarray(this.#start, Math.min(this.#end, this.#start + target.length - filled));
        target.set(piece, filled);
        filled += piece.length;
        this.#start += piece.length;
        continue;
      }
      const direct = target.length - filled >= BUFFER_BYTES;
      const count = await this.#source.read(direct ? target.subarray(filled) : this.#buffer);
      if (count === null) {
        if (mayEnd && filled === 0) return false;
        throw new Error("The channel ended inside a frame");
      }
      if (direct) filled += count;
      else [this.#start, this.#end] = [0, count];
    }
    return true;
  }
}

/** Writes frames one after another; concurrent calls do not mix. */
export class FrameWriter {
  readonly #sink: ByteSink;
  #last: Promise<void> = Promise.resolve();

  constructor(sink: ByteSink) {
    this.#sink = sink;
  }

  /** Resolves when the last byte was taken; rejects when the channel is gone. */
  write(header: unknown, payload: Uint8Array = new Uint8Array(0)): Promise<void> {
    const head = frameHead(header, payload.length);
    const written = this.#last.then(async () => {
      await this.#writeAll(head);
      await this.#writeAll(payload);
    });
    this.#last = written.catch(() => {});
    return written;
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#sink.write(bytes.subarray(at));
  }
}
