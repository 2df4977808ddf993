/** What a head finds in one picture before boxes are weeded out: a growable struct of arrays, kept and reused. */

/** Candidate boxes of one picture. Not for sharing between calls that overlap. */
export class Candidates {
  #capacity = 1024;
  /** `x1, y1, x2, y2` of every candidate, f32, pixels of the model's input; corners may be reversed or not finite. */
  boxes: Float32Array = new Float32Array(4 * this.#capacity);
  /** f32; never NaN. */
  scores: Float32Array = new Float32Array(this.#capacity);
  /** Class index. */
  classes: Int32Array = new Int32Array(this.#capacity);
  /** `anchor * classes + class`: the lower goes first among equal scores. Below 2^31. */
  elements: Int32Array = new Int32Array(this.#capacity);
  count = 0;

  clear(): void {
    this.count = 0;
  }

  /**
   * Add a candidate; its box is then written at `4 * slot` of {@link boxes}, which this call may have replaced.
   * @returns its slot
   */
  push(element: number, classId: number, score: number): number {
    const slot = this.count;
    if (slot === this.#capacity) this.#grow();
    this.scores[slot] = score;
    this.classes[slot] = classId;
    this.elements[slot] = element;
    this.count = slot + 1;
    return slot;
  }

  #grow(): void {
    this.#capacity *= 2;
    const grown = <T extends Float32Array | Int32Array>(to: T, from: T): T => (to.set(from), to);
    this.boxes = grown(new Float32Array(4 * this.#capacity), this.boxes);
    this.scores = grown(new Float32Array(this.#capacity), this.scores);
    this.classes = grown(new Int32Array(this.#capacity), this.classes);
    this.elements = grown(new Int32Array(this.#capacity), this.elements);
  }
}
