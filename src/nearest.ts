/** What somebody may have meant. */

/** Changes of one letter up to which a word counts as a misspelling. */
const DISTANCE_MAX = 3;

/** The known word that differs least from the given one, undefined when none is near. */
export function nearestOf(word: string, known: readonly string[]): string | undefined {
  const [best] = known.map((one) => ({ one, distance: distance(word.toLowerCase(), one) }))
    .sort((a, b) => a.distance - b.distance);
  if (best === undefined) return undefined;
  return best.distance <= DISTANCE_MAX && 2 * best.distance <= best.one.length ? best.one : undefined;
}

/** Letters to insert, drop or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}
