/** A model as the rest of trtd sees it: an ONNX file and what its manifest says. */

/** Where a pulled model came from; `trtd pull` writes it. */
export interface ManifestSource {
  /** The source without anything secret. */
  readonly uri: string;
  /** SHA-256 of the whole source, secrets of a query included, which tells it from others. */
  readonly id: string;
  /** Of the file, lower-case hexadecimal. */
  readonly sha256: string;
  readonly bytes: number;
  /** ISO 8601, UTC. */
  readonly fetched_at: string;
  /** Where the labels came from. */
  readonly labels?: string;
}

/** Head names are the rows of `src/detect/heads/heads.ts`. */
export interface Manifest {
  readonly name: string;
  /** File name of the ONNX model beside the manifest. */
  readonly file: string;
  readonly labels?: readonly string[];
  /** Name of a head that overrides the detected one. */
  readonly head?: string;
  readonly score?: number;
  readonly iou?: number;
  readonly max?: number;
  /** One box suppresses boxes of every class. @default false */
  readonly class_agnostic?: boolean;
  readonly description?: string;
  readonly license?: string;
  readonly source?: ManifestSource;
}

export interface Model {
  readonly name: string;
  /** Path of the ONNX file. */
  readonly path: string;
  readonly manifest: Manifest;
}
