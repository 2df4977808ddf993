/** The version of trtd, kept in deno.json alone. */
import deno from "../deno.json" with { type: "json" };

export const VERSION: string = deno.version;
