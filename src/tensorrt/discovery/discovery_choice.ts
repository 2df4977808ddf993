/** Which of several TensorRT libraries is used, and why. */
import type { Origin } from "./discovery_folders.ts";
import type { LibraryKind } from "./discovery_names.ts";
import { compareVersions, type Product, PRODUCT_NAMES, type Version, versionText } from "../versions.ts";

/** What the choice looks at. */
export interface Candidate {
  readonly path: string;
  readonly product: Product;
  readonly kind: LibraryKind;
  readonly version: Version | null;
  /** Whether an ONNX parser is there, without which nothing can be built. */
  readonly parser: boolean;
  readonly origin: Origin;
  readonly via: string;
  /** Why it cannot be used here, null when it can. */
  readonly refusal: string | null;
}

export interface Choice {
  /** Index of the candidate, null when none can be used. */
  readonly index: number | null;
  /** A sentence; for none, why not. */
  readonly reason: string;
  /** Better candidates by place that were passed over. */
  readonly passed: readonly { readonly index: number; readonly reason: string }[];
}

const PLACES: readonly Origin[] = ["named", "loader", "usual", "python"];

/**
 * The best usable library: one that was named before all others, then one that can build, then by place in the order
 * of the search, then TensorRT before TensorRT-RTX, then the newest.
 * @param named whether the user named a place: then nothing else is taken
 */
export function chooseTensorRt(candidates: readonly Candidate[], named = false): Choice {
  const order = candidates.map((candidate, index) => ({ candidate, index }))
    .filter(({ candidate }) => !named || candidate.origin === "named")
    .sort((a, b) => better(a.candidate, b.candidate) || a.index - b.index);
  const at = order.findIndex(({ candidate }) => candidate.refusal === null);
  const passed = (at < 0 ? order : order.slice(0, at))
    .map(({ candidate, index }) => ({ index, reason: candidate.refusal! }));
  if (at < 0) {
    const where = named ? " where --tensorrt points" : "";
    const reason = order.length === 0
      ? `No TensorRT was found${where}`
      : `None of ${order.length} found can be used${where}`;
    return { index: null, reason, passed };
  }
  const { candidate, index } = order[at]!;
  return {
    index,
    reason: reasonFor(candidate, order.slice(at + 1).map((one) => one.candidate), passed.length),
    passed,
  };
}

const builds = ({ kind, parser }: Candidate): boolean => kind === "full" && parser;

function better(a: Candidate, b: Candidate): number {
  return Number(b.origin === "named") - Number(a.origin === "named") || Number(builds(b)) - Number(builds(a)) ||
    PLACES.indexOf(a.origin) - PLACES.indexOf(b.origin) ||
    Number(a.product === "tensorrt-rtx") - Number(b.product === "tensorrt-rtx") ||
    (a.version === null || b.version === null ? 0 : compareVersions(b.version, a.version));
}

function reasonFor(chosen: Candidate, others: readonly Candidate[], passed: number): string {
  const name = `${PRODUCT_NAMES[chosen.product]} ${chosen.version === null ? "" : versionText(chosen.version)}`.trim();
  const only = others.length === 0 && passed === 0;
  const rival = others.find((other) => other.refusal === null);
  const why = only
    ? "the only one found"
    : chosen.origin === "named"
    ? "the one that --tensorrt names"
    : rival === undefined
    ? "the only one that can be used"
    : builds(chosen) && !builds(rival)
    ? "the first that can build engines"
    : chosen.origin !== rival.origin
    ? `found by ${chosen.via}, before ${rival.via}`
    : chosen.product !== rival.product
    ? "TensorRT goes before TensorRT-RTX"
    : "the newest there";
  return `${name} is used: ${why}`;
}
