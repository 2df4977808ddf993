/** What `trtd inspect` says of an engine file. */
import { type PlanHeader, planProducer } from "./plan_header.ts";
import { compareVersions, familyOf, type Product, type Release, releaseText } from "../versions.ts";

/** An engine's entry of `--json`. */
export interface PlanInspection {
  readonly kind: "engine";
  readonly product: Product;
  /** For example `10.16.1.11`, null when the plan does not tell. */
  readonly version: string | null;
  /** Bytes of the plan itself. */
  readonly plan_bytes: number;
  /** Bytes before it. */
  readonly plan_offset: number;
  readonly platform_tag: number;
  readonly entries: number;
  readonly ultralytics: Readonly<Record<string, unknown>> | null;
  /** What a reader should know before loading it. */
  readonly remarks: readonly string[];
  /** What each installed TensorRT would say to it. */
  readonly verdicts: readonly PlanVerdict[];
}

/** `loads` is false where the runtime refuses the plan for its version, and null where the plan's head cannot tell. */
export interface PlanVerdict {
  readonly library: string;
  readonly loads: boolean | null;
  readonly reason: string;
}

const ENGINE_NAME = /\.(?:engine|plan|trt)$/i;

/** Whether a file is meant as an engine: by its name, or by its first bytes. */
export function isEngineFile(name: string, bytes: Uint8Array): boolean {
  const magic = String.fromCharCode(...bytes.subarray(0, 4));
  const json = bytes.length > 6 && bytes[3] === 0 && bytes[4] === 0x7b;
  return ENGINE_NAME.test(name) || magic === "ftrt" || magic === "vtrt" || json;
}

/**
 * An engine's facts for people and programs.
 * @param installed the TensorRT libraries of this machine, for the verdicts
 */
export function planInspection(header: PlanHeader, installed: readonly Release[] = []): PlanInspection {
  const { product, version } = header;
  return {
    kind: "engine",
    product,
    version: version === null ? null : planProducer(header).split(" ").at(-1)!,
    plan_bytes: header.planBytes,
    plan_offset: header.planOffset,
    platform_tag: header.platformTag,
    entries: header.entries,
    ultralytics: header.ultralytics,
    remarks: remarksOn(header),
    verdicts: installed.map((release) => planVerdict(header, release)),
  };
}

function remarksOn({ product, version, platformTag, ultralytics, planOffset }: PlanHeader): string[] {
  const remarks: string[] = [];
  if (ultralytics !== null) {
    remarks.push(`TensorRT refuses the file as it is: the plan begins after ${planOffset} bytes of metadata`);
  }
  if (platformTag !== 0) remarks.push(`The plan is for another platform than Linux (tag ${platformTag})`);
  if (version === null) remarks.push("The plan names no version, as those of TensorRT 8.5 and older");
  else if (familyOf({ product, version }).family === null) remarks.push("trtd does not drive this version");
  remarks.push(
    product === "tensorrt-rtx"
      ? "Only the same version of TensorRT-RTX loads it"
      : "Only the same version of TensorRT loads it, unless it was built version-compatible; only GPUs of the same " +
        "compute capability, unless it was built hardware-compatible",
  );
  return remarks;
}

/** What a TensorRT would say to the plan, as far as its head tells. */
export function planVerdict({ product, version, ultralytics }: PlanHeader, release: Release): PlanVerdict {
  const library = releaseText(release);
  const verdict = (loads: boolean | null, reason: string): PlanVerdict => ({ library, loads, reason });
  if (release.product !== product) return verdict(false, "It is the other product");
  if (ultralytics !== null) return verdict(false, "The metadata before the plan must be cut off");
  if (version === null) return verdict(null, "The plan names no version");
  const build = release.version.build === null ? null : release.version.build & 0xff;
  if (compareVersions(version, { ...release.version, build }) === 0) return verdict(true, "It is the same version");
  if (product === "tensorrt-rtx") return verdict(false, "TensorRT-RTX loads plans of its own version only");
  const { major } = release.version;
  const forward = compareVersions(version, release.version) < 0 && major - version.major <= 2 && version.major >= 8 &&
    !(version.major === 8 && major > 10);
  return forward
    ? verdict(null, "It loads when the plan was built version-compatible")
    : verdict(false, "The plan is of a newer version, or of one too old");
}

/** Title and text of each line for people; more lines of a title have an empty one. */
export function planInspectionLines(inspection: PlanInspection): [title: string, text: string][] {
  const { product, version, ultralytics, plan_bytes, plan_offset, remarks, verdicts } = inspection;
  const metadata = ultralytics === null ? "none" : Object.keys(ultralytics).slice(0, 20).join(", ");
  const titled = (title: string, texts: readonly string[]) =>
    texts.map((text, index): [string, string] => [index === 0 ? title : "", text]);
  return [
    [
      "kind",
      `engine of ${product === "tensorrt" ? "TensorRT" : "TensorRT-RTX"}${version === null ? "" : ` ${version}`}`,
    ],
    ["plan", `${plan_bytes} bytes${plan_offset === 0 ? "" : ` after ${plan_offset} bytes of metadata`}`],
    ["metadata", metadata],
    ...titled("remarks", remarks),
    ...titled(
      "here",
      verdicts.map(({ library, loads, reason }) => {
        const word = loads === null ? "may load it" : loads ? "loads it" : "refuses it";
        return `${library} ${word}: ${reason}`;
      }),
    ),
  ];
}
