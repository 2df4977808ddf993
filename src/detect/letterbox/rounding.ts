/** Rounds as Python's `round` and OpenCV's `cvRound`: ties to even. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value), rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
