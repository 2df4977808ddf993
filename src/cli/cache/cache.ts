/** `trtd cache ls|verify|prune|key`: what the engine cache holds, whether it is sound, and what decides about a hit. */
import { upgradeReport } from "../../cache/guard.ts";
import { type Listed, type ListedEngine, listRoot } from "../../cache/inventory.ts";
import { keyName, keyText } from "../../cache/key.ts";
import type { EngineCache } from "../../cache/store.ts";
import { verifyEngines } from "../../cache/verify.ts";
import { EXIT, TrtdError } from "../../errors.ts";
import { addBuildFlags, numberFrom, planRequest } from "../build/build_request.ts";
import { guardEngines, guardMachine } from "./cache_guard.ts";
import { listedJson, listedText, sizeText, upgradeText, verifiedText } from "./cache_text.ts";
import { nearestOf } from "../../nearest.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { openCache } from "../../cache/configured_cache.ts";

const ACTIONS = { ls, verify, prune, key } as const;

export const cacheCommand: CliCommand = {
  name: "cache",
  summary: "List, verify and prune the engine cache, or show what decides about a hit",

  configure(command) {
    command
      .argument("<ACTION>", Object.keys(ACTIONS).join(", "))
      .argument("[MODEL.onnx]", "key: ONNX file, name or source of a model")
      .option("--machine", "ls: also tell which engines this machine would build again")
      .option("--to <MB>", "prune: megabytes to keep; default: the setting cache_size_limit_mb")
      .option("--json", "Print one JSON value");
    addBuildFlags(command);
  },

  async run(context): Promise<number> {
    const [action, model] = context.args;
    if (action === undefined || !Object.hasOwn(ACTIONS, action)) {
      const nearest = nearestOf(String(action), Object.keys(ACTIONS));
      const hint = nearest === undefined ? "" : `; "${nearest}" is near`;
      throw new TrtdError("USAGE", `There is no action "${action}"${hint}`, {
        remedy: `Name one of ${Object.keys(ACTIONS).join(", ")}`,
      });
    }
    if (action !== "key" && model !== undefined) {
      throw new TrtdError("USAGE", `"trtd cache ${action}" takes no model`);
    }
    return await ACTIONS[action as keyof typeof ACTIONS](context);
  },
};

async function ls(context: CommandContext): Promise<number> {
  const { terminal, config, flags } = context;
  const cache = await openCache(config, terminal);
  const listed = await list(cache);
  const bytes = listed.reduce((sum, one) => sum + one.bytes, 0);
  const upgrade = flags["machine"] === true
    ? upgradeReport(guardEngines(listed), await guardMachine(context))
    : undefined;
  if (flags["json"] === true) {
    const roots = cache.roots.map(({ path }) => path);
    const limit = config.cache_size_limit_mb === 0 ? null : config.cache_size_limit_mb * 1_000_000;
    terminal.print(JSON.stringify({ roots, bytes, limit_bytes: limit, items: listed.map(listedJson), upgrade }));
    return EXIT.fine;
  }
  for (const one of listed) terminal.print(listedText(one));
  terminal.print(
    listed.length === 0 ? `There are no engines in "${cache.roots[0]!.path}"` : `${sizeText(bytes)} in all`,
  );
  if (upgrade !== undefined) terminal.print(upgradeText(upgrade));
  return EXIT.fine;
}

async function verify({ terminal, config, flags }: CommandContext): Promise<number> {
  const cache = await openCache(config, terminal);
  const results: { engine: string; role: ListedEngine["role"]; ok: boolean; detail: string | null }[] = [];
  for await (const { listed, problem } of verifyEngines(cache.roots, cache.keeper)) {
    results.push({ engine: listed.engine, role: listed.role, ok: problem === null, detail: problem });
    if (flags["json"] !== true) terminal.print(verifiedText(listed, problem));
  }
  const bad = results.filter(({ ok }) => !ok).length;
  if (flags["json"] === true) terminal.print(JSON.stringify({ ok: bad === 0, engines: results }));
  else terminal.print(`${results.length} engines, ${bad} of them would not be used`);
  return bad === 0 ? EXIT.fine : EXIT.input;
}

async function prune({ terminal, config, flags }: CommandContext): Promise<number> {
  const to = numberFrom(flags, { key: "to", flag: "--to", low: 0, high: 10_000_000 });
  const cache = await openCache(config, terminal);
  const removed = await cache.prune(to === undefined ? {} : { limitBytes: to * 1_000_000 });
  const bytes = (await list(cache)).reduce((sum, one) => sum + one.bytes, 0);
  if (flags["json"] === true) terminal.print(JSON.stringify({ removed, bytes }));
  else terminal.print(`Removed ${removed.length}; ${sizeText(bytes)} are left`);
  return EXIT.fine;
}

async function key(context: CommandContext): Promise<number> {
  const { args, terminal, flags } = context;
  if (args[1] === undefined) throw new TrtdError("USAGE", '"trtd cache key" needs a model');
  const { key, request, remarks } = await planRequest({ ...context, args: args.slice(1) });
  for (const remark of remarks) terminal.note(`trtd: ${remark}`);
  const text = keyText(key);
  if (flags["json"] === true) {
    const cache = await openCache(context.config, terminal);
    const found = await cache.find(request.model, key);
    const missed = found.kind === "miss" ? found.missedBecause : [];
    terminal.print(JSON.stringify({ name: keyName(key), key, text, cache: found.kind, missed_because: missed }));
  } else terminal.print(`${text}# ${keyName(key)}`);
  return EXIT.fine;
}

const list = async (cache: EngineCache): Promise<Listed[]> =>
  (await Promise.all(cache.roots.map((root) => listRoot(root, cache.keeper.judge)))).flat();
