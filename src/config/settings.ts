/**
 * Every setting, once: its key in `trtd.config.json`, its `TRTD_KEY` variable and its `--key` flag are the same word,
 * and its schema, default and help text stand beside it. Files may also group keys by their first word:
 * `{"cache": {"layout": "per-device"}}` and `{"cache.layout": "per-device"}` mean `cache_layout`.
 */
import { z } from "zod";
import { type Alias, aliasesSchema, aliasSchema } from "./alias.ts";
import { deviceProblem } from "./device.ts";
import { setting } from "./setting.ts";

export type { Setting, SettingKind } from "./setting.ts";

const milliseconds = (max: number) => z.number().int().min(1).max(max);

/** Number of a user of the operating system. */
const userId = () =>
  z.union([z.string().regex(/^\d{1,10}$/), z.int().min(0).max(4_294_967_295)], {
    error: "must be numbers of users",
  }).transform(String);

/** Long enough that nobody guesses it, and without what a header cannot carry. */
const apiKey = () => z.string().regex(/^[\x21-\x7e]{16,256}$/, "must be 16 to 256 ASCII characters without spaces");

const network = () =>
  z.union([z.cidrv4(), z.cidrv6(), z.ipv4(), z.ipv6()], {
    error: "must be an address or a network such as 192.168.1.0/24 or fd00::/8",
  });

/** A name of the domain name system in lower case. */
const hostName = () =>
  z.string().regex(
    /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*$/,
    "must be a host name in lower case, without port",
  );

/** A host's name or address, with a port or without. */
const downloadHost = () =>
  z.string().regex(/^[A-Za-z0-9._:[\]-]{1,262}$/, "must be host names, with a port or without");

/** GPUs as a text; files may have an index as a number, and several as a list. */
const device = () => {
  const rule = "must be indexes or UUIDs of GPUs";
  const one = z.union([z.string().min(1, rule), z.int().min(0, rule).max(9999, rule)], { error: rule });
  return z.union([one, z.array(one).min(1, rule)], { error: rule })
    .transform((value) => [value].flat().join(",")).superRefine((value, context) => {
      const problem = deviceProblem(value);
      if (problem !== null) context.addIssue({ code: "custom", message: problem });
    });
};

/** A path, or an address of http or https. */
const upstream = () =>
  z.string().min(1).max(4096).refine(
    (text) => !/^[a-z][a-z0-9+.-]*:\/\//i.test(text) || /^https?:\/\/[^/]/i.test(text) && URL.canParse(text),
    "must be a path or an address of http or https",
  );

const BUILDING = ["build-engine", "serve"] as const;
const DETECTING = ["detect", "serve", "bench"] as const;
const TENSORRT = ["doctor", "build-engine", "detect", "serve", "bench", "verify"] as const;
const SERVING = ["serve"] as const;
const RUNNING_ENGINES = ["detect", "serve", "bench", "verify"] as const;
const CACHING = ["build-engine", "cache", "doctor", "serve", "detect", "bench", "verify"] as const;
const FETCHING = ["pull", "models", "serve", "detect", "bench", "verify", "build-engine", "convert", "cache"] as const;

const MODELS = {
  models: setting("text", () => z.string().min(1), {
    default: "models",
    help: "Folder of models and engines",
    placeholder: "DIR",
    commands: "all",
  }),
  model: setting("list", () => z.array(z.string().min(1)).min(1), {
    default: ["codes"],
    help: "Model by name, path or source (https:, s3:, an alias); serve takes several",
    placeholder: "NAME|PATH",
    commands: DETECTING,
  }),
  models_offline: setting("boolean", () => z.boolean(), {
    default: false,
    help: "Fetch no model: what is not on this machine is an error",
    placeholder: "BOOL",
    commands: FETCHING,
  }),
  aliases: setting("object", () => aliasesSchema(), {
    default: {} as Record<string, Alias>,
    help: 'What NAME: before a model stands for: {"minio": {"endpoint": "https://...", "bucket": "models"}}',
    placeholder: "JSON",
    commands: FETCHING,
    members: () => Object.keys(aliasSchema().shape),
  }),
  download_timeout_ms: setting("number", () => milliseconds(86_400_000), {
    default: 1_800_000,
    help: "Longest time that one download of a model takes",
    placeholder: "MS",
    commands: FETCHING,
  }),
  download_stall_ms: setting("number", () => milliseconds(3_600_000), {
    default: 30_000,
    help: "Longest time without a byte of a download",
    placeholder: "MS",
    commands: FETCHING,
  }),
  download_trusted_hosts: setting("list", () => z.array(downloadHost()), {
    default: [] as string[],
    help: "Hosts that downloads may use by plain http, and redirects may lead to though they are of this network",
    placeholder: "HOST,...",
    commands: FETCHING,
  }),
  ca_file: setting("text", () => z.string().min(1).optional(), {
    default: undefined,
    help: "PEM file of certificate authorities that downloads trust besides the system's",
    placeholder: "FILE",
    commands: FETCHING,
  }),
};

