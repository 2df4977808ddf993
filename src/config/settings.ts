/**
 * Every setting, once: its key in `trtd.config.json`, its `TRTD_KEY` variable and its `--key` flag are the same word,
 * and its schema, default and help text stand beside it. The file may also group keys: `{"cache": {"layout": "per-device"}}` and
 * `{"cache.layout": "per-device"}` mean `cache_layout`.
 */
import { z } from "zod";

const milliseconds = (max: number) => z.number().int().min(1).max(max);

/** Languages of a value on the command line, in the environment and in JSON. */
export type SettingKind = "text" | "list" | "number" | "choice";

export interface Setting {
  readonly kind: SettingKind;
  /** What the checked value must be. */
  readonly schema: z.ZodType;
  /** `undefined`: unset unless somebody sets it. */
  readonly default: unknown;
  /** One line of help. */
  readonly help: string;
  /** How the value is named in the help, for example `DIR`. */
  readonly placeholder: string;
  /** Commands whose help shows the flag; every command takes it. */
  readonly commands: readonly string[] | "all";
}

const setting = <S extends z.ZodType, D>(
  kind: SettingKind,
  schema: S,
  rest: { default: D; help: string; placeholder: string; commands: readonly string[] | "all" },
) => ({ kind, schema, ...rest });

/** Number of a user of the operating system. */
const USER_ID = /^\d{1,10}$/;

const BUILDING = ["build-engine", "serve"] as const;
const DETECTING = ["detect", "serve", "bench"] as const;
const TENSORRT = ["doctor", "build-engine", "detect", "serve", "bench"] as const;
const SERVING = ["serve"] as const;
const CACHING = ["build-engine", "cache", "doctor", "serve", "detect", "bench"] as const;

