/** One value against its setting's schema. */
import type { z } from "zod";
import { nearestOf } from "../nearest.ts";
import type { Setting } from "./setting.ts";

/** The checked value, or every rule that it breaks; members are named, their values are not. */
export function checkedValue(
  { schema, members }: Pick<Setting, "schema" | "members">,
  value: unknown,
): { readonly value: unknown } | { readonly problem: string } {
  const parsed = schema.safeParse(value);
  if (parsed.success) return { value: parsed.data };
  return { problem: parsed.error.issues.map((issue) => ruleOf(issue, members?.() ?? [])).join("; ") };
}

function ruleOf(issue: z.core.$ZodIssue, members: readonly string[]): string {
  const where = issue.path.length === 0 ? "" : `"${issue.path.map(String).join(".")}" `;
  if (issue.code === "invalid_key") return `${where}${issue.issues.map(({ message }) => message).join("; ")}`;
  if (issue.code !== "unrecognized_keys") return `${where}${issue.message}`;
  return issue.keys.map((key) => {
    const near = nearestOf(key, members);
    const hint = near === undefined ? `the members are: ${members.join(", ")}` : `did you mean "${near}"?`;
    return `${where}has the unknown member "${key.slice(0, 80)}"; ${hint}`;
  }).join("; ");
}
