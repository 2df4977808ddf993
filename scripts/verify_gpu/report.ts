/** What `scripts/verify_gpu.ts` writes. */

export interface StepReport {
  readonly name: string;
  /** Whether it went as it should; a refusal that should come is ok. */
  readonly ok: boolean;
  /** A sentence. */
  readonly detail: string;
  /** Everything measured. */
  readonly data: Readonly<Record<string, unknown>>;
}

export interface LibraryReport {
  readonly path: string;
  readonly product: "tensorrt" | "tensorrt-rtx" | null;
  readonly version: string | null;
  readonly kind: "full" | "lean" | "dispatch" | null;
  readonly steps: readonly StepReport[];
}

export interface VerifyReport {
  readonly trtd: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly gpu: { readonly name: string; readonly compute_capability: string; readonly memory_total: number };
  readonly driver: string | null;
  readonly driver_cuda: string | null;
  readonly model: { readonly name: string; readonly sha256: string };
  readonly ok: boolean;
  readonly seconds: number;
  readonly libraries: readonly LibraryReport[];
}
