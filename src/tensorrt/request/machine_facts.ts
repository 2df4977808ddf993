/** Facts of a machine that follow from others; pure. */
import type { GpuFact } from "../probe/probe_messages.ts";
import type { Platform } from "../support/support_table.ts";

/** What the system calls itself. */
export interface SystemNames {
  /** As `Deno.build.os` names it. */
  readonly os: string;
  /** As `Deno.build.arch` names it. */
  readonly architecture: string;
  /** Release of Jetson Linux, null elsewhere. */
  readonly l4t: string | null;
}

/** Platform of NVIDIA's packages. */
export function platformOf(system: SystemNames): Platform | null {
  if (system.l4t !== null) return "jetpack";
  if (system.os === "linux") return system.architecture === "aarch64" ? "linux-aarch64" : "linux-x86_64";
  return system.os === "windows" && system.architecture === "x86_64" ? "windows-x86_64" : null;
}

/** Index of the GPU with that index or UUID (whole, or its beginning), the first without one; null when it is not there. */
export function selectedGpu(device: string | undefined, gpus: readonly GpuFact[]): number | null {
  if (device === undefined) return gpus[0]?.index ?? null;
  const wanted = device.trim().toLowerCase();
  const fits = /^\d{1,4}$/.test(wanted)
    ? gpus.filter(({ index }) => index === Number(wanted))
    : wanted.length < 8
    ? []
    : gpus.filter(({ uuid }) => uuid.toLowerCase().startsWith(wanted));
  return fits.length === 1 ? fits[0]!.index : null;
}

/**
 * Release of Jetson Linux such as `36.4.3`, from `/etc/nv_tegra_release`:
 * `# R36 (release), REVISION: 4.3, GCID: ...`. Null for any other text.
 */
export function l4tFromRelease(text: string): string | null {
  const match = /^#\s*R(\d+)\s*\(release\),\s*REVISION:\s*([\d.]+)/m.exec(text);
  return match === null ? null : `${match[1]}.${match[2]}`;
}
