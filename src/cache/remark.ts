/** Things to know that are no failures: the cache helped itself. */
import type { Judge } from "./pair.ts";
import type { CacheLayout } from "./place.ts";

export interface CacheRemark {
  readonly code:
    /** A file was moved to `.quarantine`. */
    | "set-aside"
    /** A half-way state of an earlier process was put in order. */
    | "recovered"
    /** Files of this folder are not used, because somebody else could have written them or they are damaged. */
    | "refused"
    /** Engines are stored in the user's cache folder. */
    | "other-folder"
    /** An engine of another key was kept in `.others`, or came back from there. */
    | "kept-apart"
    /** Something was removed to keep the size limit. */
    | "pruned"
    /** Something that the cache can do without did not work. */
    | "failed";
  /** A sentence without a final period. */
  readonly text: string;
  readonly path: string;
}

/** What the parts of the cache work with. */
export interface Keeper {
  readonly judge: Judge;
  readonly layout: CacheLayout;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly remark: (remark: CacheRemark) => void;
}
