/** Whether the loader could take a file, judged by its first bytes. */

export type Architecture = "x86_64" | "aarch64";

export interface FileProblem {
  readonly kind: "link-broken" | "unreadable" | "empty" | "not-a-library" | "wrong-architecture" | "truncated";
  /** A sentence that names the file. */
  readonly detail: string;
  readonly remedy: string;
}

/** Bytes of a file that {@link elfProblem} wants to see. */
export const ELF_HEAD_BYTES = 4096;

/** e_machine. Source: elf.h of glibc 2.36. */
const MACHINES: Readonly<Record<number, string>> = {
  3: "x86",
  21: "ppc64",
  40: "arm",
  62: "x86_64",
  183: "aarch64",
  243: "riscv",
};
const ET_DYN = 3;
const PT_LOAD = 1;

/**
 * What is wrong with a shared library, null when nothing is seen.
 * @param head its first {@link ELF_HEAD_BYTES} bytes, or all
 * @param size size of the whole file in bytes
 */
export function elfProblem(path: string, head: Uint8Array, size: number, machine: Architecture): FileProblem | null {
  const problem = (kind: FileProblem["kind"], what: string, remedy: string): FileProblem => ({
    kind,
    detail: `"${path}" ${what}`,
    remedy,
  });
  const again = "Install this TensorRT again, or remove the file";
  if (size === 0) {
    return problem("empty", "is empty", "Install TensorRT here, or start the container with the NVIDIA runtime");
  }
  if (head.length < 64 || head[0] !== 0x7f || head[1] !== 0x45 || head[2] !== 0x4c || head[3] !== 0x46) {
    return problem("not-a-library", "is not a shared library (no ELF header)", again);
  }
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const name = MACHINES[view.getUint16(18, true)] ?? `machine ${view.getUint16(18, true)}`;
  if (head[4] !== 2 || head[5] !== 1 || name !== machine) {
    return problem(
      "wrong-architecture",
      `is for ${head[4] === 2 ? name : `${name} (32 bits)`}, this program is for ${machine}`,
      `Install TensorRT for ${machine}`,
    );
  }
  if (view.getUint16(16, true) !== ET_DYN) return problem("not-a-library", "is an ELF file but no library", again);
  const end = loadedEnd(view);
  return end > size ? problem("truncated", `ends at byte ${size} of at least ${end}`, again) : null;
}

/** End of the last loaded segment in the file; 0 when the program headers lie beyond the head. */
function loadedEnd(view: DataView): number {
  const offset = Number(view.getBigUint64(32, true));
  const entrySize = view.getUint16(54, true);
  const count = view.getUint16(56, true);
  let end = 0;
  for (let i = 0; i < count; i++) {
    const at = offset + i * entrySize;
    if (at + 40 > view.byteLength) return 0;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    end = Math.max(end, Number(view.getBigUint64(at + 8, true) + view.getBigUint64(at + 32, true)));
  }
  return end;
}
