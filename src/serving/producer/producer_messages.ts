/** What local producers and the serving manager say to each other: JSON lines, see docs/ring.md. */
import { z } from "zod";
import { type TrtdError } from "../../errors.ts";
import { withoutSecrets } from "../../secrets.ts";

/** Version of the protocol; a change that an older producer would not understand raises it. */
export const PROTOCOL = 1;

const whole = (min: number) => z.number().int().min(min);
const unit = z.number().min(0).max(1);

const wishes = {
  id: z.union([z.string().max(200), z.number()]),
  slot: whole(0),
  model: z.string().max(200).exactOptional(),
  score: unit.exactOptional(),
  iou: unit.exactOptional(),
  max: whole(1).max(5000).exactOptional(),
  classes: z.array(z.string()).min(1).readonly().exactOptional(),
  timeout_ms: whole(1).exactOptional(),
};

export const helloSchema = z.strictObject({
  type: z.literal("hello"),
  protocol: z.literal(PROTOCOL),
  slot_bytes: whole(1),
});

export const detectSchema = z.discriminatedUnion("kind", [
  z.strictObject({ type: z.literal("detect"), kind: z.literal("file"), length: whole(1), ...wishes }),
  z.strictObject({
    type: z.literal("detect"),
    kind: z.literal("rgb"),
    width: whole(1),
    height: whole(1),
    stride: whole(3).exactOptional(),
    ...wishes,
  }),
]);

export type DetectLine = z.output<typeof detectSchema>;

/** What every line of type `error` says about its error. What trtd did not foresee is told in the log alone. */
export function errorFields({ code, message, remedy, retryAfterS }: TrtdError): Record<string, unknown> {
  return {
    type: "error",
    code,
    detail: code === "INTERNAL" ? "The server's log tells more" : withoutSecrets(message),
    remedy,
    ...(retryAfterS === undefined ? {} : { retry_after_s: retryAfterS }),
  };
}
