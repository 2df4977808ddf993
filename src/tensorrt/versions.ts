/** Version numbers of TensorRT, TensorRT-RTX, CUDA and drivers. */

export type Product = "tensorrt" | "tensorrt-rtx";

/** Rows of the shim's slot table, which drive libraries alike. */
export type Family = "8.5" | "8.6" | "10" | "11" | "rtx-1.3" | "rtx-1.5";

/** A release; parts that are not known are 0, an unknown build is null. */
export interface Version {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  readonly build: number | null;
}

/** A library as it reports itself. */
export interface Release {
  readonly product: Product;
  readonly version: Version;
}

export const PRODUCT_NAMES: Readonly<Record<Product, string>> = {
  tensorrt: "TensorRT",
  "tensorrt-rtx": "TensorRT-RTX",
};

interface FamilyRow {
  readonly family: Family;
  readonly product: Product;
  /** First release, `major.minor`. */
  readonly from: string;
  /** Last release that the family's tables were read from, `major.minor`. */
  readonly to: string;
  readonly source: string;
}

/** Which releases share an ABI. */
export const FAMILIES: readonly FamilyRow[] = [
  { family: "8.5", product: "tensorrt", from: "8.5", to: "8.5", source: "headers of NVIDIA/TensorRT 8.5.1 to 8.5.3" },
  { family: "8.6", product: "tensorrt", from: "8.6", to: "9.3", source: "headers of NVIDIA/TensorRT v8.6.0 to v9.3.0" },
  {
    family: "10",
    product: "tensorrt",
    from: "10.0",
    to: "10.16",
    source: "headers of NVIDIA/TensorRT v10.0.0 to v10.16",
  },
  {
    family: "11",
    product: "tensorrt",
    from: "11.0",
    to: "11.4",
    source: "headers of NVIDIA/TensorRT v11.0 and v11.1, lean library 11.4.0",
  },
  {
    family: "rtx-1.3",
    product: "tensorrt-rtx",
    from: "1.3",
    to: "1.4",
    source: "headers of TensorRT-RTX 1.3 and 1.4, library 1.4.0.76",
  },
  {
    family: "rtx-1.5",
    product: "tensorrt-rtx",
    from: "1.5",
    to: "1.7",
    source: "headers of TensorRT-RTX 1.5 and 1.6, library 1.7.1.116",
  },
];

/**
 * What `getInferLibVersion()` means, null for a number that no library reports.
 *
 * TensorRT 4 to 9 count major * 1000 + minor * 100 + patch (8601 is 8.6.1). TensorRT 10 and later count
 * major * 10000 + minor * 100 + patch (101601 is 10.16.1), and so does TensorRT-RTX (10701 is 1.7.1), whose major is
 * below 10. Source: `NV_TENSORRT_VERSION` in NvInferVersion.h of 8.5 to 11.1; 10701, 101601, 110400 seen on libraries.
 */
export function releaseFromLibraryNumber(number: number): Release | null {
  if (!Number.isSafeInteger(number) || number < 1000 || number > 999_999) return null;
  const factor = number < 10_000 ? 1000 : 10_000;
  const major = Math.floor(number / factor);
  const version: Version = {
    major,
    minor: Math.floor(number % factor / 100),
    patch: number % 100,
    build: null,
  };
  return { product: factor === 10_000 && major < 10 ? "tensorrt-rtx" : "tensorrt", version };
}

const VERSION = /^\s*v?(\d{1,6})(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?(?:\.(\d{1,9}))?(?![\d.])/;

/** The version at the start of a text such as `8.6.1.6`, `10.13`, `570.124.06` or `36.4.3-2024`; null without one. */
export function versionFromText(text: string): Version | null {
  const match = VERSION.exec(text);
  if (match === null) return null;
  const [, major, minor, patch, build] = match;
  return {
    major: Number(major),
    minor: Number(minor ?? 0),
    patch: Number(patch ?? 0),
    build: build === undefined ? null : Number(build),
  };
}

/** `10.16.1`, with the build number when it is known `10.16.1.11`. */
export function versionText({ major, minor, patch, build }: Version): string {
  return [major, minor, patch, ...build === null ? [] : [build]].join(".");
}

/** `TensorRT 10.16.1`. */
export function releaseText({ product, version }: Release): string {
  return `${PRODUCT_NAMES[product]} ${versionText(version)}`;
}

/** Negative when `a` is older; an unknown build equals any. */
export function compareVersions(a: Version, b: Version): number {
  const build = a.build === null || b.build === null ? 0 : a.build - b.build;
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch || build;
}

/** Whether a version lies in `from` to `to`, both included; `to` covers all that begins with it (10.7 has 10.7.3). */
export function versionInRange(version: Version, from: string, to: string): boolean {
  const first = versionFromText(from);
  const last = versionFromText(to);
  if (first === null || last === null) return false;
  const parts = to.split(".").length;
  const cut: Version = {
    major: version.major,
    minor: parts > 1 ? version.minor : 0,
    patch: parts > 2 ? version.patch : 0,
    build: null,
  };
  return compareVersions(version, first) >= 0 && compareVersions(cut, { ...last, build: null }) <= 0;
}

/** How well trtd knows a release. */
export type FamilyVerdict =
  | { readonly family: Family; readonly known: true }
  /** Newer than the tables, of a major that they know: the nearest row, to be checked before use. */
  | { readonly family: Family; readonly known: false }
  | { readonly family: null; readonly known: false; readonly why: "older" | "newer" };

/** The family that drives a release. */
export function familyOf({ product, version }: Release): FamilyVerdict {
  const rows = FAMILIES.filter((row) => row.product === product);
  const row = rows.find(({ from, to }) => versionInRange(version, from, to));
  if (row !== undefined) return { family: row.family, known: true };
  const sameMajor = rows.findLast((candidate) => {
    const last = versionFromText(candidate.to)!;
    return last.major === version.major && compareVersions(version, last) > 0;
  });
  if (sameMajor !== undefined) return { family: sameMajor.family, known: false };
  const newest = versionFromText(rows.at(-1)!.to)!;
  return { family: null, known: false, why: compareVersions(version, newest) > 0 ? "newer" : "older" };
}
