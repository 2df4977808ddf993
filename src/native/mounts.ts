/** Which mount a path lies on, from the text of `/proc/self/mountinfo`; pure. */

/** One line of mountinfo. */
export interface Mount {
  /** Where it is mounted, absolute. */
  readonly path: string;
  /** Options of the mount and of its file system, for example `ro`, `noexec`. */
  readonly options: ReadonlySet<string>;
}

/** The mount that holds the absolute `path`; null when no line covers it. The last of equal mount points is on top. */
export function mountOf(mountinfo: string, path: string): Mount | null {
  let best: Mount | null = null;
  for (const line of mountinfo.split("\n")) {
    const mount = parseLine(line);
    if (mount === null || !covers(mount.path, path)) continue;
    if (best === null || mount.path.length >= best.path.length) best = mount;
  }
  return best;
}

/** Fields of a line (proc_pid_mountinfo(5)): 5th mount point, 6th options, after " - " the 3rd the super options. */
function parseLine(line: string): Mount | null {
  const [left, right] = line.split(" - ", 2);
  const fields = left?.split(" ") ?? [];
  const [point, options] = [fields[4], fields[5]];
  if (point === undefined || options === undefined) return null;
  const superOptions = right?.split(" ")[2] ?? "";
  return { path: unescapeOctal(point), options: new Set([...options.split(","), ...superOptions.split(",")]) };
}

/** The kernel writes space, tab, newline and backslash as three octal digits. */
function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(parseInt(digits, 8)));
}

function covers(point: string, path: string): boolean {
  return point === "/" || path === point || path.startsWith(`${point}/`);
}
