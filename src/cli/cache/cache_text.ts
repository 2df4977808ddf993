/** The engine cache as text for people and as JSON. */
import type { UpgradeReport } from "../../cache/guard.ts";
import type { Listed, ListedEngine } from "../../cache/inventory.ts";
import { type AnyKey, differenceText, type Json, keyName } from "../../cache/key.ts";
import { plainText } from "../../onnx/quoted.ts";

/** `45.1 MB` */
export const sizeText = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

const timeText = (ms: number | null): string => ms === null ? "unknown" : new Date(ms).toISOString().slice(0, 16);

/** One thing of the cache. */
export function listedText(one: Listed): string {
  if (one.kind !== "engine") {
    const reason = one.reason === null ? [] : [`  ${plainText(one.reason)}`];
    return [`${one.path}`, `  ${one.kind}, ${sizeText(one.bytes)}, of ${timeText(one.usedMs)}`, ...reason].join("\n");
  }
  return [
    one.engine,
    `  ${one.role}, ${sizeText(one.bytes)}, last used ${timeText(one.usedMs)}`,
    ...one.entry === null ? [] : [`  ${madeForText(one.entry.key)}, key ${keyName(one.entry.key)}`],
    ...one.problem === null ? [] : [`  would not be used: ${plainText(one.problem)}`],
  ].join("\n");
}

/** What an engine is for, by its key. */
function madeForText(key: AnyKey): string {
  const field = (name: string): string => plainText(wordOf(key[name] ?? null));
  const gpu = key["gpu_name"] === null ? `for ${field("targets")}` : `on ${field("gpu_name")}`;
  return `${field("tensorrt_product")} ${field("tensorrt_version")}, ${field("precision")}, batch ${
    field("batch")
  }, ${gpu}`;
}

function wordOf(value: Json): string {
  if (Array.isArray(value)) return value.map(wordOf).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** The same as JSON: an item of `trtd cache ls --json`. */
export function listedJson(one: Listed) {
  const used = one.usedMs === null ? null : new Date(one.usedMs).toISOString();
  if (one.kind !== "engine") {
    return { kind: one.kind, path: one.path, bytes: one.bytes, last_used: used, reason: one.reason };
  }
  const { role, model, where, engine, metadata, bytes, entry, problem } = one;
  const key = entry === null ? null : { name: keyName(entry.key), ...entry.key };
  return { kind: "engine", role, model, where, engine, metadata, bytes, last_used: used, key, problem };
}

/** One engine that was verified. */
export const verifiedText = ({ engine }: ListedEngine, problem: string | null): string =>
  problem === null ? `${engine}: sound` : `${engine}: ${plainText(problem)}`;

/** What an upgrade costs. */
export function upgradeText({ changes, rebuilt, kept }: UpgradeReport): string {
  const changed = changes.map((one) => `changed since: ${plainText(differenceText(one))}`);
  const again = rebuilt.map(({ place, differences, expected_s: expected }) => {
    const time = expected === null ? "" : `, ${expected.toFixed(0)} s the last time`;
    const why = differences.map(differenceText).join(", ");
    return `to be built again: ${place.replace(/\.lock$/, "")} (${plainText(why)}${time})`;
  });
  return [...changed, ...again, `${kept.length} engines fit this machine, ${rebuilt.length} must be built again`].join(
    "\n",
  );
}
