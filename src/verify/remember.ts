/** Keeps results of the gate in the metadata of the engine that they are about. */
import type { Json } from "../cache/key.ts";
import type { EngineCache, Hit } from "../cache/store.ts";
import { type VerificationRecord, verificationsOf, VERIFIED, withRecord } from "./record.ts";

/** @returns why the result could not be kept, null when it was; never throws for what lies on the disk */
export async function rememberIn(
  cache: Pick<EngineCache, "amend">,
  hit: Hit,
  record: VerificationRecord,
): Promise<string | null> {
  return await cache.amend(hit, (facts) => ({
    ...facts,
    [VERIFIED]: withRecord(verificationsOf(facts), record) as unknown as Json,
  }));
}
