/** The order in which things that wait for each other can be done. */

export interface DependencyOrder {
  /** Indices, each after all that it waits for; those in or behind a cycle are missing. */
  readonly order: readonly number[];
  /** One cycle, each waiting for the next, or null when there is none. */
  readonly cycle: readonly number[] | null;
}

/** @param sources for each node the indices of the nodes that it waits for, each at most once */
export function dependencyOrder(sources: readonly (readonly number[])[]): DependencyOrder {
  const waiting = sources.map((one) => one.length);
  const targets: number[][] = sources.map(() => []);
  sources.forEach((one, node) => one.forEach((source) => targets[source]!.push(node)));
  const ready = waiting.flatMap((count, node) => count === 0 ? [node] : []);
  const order: number[] = [];
  for (let node = ready.pop(); node !== undefined; node = ready.pop()) {
    order.push(node);
    for (const target of targets[node]!) if (--waiting[target]! === 0) ready.push(target);
  }
  if (order.length === sources.length) return { order, cycle: null };
  const path: number[] = [];
  const position = new Map<number, number>();
  let node = waiting.findIndex((count) => count > 0);
  while (!position.has(node)) {
    position.set(node, path.length);
    path.push(node);
    node = sources[node]!.find((source) => waiting[source]! > 0)!;
  }
  return { order, cycle: path.slice(position.get(node)!) };
}
