/** A model as the rest of trtd sees it: an ONNX file and what its manifest says. */

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
}

export interface Model {
  readonly name: string;
  /** Path of the ONNX file. */
  readonly path: string;
  readonly manifest: Manifest;
}
