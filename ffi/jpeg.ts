/** JPEG files to pixels on the GPU by nvJPEG. */

import { call, callLong, cText, outRecord, outU64Long } from "./call.ts";
import type { Device, DeviceMemory, Stream } from "./cuda.ts";
import { JpegBackend, JpegFlag, Status } from "./enums.ts";
import { Owned } from "./handle.ts";
import { ShimError } from "./shim_error.ts";

/** A JPEG file and where its pixels go. */
export interface JpegFile {
  readonly data: Uint8Array;
  /** As the file's header says, in pixels: 1..65535. */
  readonly width: number;
  readonly height: number;
  /** Packed RGB u8 `[height, width, 3]`. */
  readonly memory: DeviceMemory;
  /** Bytes. @default 0 */
  readonly offset?: number;
}

/** Facts of a decoder. */
export interface JpegFacts {
  /** Of nvJPEG, such as `13.3.2`. */
  readonly version: string;
  readonly backend: "hybrid" | "hardware";
  /** JPEG engines of the GPU; 0 when there are none or nvJPEG does not tell. */
  readonly engines: number;
  /** Whether colours of fewer pixels are interpolated. */
  readonly interpolates: boolean;
  /** Pictures so far. */
  readonly decoded: number;
  readonly refused: number;
  /** The name or the end of the path that was opened. */
  readonly path: string;
}

export interface JpegOpenOptions {
  /** The library. @default libnvjpeg.so.13, .12, .11 on the loader's path and in the folders of CUDA's packages */
  readonly path?: string;
  /** @default AUTO */
  readonly backend?: JpegBackend;
  /**
   * Interpolate where colours have fewer pixels than brightness, as the CPU's decoder does, instead of repeating pixels;
   * an nvJPEG that cannot (before 12.1) decodes without. @default true
   */
  readonly interpolate?: boolean;
}

/** Failures that mean "this machine has no nvJPEG that can be used". */
const ABSENT: readonly Status[] = [Status.LIBRARY_NOT_LOADED, Status.SYMBOL_MISSING, Status.UNSUPPORTED];

const BACKENDS = { 1: "hybrid", 3: "hardware" } as const;

/**
 * The check that every file passes before its pixels are used: whole, sound, and with tables that the hardware reads
 * rightly. About 1 ms for 200 kB.
 * @throws {ShimError} `PICTURE_REFUSED` with the first thing wrong: decode it on the CPU
 */
export async function checkJpeg(data: Uint8Array<ArrayBuffer>, width: number, height: number): Promise<void> {
  await callLong(
    [data],
    (symbols, error) => symbols.trtd_jpeg_check(data, BigInt(data.length), width, height, error),
  );
}

/** A decoder of one pipeline, used by nothing else at the same time. */
export class JpegDecoder extends Owned {
  /** @throws {ShimError} `LIBRARY_NOT_LOADED`, `SYMBOL_MISSING`, `UNSUPPORTED`, `OUT_OF_MEMORY`, `CUDA_ERROR` */
  static async open(device: Device, options: JpegOpenOptions = {}): Promise<JpegDecoder> {
    const path = options.path === undefined ? null : cText(options.path);
    const backend = options.backend ?? JpegBackend.AUTO;
    const flags = options.interpolate === false ? 0 : JpegFlag.INTERPOLATE;
    return new JpegDecoder(
      await outU64Long((out) =>
        callLong(
          path === null ? [out] : [out, path],
          (symbols, error) => symbols.trtd_jpeg_open(device.handle, path, backend, flags, out, error),
        )
      ),
    );
  }

  /**
   * The usual library or the first of `paths` that can be used; none is no error.
   * @returns the decoder, or why there is none
   * @throws {ShimError} `OUT_OF_MEMORY`, `CUDA_ERROR`
   */
  static async find(
    device: Device,
    paths: readonly string[] = [],
    options: Pick<JpegOpenOptions, "interpolate"> = {},
  ): Promise<
    { readonly decoder: JpegDecoder; readonly reason: null } | { readonly decoder: null; readonly reason: string }
  > {
    const reasons: string[] = [];
    for (const path of [undefined, ...paths]) {
      try {
        const where = path === undefined ? {} : { path };
        return { decoder: await JpegDecoder.open(device, { ...options, ...where }), reason: null };
      } catch (error) {
        if (!(error instanceof ShimError) || !ABSENT.includes(error.status)) throw error;
        reasons.push(error.message);
      }
    }
    return { decoder: null, reason: reasons.join("; ") };
  }

  facts(): JpegFacts {
    const { version, backend, engines, flags, decoded, refused, path } = outRecord("trtd_jpeg_info", (out) => {
      call((symbols, error) => symbols.trtd_jpeg_facts(this.handle, out, error));
    });
    const parts = [Math.floor(version / 10000), Math.floor(version / 100) % 100, version % 100];
    return {
      version: parts.join("."),
      backend: BACKENDS[backend as keyof typeof BACKENDS],
      engines,
      interpolates: (flags & JpegFlag.INTERPOLATE) !== 0,
      decoded,
      refused,
      path,
    };
  }

  /**
   * Decodes files and waits until their pixels are there.
   * @throws {ShimError} `PICTURE_REFUSED` with the index of the file as `code`; `OUT_OF_MEMORY`, `CUDA_ERROR`
   */
  async decode(files: readonly JpegFile[], stream: Stream): Promise<void> {
    const bytes = files.reduce((sum, { data }) => sum + data.length, 0);
    const block = new Uint8Array(bytes);
    const records = new ArrayBuffer(40 * files.length);
    let begin = 0;
    files.forEach(({ data, width, height, memory, offset }, i) => {
      block.set(data, begin);
      const numbers = [begin, data.length, memory.handle, offset ?? 0].map(BigInt);
      new BigUint64Array(records, 40 * i, 4).set(numbers);
      new Int32Array(records, 40 * i + 32, 2).set([width, height]);
      begin += data.length;
    });
    const table = new Uint8Array(records);
    await callLong([block, table], (symbols, error) =>
      symbols.trtd_jpeg_decode(
        this.handle,
        block,
        BigInt(bytes),
        table,
        files.length,
        stream.handle,
        error,
      ));
  }
}
