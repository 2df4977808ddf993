/** Text from queries and forms, checked by a schema; messages name the parameter, the rule and the value. */
import type { z } from "zod";
import { TrtdError } from "../../errors.ts";

/** A decimal number as people write it; not "", "0x1f", "Infinity" or " 1". */
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?$/i;

/**
 * Check text parameters. Those in `numeric` are read as decimal numbers.
 * @throws {TrtdError} `PARAMETER_INVALID`
 */
export function checkedParameters<S extends z.ZodObject>(
  entries: Iterable<readonly [string, string]>,
  schema: S,
  numeric: readonly string[],
): z.output<S> {
  const values: Record<string, unknown> = Object.create(null);
  for (const [name, text] of entries) {
    if (name in values) throw new TrtdError("PARAMETER_INVALID", `The parameter "${clipped(name)}" is given twice`);
    values[name] = numeric.includes(name) && DECIMAL.test(text) ? Number(text) : text;
  }
  const parsed = schema.safeParse({ ...values });
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  if (issue.code === "unrecognized_keys") {
    const known = Object.keys(schema.shape);
    const rule = known.length === 0 ? "The route takes no parameters" : `The parameters are: ${known.join(", ")}`;
    throw new TrtdError("PARAMETER_INVALID", `There is no parameter "${clipped(issue.keys[0]!)}"`, { remedy: rule });
  }
  const name = String(issue.path[0]);
  throw new TrtdError(
    "PARAMETER_INVALID",
    `The parameter "${name}" is "${clipped(String(values[name]))}": ${issue.message}`,
  );
}

function clipped(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 80)}...`;
}
