/** A cheap look for NVIDIA hardware, so that a machine without any pays nothing for TensorRT. */

/**
 * `device`: the kernel shows an NVIDIA device. `driver`: it does not, but CUDA's driver library is there, or nobody may
 * look. `none`: neither.
 */
export type NvidiaPresence = "device" | "driver" | "none";

/**
 * Device nodes: of the data-centre and desktop driver, of Jetson's GPU and its host, of WSL 2 (whose node any GPU has).
 * Sources: NVIDIA driver README, "Device files"; L4T 32 to 38, /dev of Jetson boards; WSL 2, dxgkrnl.
 */
const DEVICES = /^(nvidia\d+|nvidiactl|nvgpu|nvmap|nvhost.*|dxg)$/;
const WSL_NODE = "dxg";
const WSL_FOLDER = "/usr/lib/wsl/lib";

/** Where distributions, containers, WSL and Jetson put the driver library. Source: their packages' file lists. */
const FOLDERS: readonly string[] = [
  "/usr/lib/x86_64-linux-gnu",
  "/usr/lib/aarch64-linux-gnu",
  "/usr/lib64",
  "/usr/lib",
  WSL_FOLDER,
  "/usr/local/nvidia/lib64",
  "/usr/lib/aarch64-linux-gnu/nvidia",
  "/usr/lib/aarch64-linux-gnu/tegra",
  "/run/opengl-driver/lib",
];
const DRIVER = "libcuda.so.1";

export interface PresenceOptions {
  /** Folder of device nodes. @default "/dev" */
  readonly devices?: string;
  /** Value of `LD_LIBRARY_PATH`. @default this process's */
  readonly libraryPath?: string;
  /** @default those of distributions, containers, WSL and Jetson */
  readonly folders?: readonly string[];
}

/** Whether there is something to ask. It takes about a millisecond and opens no library. */
export async function nvidiaPresence(options: PresenceOptions = {}): Promise<NvidiaPresence> {
  const { devices = "/dev", libraryPath = Deno.env.get("LD_LIBRARY_PATH") ?? "", folders = FOLDERS } = options;
  const nodes = await namesIn(devices);
  const isReal = (node: string) => DEVICES.test(node) && node !== WSL_NODE;
  if (nodes !== null && nodes.some(isReal)) return "device";
  const isWsl = nodes?.includes(WSL_NODE) === true;
  if (isWsl && await isThere(`${WSL_FOLDER}/${DRIVER}`)) return "device";
  if (nodes === null) return "driver";
  const places = [...libraryPath.split(":").filter((folder) => folder !== ""), ...folders];
  const found = await Promise.all(places.map((folder) => isThere(`${folder}/${DRIVER}`)));
  return found.includes(true) ? "driver" : "none";
}

/** Null where it cannot be read. */
async function namesIn(folder: string): Promise<string[] | null> {
  try {
    return await Array.fromAsync(Deno.readDir(folder), ({ name }) => name);
  } catch (error) {
    return error instanceof Deno.errors.NotFound ? [] : null;
  }
}

const isThere = (path: string): Promise<boolean> => Deno.stat(path).then(() => true, () => false);
