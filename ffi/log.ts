/** Sinks of the log and the ring of progress. */

import { call, cText } from "./call.ts";
import { EventKind, Severity, Status } from "./enums.ts";
import { loadShim } from "./load.ts";
import { decode, layoutOf } from "./records.ts";
import { check, errorRecord } from "./shim_error.ts";

/** A record of the ring. */
export type LogEvent =
  | { kind: "log"; sequence: number; timeUs: number; severity: Severity; source: string; text: string }
  | { kind: "phase-start"; sequence: number; timeUs: number; phase: string; parent: string | null; steps: number }
  | { kind: "phase-step"; sequence: number; timeUs: number; phase: string; step: number }
  | { kind: "phase-finish"; sequence: number; timeUs: number; phase: string };

const decoder = new TextDecoder();
const HEADER = layoutOf("trtd_event").size;

/** Sends lines up to `severity` to an open descriptor, such as 2; `null` ends it. */
export function logToDescriptor(descriptor: number | null, severity: Severity = Severity.VERBOSE): void {
  call((symbols, error) => symbols.trtd_log_to_descriptor(descriptor ?? -1, severity, error));
}

/** Options of {@link logToFile}. */
export interface LogFileOptions {
  /** @default Severity.VERBOSE */
  severity?: Severity;
  /** Bytes after which the file is renamed to `path.1` and begun anew; 0 for never. @default 0 */
  limitBytes?: number;
}

/** Appends lines to a file; `null` closes it. @throws {ShimError} `IO_ERROR` */
export function logToFile(path: string | null, options: LogFileOptions = {}): void {
  const { severity = Severity.VERBOSE, limitBytes = 0 } = options;
  const name = path === null ? null : cText(path);
  call((symbols, error) => symbols.trtd_log_to_file(name, severity, BigInt(limitBytes), error));
}

/** Keeps up to `capacityBytes` of records for {@link drainLog}; 0 ends it. */
export function logToRing(capacityBytes: number, severity: Severity = Severity.VERBOSE): void {
  call((symbols, error) => symbols.trtd_log_to_ring(BigInt(capacityBytes), severity, error));
}

/** Sends a line of the program's own through the sinks. `source` is one word. */
export function logWrite(severity: Severity, source: string, text: string): void {
  const [word, line] = [cText(source), cText(text)];
  call((symbols, error) => symbols.trtd_log_write(severity, word, line, error));
}

function eventAt(bytes: Uint8Array, offset: number): { event: LogEvent; size: number } {
  const header = decode("trtd_event", bytes, offset);
  const at = offset + HEADER;
  const text = decoder.decode(bytes.subarray(at, at + header.text_length));
  const detailAt = at + header.text_length;
  const detail = decoder.decode(bytes.subarray(detailAt, detailAt + header.detail_length));
  const { sequence, time_us: timeUs } = header;
  switch (header.kind as EventKind) {
    case EventKind.LOG:
      return {
        event: { kind: "log", sequence, timeUs, severity: header.severity, source: detail, text },
        size: header.size,
      };
    case EventKind.PHASE_START: {
      const parent = detail === "" ? null : detail;
      return {
        event: { kind: "phase-start", sequence, timeUs, phase: text, parent, steps: header.total },
        size: header.size,
      };
    }
    case EventKind.PHASE_STEP:
      return { event: { kind: "phase-step", sequence, timeUs, phase: text, step: header.step }, size: header.size };
    case EventKind.PHASE_FINISH:
      return { event: { kind: "phase-finish", sequence, timeUs, phase: text }, size: header.size };
  }
}

/** Empties the ring; `lost` counts the records that it dropped since the last call. */
export function drainLog(bufferBytes = 1 << 20): { events: LogEvent[]; lost: number } {
  const events: LogEvent[] = [];
  let records = new Uint8Array(bufferBytes);
  let lost = 0;
  while (true) {
    const [used, missed] = [new BigUint64Array(1), new BigUint64Array(1)];
    const error = errorRecord();
    const status = loadShim().symbols.trtd_log_drain(
      records,
      BigInt(records.length),
      new Uint8Array(used.buffer),
      new Uint8Array(missed.buffer),
      error,
    );
    if (status === Status.BUFFER_TOO_SMALL && records.length < 1 << 28) {
      records = new Uint8Array(records.length * 4);
      continue;
    }
    check(status, error);
    const length = Number(used[0]);
    lost += Number(missed[0]);
    if (length === 0) return { events, lost };
    for (let offset = 0; offset < length;) {
      const { event, size } = eventAt(records, offset);
      events.push(event);
      offset += size;
    }
  }
}
