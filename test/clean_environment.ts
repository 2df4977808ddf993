/** The environment of a trtd that a test starts. */

/** Settings and credentials of the one who runs the tests, and where `deno task` was called. */
const SETTINGS = /^(TRTD_|SERVING_ENVIRONMENT$|INIT_CWD$|AWS_|MINIO_|XDG_RUNTIME_DIR$)/;

/** What this process has, less all that trtd takes for its own. @param added with what the test wants */
export function cleanEnvironment(added: Readonly<Record<string, string>> = {}): Record<string, string> {
  const own = Object.entries(Deno.env.toObject()).filter(([name]) => !SETTINGS.test(name));
  return { ...Object.fromEntries(own), ...added };
}
