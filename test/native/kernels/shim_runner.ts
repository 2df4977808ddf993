/** Cases of the kernels through libtrtd, on a GPU or on the fake driver. */
import { Device, type DeviceMemory, openCuda, type Stream } from "../../../ffi/cuda.ts";
import { Kernels } from "../../../ffi/kernels.ts";
import { type Answer, type DetectCase, specOf } from "./detect_case.ts";
import type { LetterboxCase } from "./emulator.ts";

const ALIGNMENT = 256;

/** Holds a device with the kernels and memory that grows to what the largest case needs. */
export class ShimRunner implements Disposable {
  readonly device: Device;
  readonly kernels: Kernels;
  readonly stream: Stream;
  #inputs: DeviceMemory;
  #output: DeviceMemory;

  private constructor(device: Device, kernels: Kernels) {
    this.device = device;
    this.kernels = kernels;
    this.stream = device.createStream();
    this.#inputs = device.allocate(1 << 20);
    this.#output = device.allocate(1 << 20);
  }

  /** @param driver path of the CUDA driver library; the loader's by default */
  static async open(driver?: string): Promise<ShimRunner> {
    await openCuda(driver);
    const device = await Device.open(0);
    return new ShimRunner(device, await Kernels.load(device));
  }

  [Symbol.dispose](): void {
    for (const owned of [this.#inputs, this.#output, this.stream, this.kernels, this.device]) owned.close();
  }

  /** Copies parts to the device, each at an aligned place. @returns the places */
  #upload(parts: readonly Uint8Array<ArrayBuffer>[]): number[] {
    const places: number[] = [];
    let end = 0;
    for (const part of parts) {
      places.push(end);
      end += Math.ceil(part.length / ALIGNMENT) * ALIGNMENT;
    }
    if (end > this.#inputs.bytes) {
      this.#inputs.close();
      this.#inputs = this.device.allocate(end);
    }
    parts.forEach((part, i) => this.#inputs.write(part, places[i]));
    return places;
  }

  /** The kernels' answer for each picture. */
  async detect(c: DetectCase): Promise<Answer[]> {
    using detections = this.kernels.createDetections(specOf(c));
    const parts = c.tensors.map(({ data }) =>
      new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength)
    );
    this.#upload(parts).forEach((place, i) => detections.setTensor(i, this.#inputs, place));
    detections.setQuestions(c.questions);
    detections.enqueue(this.stream);
    await this.stream.synchronize();
    return c.questions.map((_, image) => detections.read(image));
  }

  /** The kernel's input tensor, as its bytes. */
  async letterbox(c: LetterboxCase): Promise<Uint8Array<ArrayBuffer>> {
    using letterbox = this.kernels.createLetterbox({
      framesMax: c.frames.length,
      width: c.width,
      height: c.height,
      type: c.type,
      order: c.bgr ? "bgr" : "rgb",
      range: c.range,
    });
    const bytes = 3 * c.width * c.height * c.frames.length * (c.type === "float16" ? 2 : 4);
    if (bytes > this.#output.bytes) {
      this.#output.close();
      this.#output = this.device.allocate(bytes);
    }
    const places = this.#upload(c.frames.map(({ picture }) => picture.data as Uint8Array<ArrayBuffer>));
    letterbox.setFrames(c.frames.map(({ picture, placement }, i) => ({
      memory: this.#inputs,
      offset: places[i]!,
      width: picture.width,
      height: picture.height,
      placement,
    })));
    letterbox.setTarget(this.#output);
    letterbox.enqueue(this.stream);
    await this.stream.synchronize();
    return this.#output.read(0, bytes);
  }
}
