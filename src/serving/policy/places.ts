/** On which GPUs the instances of a model run. Pure. */
import type { DeviceChoice } from "../../config/device.ts";
import { TrtdError } from "../../errors.ts";

/** A GPU as CUDA shows it. */
export interface PlaceGpu {
  readonly index: number;
  readonly name: string;
  readonly uuid: string;
  /** Such as `8.9`. */
  readonly compute_capability: string;
}

/** What the instances of a model have in common that run on one GPU. */
export interface Place {
  /** Null: the only place, where the settings alone decide about GPU or CPU. */
  readonly gpu: PlaceGpu | null;
  /** For the setting `device` of whoever works for this place; null: as it is. An index may change with the next start. */
  readonly device: string | null;
}

/** The only place of a server that was not asked to use several GPUs, or finds fewer than two. */
export const ONLY_PLACE: Place = { gpu: null, device: null };

/** Least characters of a UUID that name a GPU. */
const UUID_MIN = 8;

/**
 * A place for each GPU that is wanted.
 * @param find tells the index of the GPU with that index or UUID, null when none or several fit
 * @throws {TrtdError} `GPU_UNAVAILABLE` for a name that no GPU has, `CONFIG_INVALID` for two names of one GPU
 */
export function placesOn(
  choice: Exclude<DeviceChoice, "first">,
  gpus: readonly PlaceGpu[],
  find: (name: string) => number | null,
): readonly Place[] {
  const chosen = choice === "all" ? gpus : named(choice, gpus, find);
  if (chosen.length < 2) return [ONLY_PLACE];
  return chosen.map((gpu) => {
    const isUnique = gpu.uuid.length >= UUID_MIN && gpus.filter(({ uuid }) => uuid === gpu.uuid).length === 1;
    return { gpu, device: isUnique ? gpu.uuid : String(gpu.index) };
  });
}

function named(
  names: readonly string[],
  gpus: readonly PlaceGpu[],
  find: (name: string) => number | null,
): readonly PlaceGpu[] {
  const chosen = names.map((name) => {
    const index = find(name);
    const gpu = gpus.find((one) => one.index === index);
    if (gpu !== undefined) return gpu;
    const there = gpus.map((one) => `${one.index} (${one.name}, ${one.uuid})`).join(", ");
    throw new TrtdError("GPU_UNAVAILABLE", `"device" names "${name}", which is no GPU here: there are ${there}`, {
      remedy: 'Name GPUs that are there; "all" takes those that there are',
    });
  });
  for (const [at, gpu] of chosen.entries()) {
    const first = chosen.indexOf(gpu);
    if (first === at) continue;
    throw new TrtdError(
      "CONFIG_INVALID",
      `"device" names ${gpuLabel(gpu)} twice: "${names[first]}" and "${names[at]}"`,
      {
        remedy: 'Name each GPU once; "instances" tells how many workers run on each',
      },
    );
  }
  return chosen;
}

/** GPUs that run the same engines. */
export interface GpuKind {
  /** Such as `NVIDIA GeForce RTX 4090, compute capability 8.9`; null where there is one kind. */
  readonly name: string | null;
  /** One of its GPUs for the setting `device`; null: as it is. */
  readonly device: string | null;
  readonly places: readonly Place[];
}

/** The places by what their engines depend on: name and compute capability, as in the cache's key. */
export function kindsOf(places: readonly Place[]): readonly GpuKind[] {
  const kinds = Map.groupBy(places, ({ gpu }) => gpu === null ? "" : kindName(gpu));
  return [...kinds].map(([name, these]) => ({
    name: kinds.size === 1 ? null : name,
    device: these[0]!.device,
    places: these,
  }));
}

const kindName = ({ name, compute_capability }: PlaceGpu): string =>
  `${name}, compute capability ${compute_capability}`;

/** A GPU for people: `GPU 1 (NVIDIA GeForce RTX 4090)`. */
export const gpuLabel = ({ index, name }: PlaceGpu): string => `GPU ${index} (${name})`;

/** A GPU as backends call their device: `cuda:1 NVIDIA GeForce RTX 4090`. */
export const gpuDevice = ({ index, name }: PlaceGpu): string => `cuda:${index} ${name}`;
