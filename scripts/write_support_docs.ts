/**
 * Write docs/tensorrt-gpu-support.md from the support table.
 *
 *     deno run -A scripts/write_support_docs.ts          write it
 *     deno run -A scripts/write_support_docs.ts --check  fail when it is out of date
 */
import { resolve } from "node:path";
import { rowsFor, supportedReleases } from "../src/tensorrt/support/install_advice.ts";
import {
  CAPABILITIES,
  CUDA_MAJORS,
  CUDA_TOOLKITS,
  DLA_RELEASES,
  JETPACKS,
  type Platform,
  PLATFORMS,
  type Precision,
  PRECISION_SINCE,
  REFUSALS,
  RTX_PRECISIONS,
  RTX_TARGETS,
  SUPPORT,
} from "../src/tensorrt/support/support_table.ts";
import { type Product, PRODUCT_NAMES } from "../src/tensorrt/versions.ts";

export const DOCUMENT = resolve(import.meta.dirname!, "..", "docs", "tensorrt-gpu-support.md");

type Cell = string | number;

const cell = (value: Cell): string => String(value).replaceAll("|", "\\|").replaceAll("\n", " ");

function table(head: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly Cell[]) => `| ${cells.map(cell).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

const yes = (value: boolean): string => value ? "yes" : "no";
const range = (from: string, to: string): string => from === to ? from : `${from} to ${to}`;

/** Releases for a GPU; `?` after them when nothing but unchecked rows says so. */
function releases(product: Product, capability: string, platform: Platform): string {
  const runs = supportedReleases(product, capability, platform);
  const rows = rowsFor(capability, platform).filter((row) => row.product === product);
  const sure = rows.some((row) => row.evidence !== "unchecked");
  return runs.length === 0 ? "none" : `${runs.join("; ")}${sure ? "" : " ?"}`;
}

function overview(): string {
  const columns: readonly (readonly [Product, Platform])[] = [
    ["tensorrt", "linux-x86_64"],
    ["tensorrt", "windows-x86_64"],
    ["tensorrt", "linux-aarch64"],
    ["tensorrt", "jetpack"],
    ["tensorrt-rtx", "linux-x86_64"],
    ["tensorrt-rtx", "windows-x86_64"],
  ];
  const head = columns.map(([product, platform]) => `${PRODUCT_NAMES[product]}, ${PLATFORMS[platform]}`);
  return table(
    ["Compute capability", "GPUs", ...head],
    CAPABILITIES.map(({ capability, devices }) => [
      capability,
      devices,
      ...columns.map(([product, platform]) => releases(product, capability, platform)),
    ]),
  );
}

const rowsTable = (): string =>
  table(
    ["Releases", "Platforms", "Compute capabilities", "CUDA builds", "Listed by NVIDIA", "Evidence", "Source", "Note"],
    SUPPORT.map((row) => [
      `${PRODUCT_NAMES[row.product]} ${range(row.from, row.to)}`,
      row.platforms.map((platform) => PLATFORMS[platform]).join(", "),
      row.capabilities.join(", "),
      row.cuda.join(", "),
      yes(row.listed),
      row.evidence,
      row.source,
      row.note ?? "",
    ]),
  );

const refusalsTable = (): string =>
  table(
    ["Releases", "Platforms", "Compute capabilities", "Because", "Evidence", "Source"],
    REFUSALS.map((row) => [
      `${PRODUCT_NAMES[row.product]} ${range(row.from, row.to)}`,
      row.platforms?.map((platform) => PLATFORMS[platform]).join(", ") ?? "all",
      range(row.min, row.max),
      row.because,
      row.evidence,
      row.source,
    ]),
  );

const PRECISIONS = ["tf32", "fp16", "bf16", "int8", "fp8", "fp4", "dla"] as const;

const precisionTable = (): string =>
  table(
    ["Compute capability", "GPUs", "TF32", "FP16", "BF16", "INT8", "FP8", "FP4", "DLA", "CUDA", "Evidence", "Source"],
    CAPABILITIES.map((row) => [
      row.capability,
      row.devices,
      ...PRECISIONS.map((precision) => yes(row[precision])),
      row.cudaMaxMajor === null ? `${row.cudaMin} or later` : `${row.cudaMin} to ${row.cudaMaxMajor}.x`,
      row.evidence,
      row.source,
    ]),
  );

/** The whole document. */
export function supportDocument(): string {
  const since = (Object.entries(PRECISION_SINCE) as [Precision, string][]).map(([name, from]) => [name, from]);
  return `# TensorRT and GPUs