const DETECTION = {
  backend: setting("choice", () => z.enum(["auto", "tensorrt", "onnxruntime"]), {
    default: "auto" as const,
    help: "What runs the model: auto, tensorrt or onnxruntime",
    placeholder: "NAME",
    commands: [...DETECTING, "doctor"],
  }),
  device: setting("text", () => device().optional(), {
    default: undefined,
    help: "GPU by index or UUID, or auto: the first; serve takes several, separated by commas, or all, and runs the " +
      "instances of a model on each, other commands take the first of them",
    placeholder: "INDEX|UUID",
    commands: TENSORRT,
  }),
  tensorrt: setting("text", () => z.string().min(1).optional(), {
    default: undefined,
    help: "Folder of TensorRT's libraries, or one of them; default: where the loader, packages and Python have them",
    placeholder: "DIR",
    commands: TENSORRT,
  }),
  threads: setting("number", () => z.number().int().min(1).max(1024).optional(), {
    default: undefined,
    help: "CPU threads of one inference; default: the cores that trtd may use",
    placeholder: "N",
    commands: DETECTING,
  }),
  score: setting("number", () => z.number().min(0).max(1).optional(), {
    default: undefined,
    help: "Lowest score that is reported, 0 to 1; default: the model's own",
    placeholder: "X",
    commands: DETECTING,
  }),
  iou: setting("number", () => z.number().min(0).max(1).optional(), {
    default: undefined,
    help: "Overlap from which the weaker of two boxes is dropped, 0 to 1; default: the model's own",
    placeholder: "X",
    commands: DETECTING,
  }),
  max: setting("number", () => z.number().int().min(1).max(5000).optional(), {
    default: undefined,
    help: "Most detections a picture, 1 to 5000",
    placeholder: "N",
    commands: DETECTING,
  }),
  classes: setting("list", () => z.array(z.string().min(1)).min(1).optional(), {
    default: undefined,
    help: "Only these labels, separated by commas",
    placeholder: "LABEL,...",
    commands: DETECTING,
  }),
  max_pixels: setting("number", () => z.number().int().min(1).max(268_402_689), {
    default: 40_000_000,
    help: "Most pixels of a picture, checked in its header",
    placeholder: "N",
    commands: DETECTING,
  }),
};

const HTTP = {
  host: setting("text", () => z.string().min(1), {
    default: "127.0.0.1",
    help: "Address to listen at",
    placeholder: "ADDRESS",
    commands: SERVING,
  }),
  port: setting("number", () => z.number().int().min(0).max(65_535), {
    default: 8080,
    help: "Port to listen at; 0 takes a free one",
    placeholder: "N",
    commands: SERVING,
  }),
  max_body_bytes: setting("number", () => z.number().int().min(1024).max(1_073_741_824), {
    default: 16_777_216,
    help: "Most bytes of a request's body",
    placeholder: "N",
    commands: SERVING,
  }),
  max_connections: setting("number", () => z.number().int().min(1).max(100_000), {
    default: 1024,
    help: "Most open connections; fewer where the process may open fewer files (ulimit -n)",
    placeholder: "N",
    commands: SERVING,
  }),
  header_timeout_ms: setting("number", () => milliseconds(600_000), {
    default: 5_000,
    help: "Time for a request's headers to arrive",
    placeholder: "MS",
    commands: SERVING,
  }),
  body_timeout_ms: setting("number", () => milliseconds(600_000), {
    default: 10_000,
    help: "Time for a request's body to arrive",
    placeholder: "MS",
    commands: SERVING,
  }),
  idle_timeout_ms: setting("number", () => milliseconds(3_600_000), {
    default: 65_000,
    help: "Time that an idle connection stays open",
    placeholder: "MS",
    commands: SERVING,
  }),
};

