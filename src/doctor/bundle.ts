/** The report that a user can send: what the machine is, what was found, what the last builds said; pure. */
import { explainFailure } from "../tensorrt/failures/failures.ts";
import type { BuildFile } from "./build_logs.ts";
import type { DoctorReport } from "./report.ts";
import { withoutSecrets } from "../secrets.ts";
import type { ArchivedFile } from "./tar.ts";
import { doctorText } from "./text.ts";

export interface BundleContents {
  readonly report: DoctorReport;
  /** Version of trtd. */
  readonly version: string;
  /** The settings in force. */
  readonly settings: unknown;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly builds: readonly BuildFile[];
}

/** Variables that decide which GPU and libraries are seen; no other leaves the machine. */
const VARIABLES = [
  "CUDA_VISIBLE_DEVICES",
  "CUDA_MODULE_LOADING",
  "NVIDIA_VISIBLE_DEVICES",
  "NVIDIA_DRIVER_CAPABILITIES",
  "LD_LIBRARY_PATH",
  "LD_PRELOAD",
  "VIRTUAL_ENV",
  "CONDA_PREFIX",
  "PYTHONPATH",
  "SERVING_ENVIRONMENT",
] as const;

/** Characters of a path in the archive, a bound of the tar form. */
const NAME_LENGTH = 100;

/** Files of the report, all of them texts without secrets. */
export function bundleFiles(contents: BundleContents): ArchivedFile[] {
  const { report, version, settings, environment, builds } = contents;
  const home = environment["HOME"];
  const variables = Object.fromEntries(VARIABLES.map((name) => [name, environment[name]]));
  const logs = builds.filter(({ name }) => /\.log(\.1)?$/.test(name));
  const explanations = logs.map(({ name, text }) => ({ log: name, ...explainFailure(text.split("\n")) }));
  const texts: [name: string, text: string][] = [
    ["doctor.txt", `trtd ${version}\n\n${doctorText(report)}\n`],
    ["doctor.json", jsonText(report)],
    ["settings.json", jsonText({ version, settings, environment: variables })],
    ["explanations.json", jsonText(explanations)],
    ...builds.map(({ name, text }): [string, string] => [`builds/${name}`, text]),
  ];
  const encoder = new TextEncoder();
  return texts.map(([name, text], index) => ({
    name: `trtd-report/${shortName(name, index)}`,
    bytes: encoder.encode(withoutSecrets(text, home)),
  }));
}

const jsonText = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** Names of models can be long: then the number of the file stands for its beginning. */
function shortName(name: string, index: number): string {
  const room = NAME_LENGTH - "trtd-report/".length;
  const plain = name.replaceAll(/[^\w./-]/g, "_");
  return plain.length <= room ? plain : `${index}-${plain.slice(-(room - 8)).replaceAll("/", "_")}`;
}