/** The settings, in the order in which the help shows them. */
export const SETTINGS = {
  models: setting("text", z.string().min(1), {
    default: "models",
    help: "Folder of models and engines",
    placeholder: "DIR",
    commands: "all",
  }),
  model: setting("list", z.array(z.string().min(1)).min(1), {
    default: ["codes"],
    help: "Model by name or path; serve takes several",
    placeholder: "NAME|PATH",
    commands: DETECTING,
  }),
  backend: setting("choice", z.enum(["auto", "tensorrt", "onnxruntime"]), {
    default: "auto" as const,
    help: "What runs the model: auto, tensorrt or onnxruntime",
    placeholder: "NAME",
    commands: [...DETECTING, "doctor"],
  }),
  device: setting("text", z.string().min(1).optional(), {
    default: undefined,
    help: "GPU by index or UUID",
    placeholder: "INDEX|UUID",
    commands: TENSORRT,
  }),
  tensorrt: setting("text", z.string().min(1).optional(), {
    default: undefined,
    help: "Folder of TensorRT's libraries, or one of them; default: where the loader, packages and Python have them",
    placeholder: "DIR",
    commands: TENSORRT,
  }),
  threads: setting("number", z.number().int().min(1).max(1024).optional(), {
    default: undefined,
    help: "CPU threads of one inference; default: the cores that trtd may use",
    placeholder: "N",
    commands: DETECTING,
  }),
  score: setting("number", z.number().min(0).max(1).optional(), {
    default: undefined,
    help: "Lowest score that is reported, 0 to 1; default: the model's own",
    placeholder: "X",
    commands: DETECTING,
  }),
  iou: setting("number", z.number().min(0).max(1).optional(), {
    default: undefined,
    help: "Overlap from which the weaker of two boxes is dropped, 0 to 1; default: the model's own",
    placeholder: "X",
    commands: DETECTING,
  }),
  max: setting("number", z.number().int().min(1).max(5000).optional(), {
    default: undefined,
    help: "Most detections a picture, 1 to 5000",
    placeholder: "N",
    commands: DETECTING,
  }),
  classes: setting("list", z.array(z.string().min(1)).min(1).optional(), {
    default: undefined,
    help: "Only these labels, separated by commas",
    placeholder: "LABEL,...",
    commands: DETECTING,
  }),
  max_pixels: setting("number", z.number().int().min(1).max(268_402_689), {
    default: 40_000_000,
    help: "Most pixels of a picture, checked in its header",
    placeholder: "N",
    commands: DETECTING,
  }),
  host: setting("text", z.string().min(1), {
    default: "127.0.0.1",
    help: "Address to listen at",
    placeholder: "ADDRESS",
    commands: SERVING,
  }),
  port: setting("number", z.number().int().min(0).max(65_535), {
    default: 8080,
    help: "Port to listen at; 0 takes a free one",
    placeholder: "N",
    commands: SERVING,
  }),
  workers: setting("number", z.number().int().min(1).max(64), {
    default: 1,
    help: "Worker processes; each holds every model",
    placeholder: "N",
    commands: SERVING,
  }),
  max_body_bytes: setting("number", z.number().int().min(1024).max(1_073_741_824), {
    default: 16_777_216,
    help: "Most bytes of a request's body",
    placeholder: "N",
    commands: SERVING,
  }),
  queue_limit: setting("number", z.number().int().min(1).max(10_000), {
    default: 64,
    help: "Most requests that wait; more are answered 503",
    placeholder: "N",
    commands: SERVING,
  }),
  max_connections: setting("number", z.number().int().min(1).max(100_000), {
    default: 1024,
    help: "Most open connections",
    placeholder: "N",
    commands: SERVING,
  }),
  header_timeout_ms: setting("number", milliseconds(600_000), {
    default: 5_000,
    help: "Time for a request's headers to arrive",
    placeholder: "MS",
    commands: SERVING,
  }),
  body_timeout_ms: setting("number", milliseconds(600_000), {
    default: 10_000,
    help: "Time for a request's body to arrive",
    placeholder: "MS",
    commands: SERVING,
  }),
  idle_timeout_ms: setting("number", milliseconds(3_600_000), {
    default: 65_000,
    help: "Time that an idle connection stays open",
    placeholder: "MS",
    commands: SERVING,
  }),
  request_timeout_ms: setting("number", milliseconds(3_600_000), {
    default: 30_000,
    help: "Time from a request's arrival to its answer",
    placeholder: "MS",
    commands: SERVING,
  }),
  cache_dir: setting("text", z.string().min(1).optional(), {
    default: undefined,
    help: "Folder for unpacked native libraries; default: the user's cache folder",
    placeholder: "DIR",
    commands: "all",
  }),
  cache_layout: setting("choice", z.enum(["shared", "per-device"]), {
    default: "shared" as const,
    help: "Folders of engines: shared, or per-device where several kinds of GPU use one folder",
    placeholder: "NAME",
    commands: CACHING,
  }),
  cache_trusted_owners: setting("list", z.array(z.coerce.string().regex(USER_ID, "must be numbers of users")), {
    default: [],
    help: "Numbers of users whose engines are loaded, besides this user's and root's, separated by commas",
    placeholder: "UID,...",
    commands: CACHING,
  }),
  cache_size_limit_mb: setting("number", z.number().int().min(0).max(10_000_000), {
    default: 8192,
    help: "Megabytes of engines over which the least recently used go; 0 keeps all",
    placeholder: "MB",
    commands: CACHING,
  }),
  cache_hmac_key: setting("text", z.string().min(1).optional(), {
    default: undefined,
    help: "File with the key that signs engines; unset: they are not signed",
    placeholder: "FILE",
    commands: CACHING,
  }),
  cache_wait_s: setting("number", z.number().int().min(1).max(86_400), {
    default: 7200,
    help: "Seconds to wait for another process that builds the same engine",
    placeholder: "S",
    commands: CACHING,
  }),
  nms: setting("choice", z.enum(["ours", "plugin"]), {
    default: "ours" as const,
    help: "Who suppresses boxes of a model with EfficientNMS_TRT: ours, or TensorRT's plugin",
    placeholder: "NAME",
    commands: BUILDING,
  }),
  retry: setting("list", z.array(z.enum(["workspace", "optimization-level", "batch", "none"])).min(1), {
    default: ["workspace", "optimization-level"] as ("workspace" | "optimization-level" | "batch" | "none")[],
    help: "What may become smaller when a build runs out of memory: workspace, optimization-level, batch, or none; " +
      "default: workspace,optimization-level",
    placeholder: "LIST",
    commands: BUILDING,
  }),
  log_level: setting("choice", z.enum(["debug", "info", "warning", "error"]), {
    default: "info" as const,
    help: "Least severity that is logged: debug, info, warning or error",
    placeholder: "LEVEL",
    commands: "all",
  }),
  log_format: setting("choice", z.enum(["text", "json"]), {
    default: "text" as const,
    help: "Form of log lines on standard error: text or json",
    placeholder: "FORM",
    commands: "all",
  }),
};

export type SettingKey = keyof typeof SETTINGS;

/** The checked values of all settings. */
export type Config = { readonly [K in SettingKey]: z.output<(typeof SETTINGS)[K]["schema"]> };

/** `max_pixels` -> `TRTD_MAX_PIXELS` */
export const variableOf = (key: SettingKey): string => `TRTD_${key.toUpperCase()}`;

/** `max_pixels` -> `--max-pixels` */
export const flagOf = (key: SettingKey): string => `--${key.replaceAll("_", "-")}`;
