/** A machine of fake GPUs with TensorRT 10.16, and a model of which the fakes compute what ONNX Runtime does. */
import assert from "node:assert/strict";
import { dirname, join, resolve } from "node:path";
import { doubling, type DoublingOptions, fakeModelText } from "../backends/tensorrt/doubling.ts";
import { cleanEnvironment } from "../clean_environment.ts";
import { png } from "../detect/png_writer.ts";
import { seededPicture } from "../detect/seeded_picture.ts";
import { fakeSet } from "../native/children.ts";
import { fakeEnvironment } from "../native/fake_environment.ts";
import { ServeProcess } from "../server/serve_process.ts";

const MAIN = resolve(import.meta.dirname!, "../../src/main.ts");
const SHAPE: DoublingOptions = { input: [3, 64, 96], output: [6, 126] };
const PICTURE = png({ width: 96, height: 64, colorType: 2, depth: 8, rows: seededPicture(2, 96, 64).data });

export interface Answer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any
  readonly answer: any;
}

export class FakeMachine implements AsyncDisposable {
  readonly #path: string;
  readonly #gpus: readonly string[];

  private constructor(path: string, gpus: readonly string[]) {
    this.#path = path;
    this.#gpus = gpus;
  }

  /** @param gpus such as `NVIDIA Fake 4090:8.9:24564`; the UUIDs begin with `GPU-a0a0a0a0`, `GPU-a1a1a1a1` and so on */
  static async make(gpus: readonly string[]): Promise<FakeMachine> {
    const path = await Deno.makeTempDir({ prefix: "trtd-machine-" });
    await Deno.writeFile(join(path, "pets.onnx"), doubling(SHAPE));
    await Deno.writeTextFile(join(path, "fake.txt"), fakeModelText(SHAPE));
    return new FakeMachine(path, gpus);
  }

  /** Build the engine of a GPU, and see that it answers. */
  async build(device: string): Promise<void> {
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", MAIN, "detect", ...this.#flags, "--backend", "tensorrt", "--device", device, "--json"],
      clearEnv: true,
      env: cleanEnvironment(this.#env("")),
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
  }

  /** A server whose workers run no canary beside the requests. @param script words for the fakes @throws {ServeFailed} */
  async serve(flags: readonly string[], script = ""): Promise<ServeProcess> {
    const still = ["--canary-interval-ms", "600000"];
    return await ServeProcess.start([...this.#flags, ...still, ...flags], { env: this.#env(script) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#path, { recursive: true });
  }

  get #flags(): string[] {
    const model = join(this.#path, "pets.onnx");
    return ["--model", model, "--models", join(this.#path, "models"), "--tensorrt", dirname(fakeSet("10.16").core)];
  }

  #env(script: string): Record<string, string> {
    return fakeEnvironment({ folder: this.#path, set: "10.16", script, gpus: this.#gpus });
  }
}

/** One picture, always the same. */
export async function detectOn({ url }: ServeProcess): Promise<Answer> {
  const response = await fetch(`${url}/v1/detect`, {
    method: "POST",
    body: PICTURE,
    headers: { "content-type": "image/png" },
  });
  return { status: response.status, answer: await response.json() };
}
