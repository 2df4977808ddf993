/** How many anchors a detector has for an input. */

/** Cell sizes of detectors' feature maps in pixels: P3 to P5, P3 to P6, P2 to P5. */
const STRIDES = [[8, 16, 32], [8, 16, 32, 64], [4, 8, 16, 32]] as const;

/** The strides of most detectors. */
export const USUAL_STRIDES: readonly number[] = STRIDES[0];

/** The strides whose cells number `anchors`, with one or three anchors a cell; null when none do. */
export function anchorStrides(
  anchors: number | null,
  height: number,
  width: number,
): { strides: readonly number[]; perCell: 1 | 3 } | null {
  for (const perCell of [1, 3] as const) {
    for (const strides of STRIDES) {
      const cells = strides.reduce((sum, s) => sum + Math.ceil(height / s) * Math.ceil(width / s), 0);
      if (anchors === perCell * cells) return { strides, perCell };
    }
  }
  return null;
}
