/** What exporters of detectors write into `metadata_props`. */
import type { StringStringEntryProto } from "./proto.ts";
import { parseLiteral } from "./python_literal.ts";

/** Classes beyond this are a mistake in the metadata. */
const LABELS_MAX = 10_000;

/** Source of the keys: the ONNX export of Ultralytics, which YOLOv5 to YOLO26 share. */
export interface MetadataFacts {
  readonly labels: readonly string[] | null;
  readonly stride: number | null;
  readonly image_size: { readonly height: number; readonly width: number } | null;
  readonly task: string | null;
  readonly warnings: readonly string[];
}

/** `metadata_props` as a record; of equal keys the first counts. */
export function metadataRecord(props: readonly StringStringEntryProto[]): Record<string, string> {
  const record: Record<string, string> = Object.create(null);
  for (const { key = "", value = "" } of props) record[key] ??= value;
  return { ...record };
}

/** Read the known keys; what cannot be understood becomes a warning, never an error. */
export function metadataFacts(metadata: Readonly<Record<string, string>>): MetadataFacts {
  const warnings: string[] = [];
  const read = <T>(key: string, parse: (text: string) => T | null, expected: string): T | null => {
    if (!Object.hasOwn(metadata, key)) return null;
    const value = parse(metadata[key]!);
    if (value === null) warnings.push(`The metadata "${key}" is not ${expected}`);
    return value;
  };
  return {
    labels: read("names", labelsOf, "a list of names or a dict from 0, 1, ... to names"),
    stride: read("stride", strideOf, "a positive whole number"),
    image_size: read("imgsz", imageSizeOf, "[height, width]"),
    task: read("task", (text) => text.trim() === "" ? null : text.trim(), "a word"),
    warnings,
  };
}

const isPositive = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

function labelsOf(text: string): string[] | null {
  const value = parseLiteral(text);
  if (Array.isArray(value)) {
    const names = value.filter((name): name is string => typeof name === "string");
    return names.length === value.length && names.length > 0 && names.length <= LABELS_MAX ? names : null;
  }
  if (!(value instanceof Map) || value.size === 0) return null;
  const labels: string[] = [];
  for (const [key, name] of value) {
    const index = typeof key === "number" ? key : /^\d+$/.test(key) ? Number(key) : -1;
    if (!Number.isSafeInteger(index) || index < 0 || index >= LABELS_MAX || typeof name !== "string") return null;
    labels[index] = name;
  }
  return Array.from(labels, (name, index) => name ?? `class_${index}`);
}

/** A number, or a list of the strides of the feature maps of which the largest counts. */
function strideOf(text: string): number | null {
  const value = parseLiteral(text);
  const strides = Array.isArray(value) ? value : [value];
  return strides.length > 0 && strides.every(isPositive) ? Math.max(...strides) : null;
}

function imageSizeOf(text: string): { height: number; width: number } | null {
  const value = parseLiteral(text);
  if (isPositive(value)) return { height: value, width: value };
  if (!Array.isArray(value) || value.length !== 2) return null;
  const [height, width] = value;
  return isPositive(height) && isPositive(width) ? { height, width } : null;
}
