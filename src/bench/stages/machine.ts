/** The machine, as a row of figures names it: nothing that tells one machine of a kind from another. */
import { cpus } from "node:os";
import { usableCores } from "../../backends/onnxruntime.ts";
import { VERSION } from "../../version.ts";

export interface MachineFacts {
  /** The board where the firmware names one (Jetson), else the processor. */
  readonly name: string;
  readonly cores: number;
  readonly os: string;
  readonly arch: string;
  readonly deno: string;
  readonly trtd: string;
  /** Load averages of the last minute, before and after. */
  readonly load_before: number;
  readonly load_after: number;
}

/** Where the firmware of a board says its name (device tree, `model` of the root node). */
const BOARD = "/proc/device-tree/model";

/** @param loadBefore load average when the measurements began */
export async function machineFacts(loadBefore: number): Promise<MachineFacts> {
  const board = await Deno.readTextFile(BOARD).then((text) => text.replaceAll("\0", "").trim(), () => "");
  return {
    name: board !== "" ? board : cpus()[0]?.model.trim() ?? "unknown",
    cores: usableCores(),
    os: Deno.build.os,
    arch: Deno.build.arch,
    deno: Deno.version.deno,
    trtd: VERSION,
    load_before: loadBefore,
    load_after: Deno.loadavg()[0]!,
  };
}
