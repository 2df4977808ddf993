/** One-to-one assignment of as many boxes as possible. */

/**
 * Gives each of `edges.length` boxes a partner of its own, to as many as can be (Kuhn's augmenting paths).
 * @param edges by box: the partners that it may have, the best first
 * @returns by box: its partner, -1 for none. How many have one depends on nothing but the edges; a box keeps having a
 * partner once it has one, so those in front are served first
 */
export function assign(edges: readonly (readonly number[])[]): Int32Array {
  const partners = new Int32Array(edges.length).fill(-1);
  const owners = new Map<number, number>();
  for (let box = 0; box < edges.length; box++) augment(box, { edges, partners, owners });
  return partners;
}

interface State {
  readonly edges: readonly (readonly number[])[];
  readonly partners: Int32Array;
  /** Partner -> box. */
  readonly owners: Map<number, number>;
}

/** Searches breadth first, so that a long chain costs no stack. */
function augment(start: number, { edges, partners, owners }: State): void {
  const cameFrom = new Map<number, number>();
  const open = [start];
  for (let at = 0; at < open.length; at++) {
    const box = open[at]!;
    for (const partner of edges[box]!) {
      if (cameFrom.has(partner)) continue;
      cameFrom.set(partner, box);
      const owner = owners.get(partner);
      if (owner !== undefined) {
        open.push(owner);
        continue;
      }
      for (let free = partner; free !== -1;) {
        const taker = cameFrom.get(free)!;
        const given = partners[taker]!;
        partners[taker] = free;
        owners.set(free, taker);
        free = given;
      }
      return;
    }
  }
}
