/** Values as they stand on the command line and in the environment. */
import { notJson } from "./problem.ts";
import type { Setting } from "./setting.ts";

const TRUE = /^(true|1|yes|on)$/i;
const FALSE = /^(false|0|no|off)$/i;

/** A text in the form that the setting's schema checks; of a repeated flag that is no list, the last one counts. */
export function valueFromText(
  { kind }: Pick<Setting, "kind">,
  text: string | readonly string[],
): { readonly value: unknown } | { readonly problem: string } {
  if (kind === "list") {
    return { value: [text].flat().flatMap((part) => part.split(",")).map((part) => part.trim()) };
  }
  const last = typeof text === "string" ? text : text.at(-1) ?? "";
  if (kind === "number") return { value: last.trim() === "" ? last : Number(last) };
  if (kind === "boolean") return TRUE.test(last) ? { value: true } : { value: FALSE.test(last) ? false : last };
  if (kind !== "object") return { value: last };
  try {
    return { value: JSON.parse(last) };
  } catch (error) {
    return { problem: notJson(last, error) };
  }
}
