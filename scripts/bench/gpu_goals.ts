/** The goals for speed on a GPU, and what was measured against them. Source of the bounds: issue 6, section 4. */
import { COPY_WAYS, type CopyReport } from "./gpu_copies_ways.ts";

/** The figures of `trtd bench --json` that goals are about; one subject's report. */
export interface StageFigures {
  readonly inference_to_bare: Range | null;
  readonly pixels_beyond_bare_ms: Range | null;
  readonly stages_ms: Readonly<Partial<Record<string, { readonly p50: number }>>>;
  readonly throughput: readonly {
    readonly batch: number;
    readonly lanes: number;
    readonly pixels_per_s: Range | null;
  }[];
}

export interface Range {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

/** JPEG to boxes beside the Python program. */
export interface RivalFigures {
  readonly ours_to_rival: Range;
  readonly agreement: { readonly found: readonly [number, number]; readonly matched: number };
}

/** Seconds from the start of a process to its first detection. */
export interface StartFigures {
  readonly warm_s: Range;
  /** Without the cache of compiled kernels. */
  readonly cold_s: Range | null;
}

/** Of one model; null where a part failed or was left out. */
export interface ModelFigures {
  /** With frames of the model's own size. */
  readonly stages: StageFigures | null;
  /** With frames of 1280x720. */
  readonly beside?: StageFigures | null;
  readonly rival: RivalFigures | null;
}

/** What the parts brought. */
export interface GpuFigures {
  readonly s: ModelFigures;
  readonly n: ModelFigures;
  readonly start: StartFigures | null;
  /** Ways to copy frames, of YOLOv8s. @default not measured */
  readonly copies?: CopyReport | null;
}

export interface GpuGoal {
  readonly id: string;
  readonly summary: string;
  readonly unit: "ratio" | "ms" | "s" | "1/s";
  readonly better: "lower" | "higher";
  /** Null when the figure only informs. */
  readonly bound: number | null;
  /** Null when it was not measured. */
  readonly measured: (figures: GpuFigures) => Range | null;
}

const MODELS = [
  { key: "s", name: "YOLOv8s 640x1152 fp16", beyondMs: 0.35 },
  { key: "n", name: "YOLOv8n 640x640 fp16", beyondMs: 0.25 },
] as const;

const alone = (value: number | undefined): Range | null =>
  value === undefined ? null : { median: value, lowest: value, highest: value };

/** Pictures a second of a batch from RGB, with one run at once, or the most over all. */
function rateOf(figures: StageFigures | null, batch: number, lanes: number | "best"): Range | null {
  const rates = (figures?.throughput ?? [])
    .filter((cell) => cell.batch === batch && (lanes === "best" || cell.lanes === lanes))
    .flatMap(({ pixels_per_s }) => pixels_per_s === null ? [] : [pixels_per_s]);
  return rates.sort((a, b) => b.median - a.median)[0] ?? null;
}

function gain(figures: StageFigures | null): Range | null {
  const [one, eight] = [rateOf(figures, 1, 1), rateOf(figures, 8, 1)];
  return one === null || eight === null ? null : alone(eight.median / one.median);
}

/** A comparison with a program that finds other boxes would be one of different work. */
const SAME_SHARE = 0.95;

function rivalRatio(rival: RivalFigures | null): Range | null {
  if (rival === null) return null;
  const { found, matched } = rival.agreement;
  return matched >= SAME_SHARE * Math.max(...found) ? rival.ours_to_rival : null;
}

export const GPU_GOALS: readonly GpuGoal[] = [
  ...MODELS.flatMap(({ key, name, beyondMs }): GpuGoal[] => [
    {
      id: `inference_${key}`,
      summary: `${name}: inference / bare engine as a CUDA graph`,
      unit: "ratio",
      better: "lower",
      bound: 1.03,
      measured: (figures) => figures[key].stages?.inference_to_bare ?? null,
    },
    {
      id: `pixels_${key}`,
      summary: `${name}: RGB of the model's size in host memory to boxes, beyond the bare engine`,
      unit: "ms",
      better: "lower",
      bound: beyondMs,
      measured: (figures) => figures[key].stages?.pixels_beyond_bare_ms ?? null,
    },
    {
      id: `pixels_720p_${key}`,
      summary: `${name}: the same with RGB of 1280x720`,
      unit: "ms",
      better: "lower",
      bound: null,
      measured: (figures) => figures[key].beside?.pixels_beyond_bare_ms ?? null,
    },
    {
      id: `letterbox_${key}`,
      summary: `${name}: letterbox`,
      unit: "ms",
      better: "lower",
      bound: 0.05,
      measured: (figures) => alone(figures[key].stages?.stages_ms["letterbox"]?.p50),
    },
    {
      id: `postprocess_${key}`,
      summary: `${name}: decode + NMS`,
      unit: "ms",
      better: "lower",
      bound: 0.15,
      measured: (figures) => alone(figures[key].stages?.stages_ms["postprocess"]?.p50),
    },
    {
      id: `batch8_${key}`,
      summary: `${name}: pictures a second, batch 8 / batch 1, one run at once`,
      unit: "ratio",
      better: "higher",
      bound: 2,
      measured: (figures) => gain(figures[key].stages),
    },
    {
      id: `batch16_${key}`,
      summary: `${name}: pictures a second from RGB at batch 16`,
      unit: "1/s",
      better: "higher",
      bound: 3000,
      measured: (figures) => rateOf(figures[key].stages, 16, "best"),
    },
    {
      id: `python_${key}`,
      summary: `${name}: JPEG (1280x720) to boxes, trtd / Python`,
      unit: "ratio",
      better: "lower",
      bound: 0.6,
      measured: (figures) => rivalRatio(figures[key].rival),
    },
  ]),
  {
    id: "start_warm",
    summary: "YOLOv8s: start of a process to its first detection, caches warm",
    unit: "s",
    better: "lower",
    bound: 1.5,
    measured: ({ start }) => start?.warm_s ?? null,
  },
  {
    id: "start_cold",
    summary: "YOLOv8s: the same without compiled kernels",
    unit: "s",
    better: "lower",
    bound: null,
    measured: ({ start }) => start?.cold_s ?? null,
  },
  ...COPY_WAYS.map(({ id, batch, summary }): GpuGoal => ({
    id: `copies_${id}`,
    summary:
      `YOLOv8s 640x1152 fp16, one run at once: pictures a second, batch ${batch}, frames copied ${summary} / batch 1`,
    unit: "ratio",
    better: "higher",
    bound: null,
    measured: ({ copies }) => copies?.ways.find((way) => way.id === id)?.to_single ?? null,
  })),
];

/** One line of the answer. */
export interface GpuGoalRow {
  readonly id: string;
  readonly summary: string;
  /** `<= 1.03`, null for a figure without a goal. */
  readonly goal: string | null;
  readonly unit: GpuGoal["unit"];
  readonly measured: Range | null;
  /** Null without a goal, and where it was not measured. */
  readonly met: boolean | null;
}

export const goalRows = (figures: GpuFigures): GpuGoalRow[] =>
  GPU_GOALS.map(({ id, summary, unit, better, bound, measured: measure }) => {
    const measured = measure(figures);
    const isMet = (value: number) => better === "lower" ? value <= bound! : value >= bound!;
    return {
      id,
      summary,
      unit,
      goal: bound === null ? null : `${better === "lower" ? "<=" : ">="} ${bound}`,
      measured,
      met: bound === null || measured === null ? null : isMet(measured.median),
    };
  });

/** A Markdown table: goal, measured with its range over the rounds, met or missed. */
export function goalTable(rows: readonly GpuGoalRow[]): string {
  const lines = rows.map(({ summary, goal, unit, measured, met }) => [
    summary,
    goal === null ? "" : `${goal}${unitText(unit)}`,
    measured === null ? "not measured" : figureText(measured, unit),
    met === null ? "" : met ? "met" : "MISSED",
  ]);
  return [["", "goal", "measured", ""], ["---", "---", "---", "---"], ...lines]
    .map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

const unitText = (unit: GpuGoal["unit"]): string => ({ ratio: "x", ms: " ms", s: " s", "1/s": " a second" })[unit];

function figureText({ median, lowest, highest }: Range, unit: GpuGoal["unit"]): string {
  const text = (value: number) => unit === "1/s" ? value.toFixed(0) : value.toFixed(unit === "s" ? 2 : 3);
  const range = lowest === highest ? "" : ` (${text(lowest)} to ${text(highest)})`;
  return `${text(median)}${unitText(unit)}${range}`;
}
