/** The dynamic loader's cache, `/etc/ld.so.cache`, read without starting ldconfig. */

/** One library that the loader finds by name. */
export interface LoaderEntry {
  readonly name: string;
  readonly path: string;
}

const MAGIC = "glibc-ld.so.cache1.1";
const HEADER_BYTES = 48;
const ENTRY_BYTES = 24;

/**
 * All entries, in the loader's order; empty for a file of another form. glibc before 2.32 writes an older table first,
 * which is skipped. Source of the layout: `struct cache_file_new` of glibc's dl-cache.h.
 */
export function readLoaderCache(bytes: Uint8Array): LoaderEntry[] {
  const start = indexOf(bytes, MAGIC);
  if (start < 0 || start + HEADER_BYTES > bytes.length) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
  const count = view.getUint32(MAGIC.length, true);
  const entries: LoaderEntry[] = [];
  for (let i = 0; i < count; i++) {
    const at = HEADER_BYTES + i * ENTRY_BYTES;
    if (at + ENTRY_BYTES > view.byteLength) break;
    const name = textAt(bytes, start + view.getUint32(at + 4, true));
    const path = textAt(bytes, start + view.getUint32(at + 8, true));
    if (name !== "" && path.startsWith("/")) entries.push({ name, path });
  }
  return entries;
}

/** The new table begins the file, or follows an older one at a multiple of 4. */
function indexOf(bytes: Uint8Array, text: string): number {
  for (let at = 0; at + text.length <= bytes.length; at += 4) {
    let same = 0;
    while (same < text.length && bytes[at + same] === text.charCodeAt(same)) same++;
    if (same === text.length) return at;
  }
  return -1;
}

const decoder = new TextDecoder();

function textAt(bytes: Uint8Array, at: number): string {
  const end = bytes.indexOf(0, at);
  return at >= bytes.length || end < 0 ? "" : decoder.decode(bytes.subarray(at, end));
}
