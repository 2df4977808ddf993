/** How trtd ends a child of its own at once. */

/** Ends a child that leads its own process group, and whatever it started; one that has ended already is fine. */
export function killGroup(pid: number): void {
  try {
    Deno.kill(-pid, "SIGKILL");
  } catch (error) {
    const gone = error instanceof Deno.errors.NotFound ||
      error instanceof Error && /ESRCH|process/i.test(error.message);
    if (!gone) throw error;
  }
}
