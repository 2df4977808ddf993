/** What is known not to work on the exporters' models, and why that is accepted: data, walked by the tests. */

/** A row stands for all plans and models whose names match. */
export interface Gap {
  readonly file: RegExp;
  /** Passes as plans.ts writes them; `head` stands for the head that `trtd inspect` finds in the exporter's own file. */
  readonly plan: RegExp;
  /** What the refusal or the problem says. */
  readonly says: RegExp;
  readonly because: string;
}

export const GAPS: readonly Gap[] = [
  {
    file: /_queries_|_sized_|_attention_|_rtdetr/,
    plan: /dynamic-batch/,
    says: /cannot be made dynamic/,
    because:
      "exporters write attention with the batch folded into rows or heads by constant sizes; no size says where it is",
  },
  {
    file: /_arithmetic_/,
    plan: /dynamic-batch/,
    says: /cannot be made dynamic/,
    because: "no detector: its constants look up and expand the batch itself",
  },
  {
    file: /_subgraphs_|_control_/,
    plan: /dynamic-batch/,
    says: /cannot be made dynamic/,
    because: "the batch is not followed into subgraphs",
  },
  {
    file: /_functions_/,
    plan: /dynamic-batch/,
    says: /cannot be made dynamic/,
    because: "the batch is not followed into functions of the model",
  },
  {
    file: /nmsTrue/,
    plan: /static-batch, dynamic-batch/,
    says: /cannot be made dynamic/,
    because: "with nms=True Ultralytics unrolls the suppression for each picture of the batch",
  },
  {
    file: /_yolox(decoded)?_\d+_all/,
    plan: /^head$/,
    says: /is found to be "yolov5"/,
    because: "with free height and width nothing tells one anchor a cell from three; the manifest's `head` does",
  },
];
