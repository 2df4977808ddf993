/** One thing that goes wrong while a server runs; the same for every way to start it. */
import type { Program } from "../server/program.ts";

export interface ChaosContext {
  readonly program: Program;
  /** Path of the model of colour_model.ts. */
  readonly model: string;
  /** Tell what was measured. */
  report(line: string): void;
}

export interface ChaosCase {
  /** A sentence. */
  readonly name: string;
  /** @throws {Error} when it did not go as it should */
  run(context: ChaosContext): Promise<void>;
}
