/** What to install for a GPU, read out of the support table. */
import { cudaFromText, cudaKnows, cudaWanted } from "./cuda_version.ts";
import {
  CAPABILITIES,
  type CapabilityRow,
  type JetPackRow,
  JETPACKS,
  type Platform,
  RTX_TARGETS,
  SUPPORT,
  type SupportRow,
} from "./support_table.ts";
import {
  compareVersions,
  familyOf,
  type Product,
  PRODUCT_NAMES,
  versionFromText,
  versionInRange,
} from "../versions.ts";

const minors = (major: number, count: number, first = 0): string[] =>
  Array.from({ length: count }, (_, index) => `${major}.${first + index}`);

/** Every minor release that trtd drives, oldest first. Source: tags of NVIDIA/TensorRT; NVIDIA's release notes. */
export const RELEASES: Readonly<Record<Product, readonly string[]>> = {
  "tensorrt": ["8.5", "8.6", ...minors(9, 4), ...minors(10, 17), ...minors(11, 5)],
  "tensorrt-rtx": minors(1, 5, 3),
};

/** A compute capability such as `12.0` as an integer to compare, 120; null for anything else. */
export function capabilityNumber(text: string): number | null {
  const match = /^\s*(\d{1,3})\.(\d)\s*$/.exec(text);
  return match === null ? null : Number(match[1]) * 10 + Number(match[2]);
}

/** What is known of a compute capability, null for an unknown one. */
export function capabilityRow(capability: string): CapabilityRow | null {
  const wanted = capabilityNumber(capability);
  return CAPABILITIES.find((row) => capabilityNumber(row.capability) === wanted) ?? null;
}

/** Rows of the table that have the GPU on the platform, of any release. */
export function rowsFor(capability: string, platform: Platform): SupportRow[] {
  const wanted = capabilityNumber(capability);
  return SUPPORT.filter((row) =>
    row.platforms.includes(platform) && row.capabilities.some((listed) => capabilityNumber(listed) === wanted)
  );
}

/** Whether some patch of the minor release `release` lies in the row. */
function touches(row: SupportRow, release: string): boolean {
  const minor = versionFromText(release)!;
  const first = versionFromText(row.from)!;
  return compareVersions(first, { ...minor, patch: Infinity }) <= 0 &&
    (compareVersions(first, minor) >= 0 || versionInRange(minor, row.from, row.to));
}

/** Runs of releases that support the GPU, such as `8.5 to 10.4` or `10.8 or later`, oldest first. */
export function supportedReleases(product: Product, capability: string, platform: Platform): string[] {
  const rows = rowsFor(capability, platform).filter((row) => row.product === product);
  const releases = RELEASES[product];
  const good = releases.map((release) => rows.some((row) => touches(row, release)));
  const runs: string[] = [];
  for (let start = 0; start < releases.length; start++) {
    if (!good[start] || good[start - 1]) continue;
    let end = start;
    while (good[end + 1]) end++;
    const last = end === releases.length - 1;
    runs.push(
      start === end
        ? `${releases[start]}`
        : last
        ? `${releases[start]} or later`
        : `${releases[start]} to ${releases[end]}`,
    );
  }
  return runs;
}

const alternatives = (items: readonly string[]): string =>
  items.length < 2 ? items.join("") : `${items.slice(0, -1).join(", ")} or ${items.at(-1)}`;

/** Which CUDA the build must be for, empty when every build of these rows will do. */
function cudaClause(hardware: CapabilityRow | null, rows: readonly SupportRow[]): string {
  if (hardware === null) return "";
  const builds = rows.flatMap((row) => row.cuda.map((text) => cudaFromText(text)!));
  return builds.every((build) => cudaKnows(hardware, build)) ? "" : ` (a build for ${cudaWanted(hardware)})`;
}

/** Releases of JetPack for the GPU whose TensorRT trtd drives. */
function jetPacksFor(capability: string): JetPackRow[] {
  const wanted = capabilityNumber(capability);
  return JETPACKS.filter((row) =>
    row.capabilities.some((listed) => capabilityNumber(listed) === wanted) &&
    familyOf({ product: "tensorrt", version: versionFromText(row.tensorrt)! }).family !== null
  );
}

/** A sentence that says what to install for the GPU; the CPU when there is nothing. `first` is named first. */
export function installAdvice(capability: string, platform: Platform, first: Product): string {
  if (platform === "jetpack") {
    const packs = jetPacksFor(capability).map((row) => `${row.jetpack} (TensorRT ${row.tensorrt})`);
    if (packs.length > 0) return `Install JetPack ${alternatives(packs)}`;
  } else {
    const products: Product[] = first === "tensorrt" ? ["tensorrt", "tensorrt-rtx"] : ["tensorrt-rtx", "tensorrt"];
    const rows = rowsFor(capability, platform);
    const hardware = capabilityRow(capability);
    const choices = products.flatMap((product) => {
      const runs = supportedReleases(product, capability, platform);
      if (runs.length === 0) return [];
      const clause = cudaClause(hardware, rows.filter((row) => row.product === product));
      return [`${PRODUCT_NAMES[product]} ${alternatives(runs)}${clause}`];
    });
    if (choices.length > 0) return `Install ${choices.join(", or ")}`;
    const packs = jetPacksFor(capability).map((row) => row.jetpack);
    if (packs.length > 0) return `Use TensorRT of JetPack ${alternatives(packs)}, which is made for this GPU`;
  }
  return "Use --backend onnxruntime: trtd knows no TensorRT that it can drive on this GPU and platform";
}

/** The JetPack of a Jetson Linux release such as `36.4.3`, null when it is not known. */
export function jetPackOf(l4t: string): JetPackRow | null {
  const version = versionFromText(l4t);
  if (version === null) return null;
  return JETPACKS.find((row) => versionInRange(version, row.l4t.from, row.l4t.to)) ?? null;
}

/**
 * Values that `--targets` may have with this TensorRT-RTX, 75 to 121; empty for a version that takes none. A release
 * newer than the table has those of the last one.
 */
export function targetsFor(rtxVersion: string): readonly number[] {
  const version = versionFromText(rtxVersion);
  if (version === null) return [];
  const verdict = familyOf({ product: "tensorrt-rtx", version });
  if (verdict.family === null) return [];
  const row = RTX_TARGETS.find(({ from, to }) => versionInRange(version, from, to));
  return (row ?? RTX_TARGETS.at(-1)!).targets;
}