const ACCESS = {
  api_key: setting("text", () => apiKey().optional(), {
    default: undefined,
    help: "Key that requests must have; keys that are shared or replaced belong into api_keys_file",
    placeholder: "KEY",
    commands: SERVING,
    secret: true,
  }),
  api_keys_file: setting("text", () => z.string().min(1).optional(), {
    default: undefined,
    help: "File of digests of keys, one a line, read again when it changes; trtd config key makes them",
    placeholder: "FILE",
    commands: SERVING,
  }),
  http_trusted_networks: setting("list", () => z.array(network()), {
    default: [] as string[],
    help: "Networks whose requests need no key, such as 192.168.1.0/24, separated by commas",
    placeholder: "CIDR,...",
    commands: SERVING,
  }),
  http_allowed_hosts: setting("list", () => z.array(hostName()), {
    default: [] as string[],
    help: "Names of this server, for requests without a key: their Host must be an address, a local name or " +
      "one of these",
    placeholder: "NAME,...",
    commands: SERVING,
  }),
  insecure: setting("boolean", () => z.boolean(), {
    default: false,
    help: "Listen at other addresses than the loopback although no key is asked",
    placeholder: "BOOL",
    commands: SERVING,
  }),
};

const WORKERS = {
  instances: setting("number", () => z.number().int().min(1).max(64), {
    default: 1,
    help: "Worker processes of each model; where device names several GPUs, on each of them",
    placeholder: "N",
    commands: SERVING,
  }),
  in_process: setting("boolean", () => z.boolean(), {
    default: false,
    help: "Run the models in the process that answers HTTP: less memory, but a native crash ends the server",
    placeholder: "BOOL",
    commands: SERVING,
  }),
  serve_while_building: setting("choice", () => z.enum(["cpu", "refuse", "off"]), {
    default: "cpu" as const,
    help:
      "While an engine is built: cpu answers on the CPU, refuse answers 503; off: no engine is built behind the service",
    placeholder: "NAME",
    commands: SERVING,
  }),
  queue_limit: setting("number", () => z.number().int().min(1).max(10_000), {
    default: 64,
    help: "Most requests that wait; more are answered 503",
    placeholder: "N",
    commands: SERVING,
  }),
  queue_wait_ms: setting("number", () => milliseconds(3_600_000), {
    default: 1_200,
    help: "Longest time that a request is expected to wait for a worker; more are answered 503, but 8 may always wait",
    placeholder: "MS",
    commands: SERVING,
  }),
  request_timeout_ms: setting("number", () => milliseconds(3_600_000), {
    default: 30_000,
    help: "Time from a request's arrival to its answer",
    placeholder: "MS",
    commands: SERVING,
  }),
  batch_max: setting("number", () => z.number().int().min(1).max(256).optional(), {
    default: undefined,
    help: "Most pictures of one run; default: what the engine allows",
    placeholder: "N",
    commands: SERVING,
  }),
  batch_delay_ms: setting("number", () => z.number().min(0).max(1000), {
    default: 0,
    help: "Longest time that a picture waits for others of its batch; 0: only for a run to end",
    placeholder: "MS",
    commands: SERVING,
  }),
  ring_mb: setting("number", () => z.number().int().min(1).max(4096), {
    default: 24,
    help: "Megabytes of shared memory of one worker; the largest body must fit",
    placeholder: "MB",
    commands: SERVING,
  }),
  producer_socket: setting("text", () => z.string().min(1).optional(), {
    default: undefined,
    help: "Unix socket at which local programs get shared memory for their pictures; unset: none",
    placeholder: "PATH",
    commands: SERVING,
  }),
  producer_rings: setting("number", () => z.number().int().min(1).max(64), {
    default: 2,
    help: "Local programs that may use producer_socket at the same time",
    placeholder: "N",
    commands: SERVING,
  }),
  producer_ring_mb: setting("number", () => z.number().int().min(1).max(4096), {
    default: 32,
    help: "Megabytes of shared memory of each local program",
    placeholder: "MB",
    commands: SERVING,
  }),
  worker_start_timeout_ms: setting("number", () => milliseconds(3_600_000), {
    default: 120_000,
    help: "Time from a worker's start until it has answered",
    placeholder: "MS",
    commands: SERVING,
  }),
  worker_memory_mb: setting("number", () => z.number().int().min(0).max(10_000_000), {
    default: 0,
    help: "Megabytes of memory over which a worker is killed; 0: no limit",
    placeholder: "MB",
    commands: SERVING,
  }),
  recycle_after_requests: setting("number", () => z.number().int().min(0).max(1_000_000_000), {
    default: 0,
    help: "Requests after which a worker is replaced; 0: never",
    placeholder: "N",
    commands: SERVING,
  }),
  recycle_rss_mb: setting("number", () => z.number().int().min(0).max(10_000_000), {
    default: 0,
    help: "Megabytes of memory from which a worker is replaced once its requests are answered; 0: never",
    placeholder: "MB",
    commands: SERVING,
  }),
  poison_memory_s: setting("number", () => z.number().int().min(0).max(86_400), {
    default: 600,
    help: "Seconds for which a picture that two workers died of is refused",
    placeholder: "S",
    commands: SERVING,
  }),
  crash_loop_limit: setting("number", () => z.number().int().min(1).max(1000), {
    default: 5,
    help: "Deaths of a worker in a row after which it is not started again",
    placeholder: "N",
    commands: SERVING,
  }),
  canary_interval_ms: setting("number", () => milliseconds(3_600_000), {
    default: 10_000,
    help: "Time without a request after which a worker is asked to detect on a picture of our own",
    placeholder: "MS",
    commands: SERVING,
  }),
};

