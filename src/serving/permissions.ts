/**
 * What the processes of a server give up. This is crash isolation, not a sandbox: it keeps each role to its work, so that
 * native code cannot take the manager and a worker starts nothing; native code itself is bound by no permission.
 *
 * A compiled trtd has every permission, because files under /dev, /proc and /sys can be opened with all of them only.
 * So each role first opens what it needs of these, and then revokes whole classes: descriptors and libraries that are
 * open go on working, child processes start with every permission again.
 * Measured on Deno 2.6.10 and 2.9.6, also compiled: test/serving/permissions_test.ts, test/compile/permissions_test.ts.
 */
import { TrtdError } from "../errors.ts";

/** Classes of `Deno.permissions` by role. */
export const REVOKED = {
  manager: ["ffi"],
  worker: ["net", "run"],
} as const satisfies Readonly<Record<string, readonly Deno.PermissionName[]>>;

export type Role = keyof typeof REVOKED;

/**
 * Give up the role's classes for the rest of this process. Doing it twice is harmless. With `in_process` nothing can be
 * given up: one process serves HTTP and loads native libraries.
 * @throws {TrtdError} `INTERNAL` when a class is still granted afterwards
 */
export async function revokeFor(role: Role): Promise<void> {
  for (const name of REVOKED[role]) {
    const { state } = await Deno.permissions.revoke({ name });
    if (state === "granted") throw new TrtdError("INTERNAL", `The permission "${name}" cannot be given up`);
  }
}
