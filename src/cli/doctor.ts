/** `trtd doctor`: what this machine can do, and what to do about the rest. */
import { judge } from "../doctor/judge.ts";
import { type DoctorReport, doctorReport } from "../doctor/report.ts";
import { systemFacts } from "../doctor/system.ts";
import { doctorText } from "../doctor/text.ts";
import { bundleFiles } from "../doctor/bundle.ts";
import { lastBuildFiles } from "../doctor/build_logs.ts";
import { tarFrom } from "../doctor/tar.ts";
import { EXIT } from "../errors.ts";
import { VERSION } from "../version.ts";
import { probeAddon, probeAllTensorRt, probeCuda, type ProbeOptions } from "../tensorrt/probe/probe.ts";
import { probeCommand } from "../tensorrt/probe/probe_command.ts";
import type { CliCommand, CommandContext, Terminal } from "./command.ts";
import { writeWhole } from "./write_whole.ts";

export const doctorCommand: CliCommand = {
  name: "doctor",
  summary: "Check GPU, driver, TensorRT and trtd itself",

  configure(command) {
    command
      .option("--json", "Print one JSON value")
      .option("--bundle <FILE>", "Also write a report to send: findings, settings, logs of the last builds, no secrets")
      .option("--self-check", "Check the layout of every TensorRT found, also of verified releases");
  },

  async run({ flags, config, terminal }): Promise<number> {
    const named = config.tensorrt === undefined ? undefined : terminal.resolve(config.tensorrt);
    const cacheDir = config.cache_dir === undefined ? undefined : terminal.resolve(config.cache_dir);
    const options: ProbeOptions = {
      command: (request) => ({
        ...probeCommand(request),
        ...(cacheDir === undefined ? {} : { env: { TRTD_CACHE_DIR: cacheDir } }),
      }),
    };
    const [cuda, onnxruntime, sharp, { discovery, probes }, system] = await Promise.all([
      probeCuda(options),
      probeAddon("onnxruntime", options),
      probeAddon("sharp", options),
      probeAllTensorRt(named, { ...options, selfCheck: flags["selfCheck"] === true }),
      systemFacts({ models: terminal.resolve(config.models), cacheDir }),
    ]);
    const settings = { backend: config.backend, device: config.device, tensorrt: named };
    const facts = judge({ settings, system, cuda, searched: discovery.searched, probes, onnxruntime, sharp });
    const report = doctorReport(facts);
    terminal.print(flags["json"] === true ? JSON.stringify(report) : doctorText(report));
    if (typeof flags["bundle"] === "string") await writeBundle(flags["bundle"], report, config, terminal);
    return report.ok ? EXIT.fine : EXIT.environment;
  },
};

/** @throws {TrtdError} `OUTPUT_UNWRITABLE` */
async function writeBundle(
  file: string,
  report: DoctorReport,
  settings: CommandContext["config"],
  terminal: Terminal,
): Promise<void> {
  const builds = await lastBuildFiles(terminal.resolve(settings.models));
  const files = bundleFiles({ report, version: VERSION, settings, environment: Deno.env.toObject(), builds });
  const archive = new Blob([tarFrom(files, Math.floor(Date.now() / 1000))]);
  const packed = await new Response(archive.stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
  const path = terminal.resolve(file);
  await writeWhole(path, new Uint8Array(packed));
  terminal.note(`Wrote "${path}" with ${files.length} files. Read it before you send it: it names models and folders`);
}
