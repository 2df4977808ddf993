/**
 * A probe child: `probe_process.ts REQUEST` under `deno run`, `trtd probe REQUEST` in a compiled file.
 *
 * It loads as little as it can: three and more of them run while `trtd doctor` waits.
 */
import { PROBE_MARK, type ProbeLine, type ProbeRequest } from "./probe_messages.ts";

/** Answers a request, line by line as the answers come. @throws {Error} for a request that is not one */
export async function answerProbe(text: string, print: (line: string) => void): Promise<void> {
  const tell = (line: ProbeLine) => print(PROBE_MARK + JSON.stringify(line));
  const request: ProbeRequest = JSON.parse(text);
  switch (request.subject) {
    case "cuda":
    case "tensorrt": {
      const { answerNative } = await import("./probe_child.ts");
      return await answerNative(request, tell);
    }
    case "onnxruntime":
    case "sharp":
      return await answerAddon(request.subject, tell);
    default:
      throw new Error("The request has no known subject");
  }
}

async function answerAddon(name: "onnxruntime" | "sharp", tell: (line: ProbeLine) => void): Promise<void> {
  tell({ begin: "load" });
  try {
    tell({ fact: "load", value: { version: await addonVersion(name) } });
  } catch (thrown) {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const status = "code" in error && typeof error.code === "string" ? error.code : error.name;
    const remedy = "remedy" in error && typeof error.remedy === "string" ? { remedy: error.remedy } : {};
    tell({ failure: { step: "load", status, code: 0, message: error.message, ...remedy } });
  }
  tell({ done: true });
}

async function addonVersion(name: "onnxruntime" | "sharp"): Promise<string> {
  if (name === "sharp") {
    const { loadSharp } = await import("../../native/sharp.ts");
    const { versions } = await loadSharp();
    return `${versions.sharp ?? "unknown"} (libvips ${versions.vips})`;
  }
  const { loadOrt } = await import("../../native/onnxruntime.ts");
  return (await loadOrt()).env.versions.node ?? "unknown";
}

/** A library may print a line of its own without an end, so each of ours begins on a new one. */
function printLine(line: string): void {
  const bytes = new TextEncoder().encode(`\n${line}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

if (import.meta.main) await answerProbe(Deno.args[0] ?? "", printLine);