const ENGINE = {
  cache_dir: setting("text", () => z.string().min(1).optional(), {
    default: undefined,
    help: "Folder for unpacked native libraries; default: the user's cache folder",
    placeholder: "DIR",
    commands: "all",
  }),
  cache_layout: setting("choice", () => z.enum(["shared", "per-device"]), {
    default: "shared" as const,
    help: "Folders of engines: shared, or per-device where several kinds of GPU use one folder",
    placeholder: "NAME",
    commands: CACHING,
  }),
  cache_trusted_owners: setting("list", () => z.array(userId()), {
    default: [],
    help: "Numbers of users whose engines are loaded, besides this user's and root's, separated by commas",
    placeholder: "UID,...",
    commands: CACHING,
  }),
  cache_size_limit_mb: setting("number", () => z.number().int().min(0).max(10_000_000), {
    default: 8192,
    help: "Megabytes of engines over which the least recently used go; 0 keeps all",
    placeholder: "MB",
    commands: CACHING,
  }),
  cache_hmac_key: setting("text", () => z.string().min(1).optional(), {
    default: undefined,
    help: "File with the key that signs engines; unset: they are not signed",
    placeholder: "FILE",
    commands: CACHING,
  }),
  cache_wait_s: setting("number", () => z.number().int().min(1).max(86_400), {
    default: 7200,
    help: "Seconds to wait for another process that builds the same engine",
    placeholder: "S",
    commands: CACHING,
  }),
  precision: setting("choice", () => z.enum(["f32", "fp16"]).optional(), {
    default: undefined,
    help: "Precision of engines: f32 or fp16; default: the model's own",
    placeholder: "NAME",
    commands: RUNNING_ENGINES,
  }),
  batch: setting("number", () => z.number().int().min(1).max(65_536).optional(), {
    default: undefined,
    help: "Largest batch of engines; default: the model's own, 1 where its first axis is dynamic",
    placeholder: "N",
    commands: RUNNING_ENGINES,
  }),
  contexts: setting("number", () => z.number().int().min(1).max(64), {
    default: 2,
    help: "Runs of an engine that may be under way at once, each with memory of its own",
    placeholder: "N",
    commands: ["serve", "bench"],
  }),
  cuda_graph: setting("choice", () => z.enum(["on", "off"]), {
    default: "on" as const,
    help: "Whether runs on the GPU are recorded as CUDA graphs: on or off",
    placeholder: "WORD",
    commands: RUNNING_ENGINES,
  }),
  gpu_decode: setting("choice", () => z.enum(["auto", "off"]), {
    default: "auto" as const,
    help: "JPEG files on the GPU: auto (where nvJPEG is) or off",
    placeholder: "WORD",
    commands: RUNNING_ENGINES,
  }),
  nms: setting("choice", () => z.enum(["ours", "plugin"]), {
    default: "ours" as const,
    help: "Who suppresses boxes of a model with EfficientNMS_TRT: ours, or TensorRT's plugin",
    placeholder: "NAME",
    commands: BUILDING,
  }),
  retry: setting("list", () => z.array(z.enum(["workspace", "optimization-level", "batch", "none"])).min(1), {
    default: ["workspace", "optimization-level"] as ("workspace" | "optimization-level" | "batch" | "none")[],
    help: "What may become smaller when a build runs out of memory: workspace, optimization-level, batch, or none; " +
      "default: workspace,optimization-level",
    placeholder: "LIST",
    commands: BUILDING,
  }),
  verify: setting("choice", () => z.enum(["auto", "off"]), {
    default: "auto" as const,
    help: "Compare an engine with ONNX Runtime before it serves: auto (once on each GPU and driver) or off",
    placeholder: "WHEN",
    commands: DETECTING,
  }),
  verify_pictures: setting("text", () => z.string().min(1).optional(), {
    default: undefined,
    help: "Folder of the pictures that an engine is compared on; default: eight that come with trtd",
    placeholder: "DIR",
    commands: [...DETECTING, "verify"],
  }),
};

