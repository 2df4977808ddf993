import assert from "node:assert/strict";
import { join } from "node:path";
import { runPasses } from "../../src/onnx/passes/passes.ts";
import { readModel } from "../../src/onnx/read.ts";
import { Checker } from "./checker.ts";
import { type Coverage, coverageText } from "./coverage.ts";
import { type Entry, exporterModels } from "./environment.ts";
import { type Gap, GAPS } from "./gaps.ts";
import { headOf, judgeModel } from "./judge.ts";
import { SPOILT } from "./spoilt.ts";

const models = await exporterModels();

if (typeof models === "string") {
  Deno.test({
    name: `exporters: every pass keeps what a model of PyTorch, Ultralytics or tf2onnx means (skipped: ${models})`,
    ignore: true,
    fn() {},
  });
} else {
  const { entries, folder, python, made } = models;
  const scratch = await Deno.makeTempDir({ prefix: "trtd-exporters-" });
  const checker = new Checker(python);
  const coverage: Coverage[] = [];
  const seen = new Set<Gap>();
  // The checker's process serves all of them.
  const shared = { sanitizeResources: false, sanitizeOps: false };

  /** Problems that no row of the table foresees. */
  const unforeseen = (file: string, plan: string, texts: readonly string[]): string[] =>
    texts.flatMap((text) => {
      const gap = GAPS.find((gap) => gap.file.test(file) && gap.plan.test(plan) && gap.says.test(text));
      if (gap === undefined) return [`${plan}: ${text}`];
      seen.add(gap);
      return [];
    });

  const keepsMeaning = async (entry: Entry): Promise<void> => {
    const { file } = entry;
    const head = headOf(readModel(await Deno.readFile(join(folder, file))), file);
    const outcomes = await judgeModel(entry, { folder, scratch, checker, runPasses });
    coverage.push({ entry, head, outcomes });
    const wanted = entry.head ?? "MODEL_NOT_A_DETECTOR";
    const problems = [
      ...unforeseen(file, "head", head === wanted ? [] : [`is found to be "${head}" instead of "${wanted}"`]),
      ...outcomes.flatMap(({ plan, problems, refused }) =>
        unforeseen(file, plan, refused === null ? problems : [...problems, refused])
      ),
    ];
    assert.ok(problems.length === 0, `\n${problems.join("\n")}`);
  };

  Deno.test("exporters: their models have every opset from 9 to 21 and come from four tools", () => {
    for (const line of made) console.log(line);
    const opsets = new Set(entries.map(({ opset }) => opset));
    for (let opset = 9; opset <= 21; opset++) assert.ok(opsets.has(opset), `No model has opset ${opset}`);
    const tools = new Set(entries.map(({ exporter }) => exporter.split(",")[0]));
    for (const tool of ["torch.onnx", "ultralytics", "tf2onnx", "onnx.helper"]) assert.ok(tools.has(tool), tool);
  });

  for (const [name, spoil] of Object.entries(SPOILT)) {
    Deno.test({
      name: `exporters: the checker notices ${name}`,
      ...shared,
      async fn() {
        const original = join(folder, spoil.file), result = join(scratch, "spoilt.onnx");
        await Deno.writeFile(result, spoil.make(readModel(await Deno.readFile(original))));
        const { problems } = await checker.ask({
          original,
          result,
          batches: [1],
          axes: {},
          compare: "identical",
          rows: false,
          one_by_one: false,
          expect: spoil.expect,
        });
        assert.match(problems.join("\n"), spoil.says);
      },
    });
  }

  for (const entry of entries) {
    Deno.test({
      name: `exporters: every pass keeps what ${entry.file} means`,
      ...shared,
      fn: () => keepsMeaning(entry),
    });
  }

  Deno.test({
    name: "exporters: what was covered is told",
    ...shared,
    async fn() {
      await checker[Symbol.asyncDispose]();
      await Deno.remove(scratch, { recursive: true });
      console.log(coverageText(coverage));
      for (const gap of GAPS) {
        if (!seen.has(gap)) console.log(`The row ${gap.file} ${gap.plan} of gaps.ts is not needed any more`);
      }
    },
  });
}
