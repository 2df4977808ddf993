/** The facts of a model or an engine as text for people. */
import type { Ability } from "../../onnx/abilities.ts";
import type { ValueSpec } from "../../onnx/model_facts.ts";
import { plainText, quoted, shortText } from "../../onnx/quoted.ts";
import { planInspectionLines } from "../../tensorrt/engine_file/plan_inspection.ts";
import type { EngineInspection, Inspection } from "./inspect.ts";

const TITLE_COLUMNS = 13;
const LINE_COLUMNS = 100;
/** Symbolic names can be whole formulas. */
const DIM_COLUMNS = 24;
const LABEL_COLUMNS = 32;

/** Lines of `title  text`, aligned; long lists go on in the next line. */
export function inspectionText(one: Inspection): string {
  return [one.file, ...rowsOf(one).flatMap(([title, lines]) => rowLines(title, lines))].join("\n");
}

/** The same for an engine. */
export function engineText(one: EngineInspection): string {
  const digests: [string, string][] = [
    ["size", `${sizeText(one.bytes)} (${grouped(one.bytes)} bytes)`],
    ["sha256", one.sha256],
    ["md5", one.md5],
  ];
  const nowhere: [string, string][] = one.verdicts.length > 0 ? [] : [["here", "no TensorRT is found on this machine"]];
  const lines = [...digests, ...planInspectionLines(one), ...nowhere].flatMap(([title, text]) =>
    rowLines(title, [plainText(text)])
  );
  return [one.file, ...lines].join("\n");
}

type Row = readonly [title: string, lines: readonly string[]];

function rowsOf(one: Inspection): Row[] {
  const opsets = Object.entries(one.opsets).map(([domain, version]) => `${plainText(domain)} ${version}`);
  const { int64, weights } = one;
  const types = Object.entries(weights.types).sort(([, a], [, b]) => b - a).map(([type, count]) =>
    `${grouped(count)} ${type}`
  ).join(", ");
  return [
    ["size", [`${sizeText(one.bytes)} (${grouped(one.bytes)} bytes)`]],
    ["sha256", [one.sha256]],
    ["md5", [one.md5]],
    ["producer", [plainText(`${one.producer.name} ${one.producer.version}`.trim()) || "unknown"]],
    ["IR version", [String(one.ir_version)]],
    ["opsets", wrapped(opsets)],
    ["graph", [`${quoted(one.graph)}, ${counted(one.nodes, "node")}`]],
    ["constants", [`${counted(weights.tensors, "tensor")}${types === "" ? "" : `: ${types}`}`]],
    ["int64", [
      `${counted(int64.tensors, "tensor")}, ${counted(int64.elements, "element")}, ${
        grouped(int64.outside_int32)
      } outside INT32`,
    ]],
    ["inputs", specLines(one.inputs)],
    ["outputs", specLines(one.outputs)],
    ["dynamic axes", dynamicLines(one)],
    ["operators", wrapped(Object.entries(one.operators).map(([name, count]) => `${count} ${plainText(name)}`))],
    ["custom", customLines(one)],
    ["metadata", metadataLines(one)],
    ["head", headLines(one)],
    ...one.backends.map((ability): Row => [ability.backend, abilityLines(ability)]),
  ];
}

function rowLines(title: string, lines: readonly string[]): string[] {
  return (lines.length === 0 ? ["none"] : lines).map((line, index) =>
    `  ${(index === 0 ? title : "").padEnd(TITLE_COLUMNS)}${line}`
  );
}

const counted = (count: number, one: string): string => `${grouped(count)} ${one}${count === 1 ? "" : "s"}`;
const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ",");
function sizeText(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

function specLines(specs: readonly ValueSpec[]): string[] {
  const width = Math.max(0, ...specs.map(({ name }) => quoted(name).length));
  return specs.map(({ name, type, dims, has_shape: hasShape }) => {
    const shape = dims.map((dim) => typeof dim === "string" ? shortText(dim, DIM_COLUMNS) : dim === -1 ? "?" : dim);
    return `${quoted(name).padEnd(width)}  ${type} ${hasShape ? `[${shape.join(", ")}]` : "of unknown shape"}`;
  });
}

function dynamicLines({ dynamic_axes: axes }: Inspection): string[] {
  return wrapped(
    axes.map(({ tensor, axis, name }) =>
      `${quoted(tensor)} axis ${axis}${name === null ? "" : ` (${shortText(name, DIM_COLUMNS)})`}`
    ),
  );
}

function customLines({ custom_operators: custom }: Inspection): string[] {
  return wrapped(
    custom.map(({ domain, name, count }) =>
      `${count} ${plainText(name)}${domain === "" ? "" : ` of ${quoted(domain)}`}`
    ),
  );
}

function metadataLines(one: Inspection): string[] {
  const { task, stride, image_size: size, labels, metadata, warnings } = one;
  const known = [
    ...(task === null ? [] : [`task ${plainText(task)}`]),
    ...(stride === null ? [] : [`stride ${stride}`]),
    ...(size === null ? [] : [`imgsz ${size.height}x${size.width}`]),
    ...(labels === null ? [] : [`${labels.length} names`]),
  ];
  const keys = Object.keys(metadata).filter((key) => !["task", "stride", "imgsz", "names"].includes(key));
  return [
    ...(known.length === 0 ? [] : [known.join(", ")]),
    ...(labels === null ? [] : wrapped(labels.map((label) => shortText(label, LABEL_COLUMNS)))),
    ...keys.map((key) => shortText(`${key}: ${metadata[key]}`, LINE_COLUMNS - TITLE_COLUMNS)),
    ...warnings,
  ];
}

function headLines({ head }: Inspection): string[] {
  if ("error" in head) return sentence(`${head.error.code}: ${plainText(head.error.detail)}`);
  const { input } = head;
  const classes = head.classes === null ? "classes unknown" : `${head.classes} classes`;
  return [`${head.name}, ${classes}, pictures ${input.width}x${input.height}, batch ${input.batch ?? "dynamic"}`];
}

const RUNS = { yes: "runs it", conditional: "runs it under conditions", no: "does not run it as it is" } as const;

function abilityLines({ runs, remarks }: Ability): string[] {
  return [
    RUNS[runs],
    ...remarks.flatMap(({ kind, detail }) => sentence(`- ${kind === "note" ? "" : `${kind}: `}${detail}`)),
  ];
}

function wrapped(items: readonly string[]): string[] {
  const lines: string[] = [];
  for (const item of items) {
    const last = lines.at(-1);
    if (last !== undefined && TITLE_COLUMNS + last.length + item.length + 4 <= LINE_COLUMNS) {
      lines[lines.length - 1] = `${last}, ${item}`;
    } else {
      if (last !== undefined) lines[lines.length - 1] = `${last},`;
      lines.push(item);
    }
  }
  return lines;
}

/** Words in lines; further lines are indented. */
function sentence(text: string): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.at(-1)!;
    if (TITLE_COLUMNS + last.length + word.length + 3 <= LINE_COLUMNS) {
      lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
    } else {
      lines.push(`  ${word}`);
    }
  }
  return lines.filter((line) => line !== "");
}