const LOG = {
  log_level: setting("choice", () => z.enum(["debug", "info", "warning", "error"]), {
    default: "info" as const,
    help: "Least severity that is logged: debug, info, warning or error",
    placeholder: "LEVEL",
    commands: "all",
  }),
  log_format: setting("choice", () => z.enum(["text", "json"]), {
    default: "text" as const,
    help: "Form of log lines on standard error: text or json",
    placeholder: "FORM",
    commands: "all",
  }),
};

const UPSTREAM = {
  upstream: setting("text", () => upstream().optional(), {
    default: undefined,
    help: "JSON of settings above the files, by path or address; the last copy serves when it is out of reach",
    placeholder: "FILE|URL",
    commands: "all",
  }),
  upstream_token: setting("text", () => z.string().min(1).max(4096).optional(), {
    default: undefined,
    help: "Sent to the upstream address as Authorization: Bearer",
    placeholder: "TOKEN",
    commands: "all",
    secret: true,
  }),
  upstream_timeout_ms: setting("number", () => milliseconds(60_000), {
    default: 3_000,
    help: "Longest time that reading the upstream takes",
    placeholder: "MS",
    commands: "all",
  }),
};

/** The settings by what they are about. */
export const TOPICS = {
  "Models": MODELS,
  "Detection": DETECTION,
  "HTTP": HTTP,
  "Who may ask": ACCESS,
  "Workers": WORKERS,
  "Engines": ENGINE,
  "Log": LOG,
  "Configuration from elsewhere": UPSTREAM,
};

/** The settings, in the order in which the help shows them. */
export const SETTINGS = {
  ...MODELS,
  ...DETECTION,
  ...HTTP,
  ...ACCESS,
  ...WORKERS,
  ...ENGINE,
  ...LOG,
  ...UPSTREAM,
};

export type SettingKey = keyof typeof SETTINGS;

export const SETTING_KEYS = Object.keys(SETTINGS) as SettingKey[];

/** The checked values of all settings. */
export type Config = { readonly [K in SettingKey]: z.output<(typeof SETTINGS)[K]["schema"]> };

/** `max_pixels` -> `TRTD_MAX_PIXELS` */
export const variableOf = (key: SettingKey): string => `TRTD_${key.toUpperCase()}`;

/** `max_pixels` -> `--max-pixels` */
export const flagOf = (key: SettingKey): string => `--${key.replaceAll("_", "-")}`;

/**
 * The group that a file may put the key into, and the key's name there: `cache_layout` is `layout` of `cache`.
 * @returns null for one word, and where the first word is a setting itself
 */
export function groupOf(key: SettingKey): { readonly group: string; readonly member: string } | null {
  const [, group = "", member = ""] = /^([a-z]+)_(\w+)$/.exec(key) ?? [];
  return member === "" || Object.hasOwn(SETTINGS, group) ? null : { group, member };
}
