/** The fault that ends all GPU work of this process, if one was met: CUDA's context is the process's, not a backend's. */
import type { TrtdError } from "../../errors.ts";

const told = Promise.withResolvers<TrtdError>();
let met: TrtdError | null = null;

/** The fault, null while there is none. */
export const processFault = (): TrtdError | null => met;

/** Resolves when a fault is met. */
export const faultMet: Promise<TrtdError> = told.promise;

/** From now on every GPU call fails with this one; the first counts. */
export function meetFault(fault: TrtdError): void {
  met ??= fault;
  told.resolve(met);
}
