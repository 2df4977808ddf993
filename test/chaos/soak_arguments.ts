/** `-- soak [MINUTES]` after the arguments of `deno test`. */
const [word, minutes = "10"] = Deno.args;

/** Why the long run is left out, empty when it was asked for. */
export const SOAK_SKIPPED = word === "soak" ? "" : " (skipped: deno task test:soak runs it)";

/** How long it takes. */
export const SOAK_MS = Number(minutes) * 60_000;
if (SOAK_SKIPPED === "" && !(SOAK_MS > 0)) throw new Error(`"${minutes}" is not a number of minutes`);
