/** Which pictures workers died of, for a while. */
import type { Clock } from "../clock.ts";
import { pictureBytes, type ServedPicture } from "../detection_worker.ts";
import { DEATHS_MAX } from "../policy/blame.ts";

/** Most pictures that are remembered; the oldest go first. */
const REMEMBERED_MAX = 1000;

interface Entry {
  readonly model: string;
  readonly length: number;
  readonly digest: string;
  deaths: number;
  untilMs: number;
}

export class PoisonMemory {
  readonly #clock: Clock;
  readonly #keepMs: number;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, keepMs: number) {
    this.#clock = clock;
    this.#keepMs = keepMs;
  }

  /** Count a death against a picture. @returns its deaths in a row and its SHA-256 in hexadecimal digits */
  async blame(model: string, picture: ServedPicture): Promise<{ deaths: number; digest: string }> {
    this.#forgetOld();
    const digest = await digestOf(picture);
    const entry = this.#entries.get(keyOf(model, digest)) ??
      { model, length: pictureBytes(picture), digest, deaths: 0, untilMs: 0 };
    entry.deaths++;
    entry.untilMs = this.#clock.now() + this.#keepMs;
    this.#entries.set(keyOf(model, digest), entry);
    if (this.#entries.size > REMEMBERED_MAX) this.#entries.delete(this.#entries.keys().next().value!);
    return { deaths: entry.deaths, digest };
  }

  /** The picture was answered: what workers died of was something else. */
  async clear(model: string, picture: ServedPicture): Promise<void> {
    if (this.mayKnow(model, picture)) this.#entries.delete(keyOf(model, await digestOf(picture)));
  }

  /** Whether {@link digestIfPoisonous} is worth asking; costs nothing while no worker has died of a picture. */
  mayKnow(model: string, picture: ServedPicture): boolean {
    if (this.#entries.size === 0) return false;
    const length = pictureBytes(picture);
    return [...this.#entries.values()].some((entry) => entry.model === model && entry.length === length);
  }

  /** The digest of a picture that workers keep dying of, else null. */
  async digestIfPoisonous(model: string, picture: ServedPicture): Promise<string | null> {
    this.#forgetOld();
    const digest = await digestOf(picture);
    const entry = this.#entries.get(keyOf(model, digest));
    return entry !== undefined && entry.deaths >= DEATHS_MAX ? digest : null;
  }

  #forgetOld(): void {
    const now = this.#clock.now();
    for (const [key, { untilMs }] of this.#entries) if (untilMs <= now) this.#entries.delete(key);
  }
}

const keyOf = (model: string, digest: string): string => `${model}/${digest}`;

async function digestOf({ place }: ServedPicture): Promise<string> {
  const bytes = "bytes" in place ? place.bytes : place.ring.read(place.region);
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
