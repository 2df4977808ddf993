/** Reading a small text from a path, whatever the path is. */

/** No configuration is longer. */
export const CONFIG_BYTES_MAX = 1_048_576;

/**
 * The text of a file or pipe, without a byte order mark.
 * @throws what `Deno.open` and `read` throw; `RangeError` when there are more than {@link CONFIG_BYTES_MAX} bytes
 */
export async function readCappedText(path: string): Promise<string> {
  using file = await Deno.open(path);
  return await cappedText(file.readable);
}

/** The text of a stream of bytes; see {@link readCappedText}. The stream is cancelled when it is too long. */
export async function cappedText(stream: ReadableStream<Uint8Array>): Promise<string> {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  let count = 0;
  for await (const piece of stream) {
    count += piece.length;
    if (count > CONFIG_BYTES_MAX) throw new RangeError(`More than ${CONFIG_BYTES_MAX} bytes`);
    pieces.push(new Uint8Array(piece));
  }
  return new TextDecoder().decode(await new Blob(pieces).arrayBuffer());
}
