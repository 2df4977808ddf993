/**
 * Proves that the header, the FFI tables and the export map of libtrtd agree: functions by name, order, C types,
 * parameter names, FFI types and result; enums by order and value; records by field, type, place and size.
 *
 *     deno run -A scripts/check_abi.ts
 */

import { join, resolve } from "node:path";
import * as enums from "../ffi/enums.ts";
import { layoutOf, type RecordName, records } from "../ffi/records.ts";
import { ABI_VERSION, symbols } from "../ffi/symbols.ts";

const ROOT = resolve(import.meta.dirname!, "..");

interface CParameter {
  readonly type: string;
  readonly name: string;
}

interface CFunction {
  readonly name: string;
  readonly result: string;
  readonly parameters: readonly CParameter[];
  readonly documented: boolean;
}

interface CField {
  readonly type: string;
  readonly name: string;
  readonly count: number;
}

/** Declarations of trtd.h. */
export interface Header {
  readonly abiVersion: number;
  readonly functions: readonly CFunction[];
  readonly enums: ReadonlyMap<string, readonly (readonly [string, number])[]>;
  readonly structs: ReadonlyMap<string, { readonly fields: readonly CField[]; readonly size: number | undefined }>;
}

/** The TypeScript name of each C enum and the prefix of its entries. */
const ENUMS: Record<string, readonly [name: keyof typeof enums, prefix: string]> = {
  trtd_status: ["Status", "TRTD_"],
  trtd_origin: ["Origin", "TRTD_ORIGIN_"],
  trtd_severity: ["Severity", "TRTD_SEVERITY_"],
  trtd_event_kind: ["EventKind", "TRTD_EVENT_"],
  trtd_product: ["Product", "TRTD_PRODUCT_"],
  trtd_library_kind: ["LibraryKind", "TRTD_LIBRARY_"],
  trtd_family: ["Family", "TRTD_FAMILY_"],
  trtd_evidence: ["Evidence", "TRTD_EVIDENCE_"],
  trtd_open_flag: ["OpenFlag", "TRTD_OPEN_"],
  trtd_create_flag: ["CreateFlag", "TRTD_CREATE_"],
  trtd_part: ["Part", "TRTD_PART_"],
  trtd_type: ["ElementType", "TRTD_TYPE_"],
  trtd_mode: ["Mode", "TRTD_MODE_"],
  trtd_selector: ["Selector", "TRTD_SELECTOR_"],
  trtd_flag: ["Flag", "TRTD_FLAG_"],
  trtd_pool: ["Pool", "TRTD_POOL_"],
  trtd_option: ["Option", "TRTD_OPTION_"],
  trtd_runtime_option: ["RuntimeOption", "TRTD_RUNTIME_"],
  trtd_context_flag: ["ContextFlag", "TRTD_CONTEXT_"],
  trtd_layout: ["Layout", "TRTD_LAYOUT_"],
  trtd_box_flag: ["BoxFlag", "TRTD_BOX_"],
  trtd_frame_kind: ["FrameKind", "TRTD_FRAME_"],
  trtd_pipeline_flag: ["PipelineFlag", "TRTD_PIPELINE_"],
  trtd_run_flag: ["RunFlag", "TRTD_RUN_"],
  trtd_time_flag: ["TimeFlag", "TRTD_TIME_"],
  trtd_jpeg_backend: ["JpegBackend", "TRTD_JPEG_"],
  trtd_jpeg_flag: ["JpegFlag", "TRTD_JPEG_"],
};

const FFI_TYPES: Record<string, string> = { int32_t: "i32", uint32_t: "u32", int64_t: "i64", uint64_t: "u64" };
const FIELD_TYPES: Record<string, string> = { ...FFI_TYPES, uint8_t: "u8", char: "char", trtd_dims: "trtd_dims" };

