/** What the setting `device` says: the first GPU, every GPU, or some by name. Pure. */

/** `first`: what CUDA shows first. `all`: every GPU that it shows. Else indexes and UUIDs, in their order. */
export type DeviceChoice = "first" | "all" | readonly string[];

/** An index, or a UUID or its beginning, where several stand beside each other. */
const NAME = /^(\d{1,4}|[a-z0-9-]{8,80})$/i;

/** @param device a checked value; `auto` and nothing are the first GPU */
export function deviceChoice(device: string | undefined): DeviceChoice {
  const word = device?.trim().toLowerCase() ?? "auto";
  if (word === "auto") return "first";
  return word === "all" ? "all" : namesIn(device!);
}

/** The GPU of a command that uses one: the first of a list; undefined for the first that there is. */
export function oneDevice(device: string | undefined): string | undefined {
  const choice = deviceChoice(device);
  return typeof choice === "string" ? undefined : choice[0];
}

/** What is wrong with a value, as the rule that it breaks; null when nothing is. Whether such GPUs exist is not known here. */
export function deviceProblem(device: string): string | null {
  const names = namesIn(device);
  if (names.length === 1) return names[0] === "" ? "must name a GPU" : null;
  const wrong = names.find((name) => !NAME.test(name));
  if (wrong !== undefined) {
    return `must be auto, all, or indexes and UUIDs of GPUs separated by commas; "${wrong.slice(0, 80)}" is none`;
  }
  const plain = names.map((name) => /^\d+$/.test(name) ? String(Number(name)) : name.toLowerCase());
  const twin = names.find((_, at) => plain.indexOf(plain[at]!) !== at);
  return twin === undefined ? null : `must name each GPU once, "${twin}" stands there twice`;
}

const namesIn = (device: string): string[] => device.split(",").map((name) => name.trim());
