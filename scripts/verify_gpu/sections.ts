/** Sections of docs/verified.md. */
import type { VerifyReport } from "./report.ts";

const PRODUCTS = { "tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX" } as const;

/** One section a library: a heading, and a table with one row a step. */
export function sectionsFrom({ date, trtd, gpu, driver, driver_cuda, model, libraries }: VerifyReport): string {
  return libraries.map(({ product, version, kind, path, steps }) => {
    const library = product === null ? path : `${PRODUCTS[product]} ${version}${kind === "full" ? "" : ` (${kind})`}`;
    return [
      `### ${library}, ${gpu.name}`,
      "",
      `${date.slice(0, 10)}; compute capability ${gpu.compute_capability}, driver ${driver ?? "unknown"} (CUDA ${
        driver_cuda ?? "unknown"
      }); trtd ${trtd}, model "${model.name}" (SHA-256 ${model.sha256.slice(0, 12)}).`,
      "",
      "| what ran | as it should | what was seen |",
      "| --- | --- | --- |",
      ...steps.map(({ name, ok, detail }) => row([name, ok ? "yes" : "NO", detail])),
      "",
    ].join("\n");
  }).join("\n");
}

const row = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll(/\s+/g, " ").trim()).join(" | ")} |`;