const words = (text: string) => text.split(/\s+/).filter((word) => word !== "").join(" ");
const withoutComments = (text: string) => text.replace(/\/\*[\s\S]*?\*\//g, " ");

/** What trtd.h declares. */
export function parseHeader(text: string): Header {
  const functions = [...text.matchAll(/^(.*)\nTRTD_API\s+(\w+)\s+(trtd_\w+)\(([^)]*)\);/gm)].map((match) => {
    const [, above, result, name, list] = match as unknown as [string, string, string, string, string];
    const parameters = words(list) === "void" ? [] : words(list).split(", ").map((parameter) => {
      const parts = /^(.*?)(\w+)$/.exec(parameter)!;
      return { type: parts[1]!.trim(), name: parts[2]! };
    });
    return { name, result, parameters, documented: above.trimEnd().endsWith("*/") };
  });
  const enumEntries = [...text.matchAll(/typedef enum (trtd_\w+) \{([\s\S]*?)\} \1;/g)].map((match) => {
    const entries = withoutComments(match[2]!).split(",").map(words).filter((entry) => entry !== "").map((entry) => {
      const [name, value] = entry.split(" = ");
      return [name!, Number(value)] as const;
    });
    return [match[1]!, entries] as const;
  });
  const structs = [...text.matchAll(/\/\*([^/]*?)\*\/\ntypedef struct (trtd_\w+) \{([\s\S]*?)\} \2;/g)].map((match) => {
    const fields = withoutComments(match[3]!).split(";").map(words).filter((field) => field !== "").map((field) => {
      const parts = /^(\w+) (\w+)(?:\[(\d+)\])?$/.exec(field)!;
      return { type: parts[1]!, name: parts[2]!, count: Number(parts[3] ?? 1) };
    });
    const size = /(\d+) bytes/.exec(match[1]!)?.[1];
    return [match[2]!, { fields, size: size === undefined ? undefined : Number(size) }] as const;
  });
  const abiVersion = Number(/#define TRTD_ABI_VERSION (\d+)/.exec(text)?.[1]);
  return { abiVersion, functions, enums: new Map(enumEntries), structs: new Map(structs) };
}

function checkFunctions(header: Header, table: string, map: string): string[] {
  const problems: string[] = [];
  const inHeader = header.functions.map((declared) => declared.name);
  const lists = [
    ["ffi/symbols.ts", Object.keys(symbols)],
    ["cpp/trtd.map", [...map.matchAll(/^\s+(trtd_\w+);$/gm)].map((match) => match[1]!)],
  ] as const;
  for (const [file, names] of lists) {
    const at = inHeader.findIndex((name, index) => names[index] !== name);
    if (at >= 0) problems.push(`${file}: entry ${at + 1} is "${names[at]}", trtd.h has "${inHeader[at]}"`);
    else if (names.length !== inHeader.length) problems.push(`${file}: "${names[inHeader.length]}" is not in trtd.h`);
  }
  for (const declared of header.functions) {
    if (!declared.documented) problems.push(`trtd.h: "${declared.name}" has no comment`);
    const entry = symbols[declared.name as keyof typeof symbols];
    if (entry === undefined) continue;
    const types: readonly unknown[] = entry.parameters;
    const expected = declared.parameters.map(({ type }) => type.includes("*") ? "buffer" : FFI_TYPES[type]);
    if (types.join() !== expected.join()) {
      problems.push(`ffi/symbols.ts: "${declared.name}" takes (${types.join()}), trtd.h (${expected.join()})`);
    }
    if (entry.result !== FFI_TYPES[declared.result]) {
      problems.push(`ffi/symbols.ts: "${declared.name}" gives ${entry.result}, trtd.h ${declared.result}`);
    }
    const source = new RegExp(`^  ${declared.name}: \\{\\n([\\s\\S]*?)^  \\},`, "m").exec(table)?.[1] ?? "";
    const comments = [...source.matchAll(/^ {6}.*?, \/\/ (.*)$/gm)].map((match) => match[1]!);
    const texts = declared.parameters.map(({ type, name }) => `${type} ${name}`);
    if (comments.join() !== texts.join()) {
      problems.push(`ffi/symbols.ts: the comments of "${declared.name}" say (${comments}), trtd.h (${texts})`);
    }
  }
  return problems;
}

function checkEnums(header: Header): string[] {
  const problems: string[] = [];
  for (const [name, entries] of header.enums) {
    const known = ENUMS[name];
    if (known === undefined) {
      problems.push(`ffi/enums.ts: nothing stands for "${name}"`);
      continue;
    }
    const [counterpart, prefix] = known;
    const table = enums[counterpart] as unknown as Record<string, unknown>;
    const found = Object.entries(table).filter(([, value]) => typeof value === "number");
    const expected = entries.map(([entry, value]) => {
      const rest = entry.slice(prefix.length);
      return [/^\d/.test(rest) ? `V${rest}` : rest, value] as const;
    });
    if (!entries.every(([entry]) => entry.startsWith(prefix)) || found.join() !== expected.join()) {
      problems.push(`ffi/enums.ts: "${counterpart}" has (${found}), "${name}" (${expected})`);
    }
  }
  for (const name of Object.keys(ENUMS)) {
    if (!header.enums.has(name)) problems.push(`trtd.h: "${name}" is gone`);
  }
  return problems;
}

function checkRecords(header: Header): string[] {
  const problems: string[] = [];
  const names = [...header.structs.keys()];
  if (names.join() !== Object.keys(records).join()) {
    problems.push(`ffi/records.ts: records are (${Object.keys(records)}), trtd.h has (${names})`);
  }
  for (const [name, { fields, size }] of header.structs) {
    if (!Object.hasOwn(records, name)) continue;
    const layout = layoutOf(name as RecordName);
    const found = layout.places.map((place) => `${place.name} ${place.type} ${place.count}`);
    const expected = fields.map((field) => `${field.name} ${FIELD_TYPES[field.type]} ${field.count}`);
    if (found.join() !== expected.join()) {
      problems.push(`ffi/records.ts: "${name}" has (${found}), trtd.h (${expected})`);
    }
    if (size !== layout.size) problems.push(`"${name}" has ${layout.size} bytes, its comment in trtd.h says ${size}`);
  }
  return problems;
}

/** Every disagreement, in sentences; none when all agree. */
export function abiProblems(headerText: string, table: string, map: string): string[] {
  const header = parseHeader(headerText);
  const problems = [...checkFunctions(header, table, map), ...checkEnums(header), ...checkRecords(header)];
  if (header.abiVersion !== ABI_VERSION) {
    problems.push(`ffi/symbols.ts: ABI version ${ABI_VERSION}, trtd.h ${header.abiVersion}`);
  }
  return problems;
}

/** The three files of this repository, for {@link abiProblems}. */
export async function abiFiles(): Promise<[header: string, table: string, map: string]> {
  return [
    await Deno.readTextFile(join(ROOT, "cpp", "include", "trtd.h")),
    await Deno.readTextFile(join(ROOT, "ffi", "symbols.ts")),
    await Deno.readTextFile(join(ROOT, "cpp", "trtd.map")),
  ];
}

if (import.meta.main) {
  const files = await abiFiles();
  const problems = abiProblems(...files);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) Deno.exit(1);
  const { functions, enums: kinds, structs } = parseHeader(files[0]);
  console.error(
    `trtd.h, ffi and trtd.map agree: ${functions.length} functions, ${kinds.size} enums, ${structs.size} records`,
  );
}
