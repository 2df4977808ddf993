/** A tar archive of a few files; pure. */

export interface ArchivedFile {
  /** Path in the archive, at most 100 bytes. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const BLOCK = 512;

/**
 * The archive, uncompressed, in the form "ustar" (POSIX.1-1988).
 * @param modified time of all files, in seconds since 1970
 * @throws {RangeError} for a name that is too long
 */
export function tarFrom(files: readonly ArchivedFile[], modified: number): Uint8Array<ArrayBuffer> {
  const size = files.reduce((sum, { bytes }) => sum + BLOCK + blocks(bytes.length) * BLOCK, 2 * BLOCK);
  const archive = new Uint8Array(size);
  let at = 0;
  for (const { name, bytes } of files) {
    archive.set(header(name, bytes.length, modified), at);
    archive.set(bytes, at + BLOCK);
    at += BLOCK + blocks(bytes.length) * BLOCK;
  }
  return archive;
}

const blocks = (bytes: number): number => Math.ceil(bytes / BLOCK);

function header(name: string, size: number, modified: number): Uint8Array {
  const encoder = new TextEncoder();
  const block = new Uint8Array(BLOCK);
  const put = (text: string, at: number, room: number) => {
    const bytes = encoder.encode(text);
    if (bytes.length > room) throw new RangeError(`"${text}" is longer than ${room} bytes`);
    block.set(bytes, at);
  };
  const octal = (value: number, digits: number) => `${value.toString(8).padStart(digits, "0")}\0`;
  put(name, 0, 100);
  put(octal(0o644, 7), 100, 8);
  put(octal(0, 7), 108, 8);
  put(octal(0, 7), 116, 8);
  put(octal(size, 11), 124, 12);
  put(octal(modified, 11), 136, 12);
  put(" ".repeat(8), 148, 8);
  put("0", 156, 1);
  put("ustar\0" + "00", 257, 8);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(`${sum.toString(8).padStart(6, "0")}\0 `, 148, 8);
  return block;
}