<!-- Written by scripts/write_support_docs.ts from src/tensorrt/support/support_table.ts; change the table, not this file. -->

Which release of TensorRT or TensorRT-RTX runs on which GPU, as trtd judges it before a build. trtd drives TensorRT 8.5
to 11.4 and TensorRT-RTX 1.3 to 1.7.

Each row has a source and says how well it is founded:

- documented: NVIDIA says so.
- measured: trtd's authors saw it on a library.
- reported: users said so in public.
- unchecked: inferred or remembered; it may be wrong.

A pair that is in no row is refused; \`--force\` tries it all the same.

## By GPU

A release counts when any patch of it supports the GPU: the rows below say from which on. \`?\` marks what is unchecked.

${overview()}

## Rows

${rowsTable()}

## Pairs that are known to fail

${refusalsTable()}

## Precisions

What the GPU can compute:

${precisionTable()}

TensorRT must also know the type (bf16 is missing again in 9.2):

${table(["Precision", "First TensorRT"], since)}

TensorRT-RTX computes (INT8 for weights only):

${
    table(
      ["Compute capability", "Precisions"],
      Object.entries(RTX_PRECISIONS).map(([name, list]) => [name, list.join(", ")]),
    )
  }

From TensorRT 11 on, and with TensorRT-RTX, the precision is that of the model: convert the model first.

A DLA can be used with:

${
    table(
      ["TensorRT", "Compute capabilities", "Source"],
      DLA_RELEASES.map((row) => [range(row.from, row.to), row.capabilities.join(", "), row.source]),
    )
  }

## JetPack

${
    table(
      ["JetPack", "Jetson Linux", "TensorRT", "CUDA", "Compute capabilities", "Evidence", "Source"],
      JETPACKS.map((row) => [
        row.jetpack,
        range(row.l4t.from, row.l4t.to),
        row.tensorrt,
        row.cuda,
        row.capabilities.join(", "),
        row.evidence,
        row.source,
      ]),
    )
  }

## CUDA and drivers

A build of TensorRT for a CUDA major needs at least this driver:

${
    table(
      ["CUDA", "Linux", "Windows", "Source"],
      CUDA_MAJORS.map((row) => [`${row.major}.x`, row.linux, row.windows, row.source]),
    )
  }

Below the driver that a toolkit came with, code that is compiled at run time may be refused (CUDA error 222):

${
    table(
      ["CUDA", "Linux", "Windows"],
      CUDA_TOOLKITS.map((row) => [row.cuda, row.linux, row.windows ?? "none came with it"]),
    )
  }

Source: CUDA 13.2 release notes.

## Targets of TensorRT-RTX

\`trtd build-engine --targets\` takes, on any machine, with a GPU or without:

${
    table(
      ["TensorRT-RTX", "Targets", "Source"],
      RTX_TARGETS.map((row) => [range(row.from, row.to), row.targets.join(", "), row.source]),
    )
  }
`;
}

/** What is wrong with the text of the document, null when it is up to date. */
export function outOfDate(text: string | null): string | null {
  if (text === supportDocument()) return null;
  const what = text === null ? "is missing" : "is out of date";
  return `docs/tensorrt-gpu-support.md ${what}; run deno run -A scripts/write_support_docs.ts`;
}

if (import.meta.main) {
  if (Deno.args.includes("--check")) {
    const problem = outOfDate(await Deno.readTextFile(DOCUMENT).catch(() => null));
    if (problem !== null) {
      console.error(problem);
      Deno.exit(1);
    }
  } else {
    await Deno.mkdir(resolve(DOCUMENT, ".."), { recursive: true });
    await Deno.writeTextFile(DOCUMENT, supportDocument());
  }
}
