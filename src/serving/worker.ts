/** The worker's side: holds the models, answers the serving manager over one channel, ends when that closes. */
import { getLogger } from "@logtape/logtape";
import { TrtdError, trtdErrorFrom } from "../errors.ts";
import type { BackendInfo } from "../backends/backend.ts";
import type { DetectionResult, DetectOptions } from "../detect/detection.ts";
import type { Model } from "../models/model.ts";
import { type ByteSink, type ByteSource, FrameReader, FrameWriter } from "./frames.ts";
import {
  messageFromError,
  type ReplyMessage,
  type RequestMessage,
  requestSchema,
  type WorkerSettings,
} from "./messages.ts";

const log = getLogger(["trtd", "serving"]);

/** What a worker needs of a detector. */
export interface ServedDetector {
  readonly labels: readonly string[];
  readonly info: BackendInfo;
  detect(bytes: Uint8Array, options?: DetectOptions): Promise<DetectionResult>;
  /** JPEG with the boxes drawn. */
  annotate(bytes: Uint8Array, result: DetectionResult): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** Loads one model; throws a `TrtdError` with the code of what is wrong. */
export type OpenDetector = (model: Model, settings: WorkerSettings) => Promise<ServedDetector>;

type DetectMessage = Extract<RequestMessage, { type: "detect" }>;

/**
 * Serve one manager until its channel closes.
 * @throws {TrtdError} `INTERNAL` when the manager breaks the protocol
 */
export async function serveChannel(channel: ByteSource & ByteSink, open: OpenDetector): Promise<void> {
  const reader = new FrameReader(channel);
  const writer = new FrameWriter(channel);
  const reply = (message: ReplyMessage, payload?: Uint8Array) =>
    writer.write(message, payload).catch((error) => log.debug("The manager is gone: {error}", { error }));
  const detectors = new Map<string, ServedDetector>();
  try {
    for (let frame = await reader.next(); frame !== null; frame = await reader.next()) {
      const message = checkedRequest(frame.header);
      if (message.type === "load") await load(message.models as Model[], message.settings);
      else void answer(message, frame.payload);
    }
  } finally {
    for (const detector of detectors.values()) await detector.close().catch(() => {});
  }

  async function load(models: readonly Model[], settings: WorkerSettings): Promise<void> {
    try {
      for (const model of models) detectors.set(model.name, await open(model, settings));
    } catch (thrown) {
      await reply({ type: "failed", error: messageFromError(trtdErrorFrom(thrown)) });
      return;
    }
    await reply({
      type: "loaded",
      models: [...detectors].map(([name, { labels, info }]) => ({ name, labels: [...labels], backend: info })),
    });
  }

  async function answer(message: DetectMessage, bytes: Uint8Array): Promise<void> {
    try {
      const detector = detectors.get(message.model);
      if (detector === undefined) throw new TrtdError("MODEL_NOT_FOUND", `No model "${message.model}" is loaded`);
      if (Date.now() > message.deadline) {
        throw new TrtdError("DEADLINE_EXCEEDED", "The request's time ended before its picture was decoded");
      }
      const result = await detector.detect(bytes, message.options);
      const annotated = message.annotate ? await detector.annotate(bytes, result) : undefined;
      await reply({ type: "answer", id: message.id, result }, annotated);
    } catch (thrown) {
      const error = trtdErrorFrom(thrown);
      if (error.code === "INTERNAL") log.error("A detection failed: {stack}", { stack: error.cause ?? error.stack });
      await reply({ type: "error", id: message.id, error: messageFromError(error) });
    }
  }
}

function checkedRequest(header: unknown): RequestMessage {
  const parsed = requestSchema.safeParse(header);
  if (!parsed.success) {
    throw new TrtdError("INTERNAL", `The manager sent a message that is not known: ${parsed.error.message}`);
  }
  return parsed.data;
}
