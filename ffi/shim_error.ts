import { Origin, Status } from "./enums.ts";
import { allocate, decode } from "./records.ts";

/** A failure that libtrtd reported. `message` is a sentence: capital first, no final period. */
export class ShimError extends Error {
  override readonly name = "ShimError";
  readonly status: Status;
  readonly origin: Origin;
  /** `errno`, CUresult, "Error Code N" of TensorRT or the parser's code, by `origin`; 0 for none. */
  readonly code: number;

  constructor(status: Status, message: string, origin: Origin = Origin.SHIM, code = 0) {
    super(message);
    this.status = status;
    this.origin = origin;
    this.code = code;
  }

  /** The status in words, such as `BUILD_FAILED`. */
  get statusName(): string {
    return Status[this.status] ?? `status ${this.status}`;
  }
}

/** A record for a call to fill. */
export function errorRecord(): Uint8Array<ArrayBuffer> {
  return allocate("trtd_error");
}

/** @throws {ShimError} unless `status` is OK */
export function check(status: Status, record: Uint8Array): void {
  if (status === Status.OK) return;
  const error = decode("trtd_error", record);
  throw new ShimError(status, error.message, error.origin, error.code);
}
