/** Pulls a model: `pulling_child <modelsDir> <host> <address> [<digest>]`. Prints what it did, as one JSON value. */
import { TrtdError } from "../../../src/errors.ts";
import { pullModel } from "../../../src/models/pull.ts";
import { parseSource } from "../../../src/models/sources/source.ts";

const [modelsDir, host, address] = Deno.args as [string, string, string];
const trustedHosts = [host];
try {
  const pulled = await pullModel({
    source: parseSource(address, { aliases: {}, cwd: modelsDir, environment: {}, trustedHosts }),
  }, {
    modelsDir,
    memoDir: null,
    offline: false,
    connectTimeoutMs: 30_000,
    stallMs: 60_000,
    timeoutMs: 120_000,
    trustedHosts,
    caFile: null,
    environment: {},
    attempts: 3,
    backoffMs: 10,
  }, { signal: new AbortController().signal, onRemark: () => {} });
  console.log(JSON.stringify({ status: pulled.status, sha256: pulled.sha256, resumedFrom: pulled.resumedFrom }));
} catch (thrown) {
  console.log(JSON.stringify({ error: thrown instanceof TrtdError ? thrown.code : String(thrown) }));
}
Deno.exit(0);
