/** What a row of the table of settings is. */
import type { z } from "zod";

/**
 * How a value is written on the command line and in the environment: a list with commas or by repeating the flag, a
 * boolean as true or false (a flag without value is true, `--no-NAME` false), an object as JSON.
 */
export type SettingKind = "text" | "list" | "number" | "choice" | "boolean" | "object";

export interface Setting {
  readonly kind: SettingKind;
  /** What the checked value must be. */
  readonly schema: z.ZodType;
  /** A checked value; `undefined`: unset unless somebody sets it. */
  readonly default: unknown;
  /** One line of help. */
  readonly help: string;
  /** How the value is named in the help, for example `DIR`. */
  readonly placeholder: string;
  /** Commands whose help shows the flag; every command takes it. */
  readonly commands: readonly string[] | "all";
  /** Whether the value is never shown. Such a setting has no flag: other users can read command lines. @default false */
  readonly secret?: boolean;
  /** Of an object: names of what its entries consist of. */
  readonly members?: () => readonly string[];
}

interface Rest<D> {
  readonly default: D;
  readonly help: string;
  readonly placeholder: string;
  readonly commands: readonly string[] | "all";
}

/** A row that keeps the type of its schema, which is made when it is first looked at: most of them never are. */
export function setting<S extends z.ZodType, D>(
  kind: SettingKind,
  make: () => S,
  rest: Rest<D> & Pick<Setting, "secret" | "members">,
) {
  let made: S | undefined;
  return {
    kind,
    ...rest,
    get schema(): S {
      return made ??= make();
    },
  };
}
