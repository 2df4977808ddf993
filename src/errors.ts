/** One class and one table for every failure that a user can meet. */

/** Exit statuses of the command line. */
export const EXIT = { fine: 0, input: 1, usage: 2, environment: 3, build: 4, internal: 5, interrupted: 130 } as const;

export interface ErrorRow {
  /** HTTP status when the failure answers a request. */
  readonly http: number;
  /** Exit status when the failure ends a command. */
  readonly exit: (typeof EXIT)[keyof typeof EXIT];
  /** Whether the same request may succeed later without a change. */
  readonly retryable: boolean;
  /** What happened, in one sentence without particulars: the `title` of the problem document. */
  readonly summary: string;
  /** What the user can do about it. */
  readonly remedy: string;
}

const row = (
  http: number,
  exit: keyof typeof EXIT,
  summary: string,
  remedy: string,
  retryable = false,
): ErrorRow => ({ http, exit: EXIT[exit], retryable, summary, remedy });

/** Every code, by the part of trtd that raises it. Codes are stable: clients may match on them. */
export const ERRORS = {
  // command line and configuration
  USAGE: row(400, "usage", "The command line is wrong", "Run the command with --help to see its arguments and flags"),
  CONFIG_INVALID: row(
    500,
    "usage",
    "A setting is wrong",
    "Correct the named setting at the place that the message names",
  ),
  UPSTREAM_UNAVAILABLE: row(
    503,
    "environment",
    "The upstream configuration cannot be read",
    'Check the address and the network, or unset the setting "upstream"',
    true,
  ),
  FILE_NOT_FOUND: row(
    404,
    "input",
    "A file does not exist",
    "Check the path; paths are relative to the folder where the command was called",
  ),
  FILE_UNREADABLE: row(
    500,
    "input",
    "A file cannot be read",
    "Check that it is a regular file and that this user may read it",
  ),
  OUTPUT_UNWRITABLE: row(
    500,
    "environment",
    "An output file cannot be written",
    "Check that the folder exists, is writable and has free space",
  ),
  INTERRUPTED: row(503, "interrupted", "The command was interrupted", "Run it again", true),

  // pictures
  IMAGE_EMPTY: row(
    422,
    "input",
    "The picture has no bytes",
    'Give the whole file; over HTTP it is the request body or the multipart field "image"',
  ),
  IMAGE_TYPE_UNSUPPORTED: row(
    415,
    "input",
    "The file is not a JPEG, PNG or WebP picture",
    "Convert the picture to JPEG, PNG or WebP",
  ),
  IMAGE_TYPE_MISMATCH: row(
    415,
    "input",
    "The picture is of another type than declared",
    "Declare the type that the bytes have, or send application/octet-stream",
  ),
  IMAGE_CORRUPT: row(
    422,
    "input",
    "The picture is damaged or cut short",
    "Send the file again from its source; open it in a viewer to see whether it is whole",
  ),
  IMAGE_TOO_MANY_PIXELS: row(
    413,
    "input",
    "The picture has too many pixels",
    'Scale the picture down, or raise the setting "max_pixels"',
  ),
  IMAGE_DIMENSIONS_INVALID: row(
    422,
    "input",
    "The picture has an impossible width or height",
    "Send a picture of at least 1x1 pixel and at most 65,535 pixels a side",
  ),

  // models
  MODEL_NOT_FOUND: row(
    404,
    "input",
    "There is no model of that name",
    "Name a folder of --models or a bundled model (codes), or give the path of an .onnx file",
  ),
  MODEL_NAME_INVALID: row(
    400,
    "input",
    "The name of the model is not allowed",
    "Use 1 to 64 lower-case letters, digits, dots, dashes and underscores, starting with a letter or digit",
  ),
  MODEL_NOT_PROTOBUF: row(
    422,
    "input",
    "The file is not an ONNX model",
    "Export the model to ONNX; a .pt, .engine or .tflite file is something else",
  ),
  MODEL_TRUNCATED: row(
    422,
    "input",
    "The model file ends too early",
    "Copy or download the file again and compare its size",
  ),
  MODEL_EXTERNAL_DATA: row(
    422,
    "input",
    "The model keeps weights outside its own file",
    "Export with the weights inside the file (save_as_external_data=False)",
  ),
  MODEL_CYCLE: row(
    422,
    "input",
    "The model's graph has a cycle",
    "Export the model again; ONNX graphs must be acyclic",
  ),
  MODEL_INPUT_MISSING: row(
    422,
    "input",
    "A node of the model reads a tensor that nothing makes",
    "Export the model again; a tool removed a node that is still used",
  ),
  MODEL_DIMENSIONS_INVALID: row(
    422,
    "input",
    "A tensor of the model has an impossible shape",
    "Export the model again; a shape is negative, overflows or does not match its data",
  ),
  MODEL_NESTING_TOO_DEEP: row(
    422,
    "input",
    "The model nests messages too deeply",
    "Export the model again; real models nest a few levels only",
  ),
  MODEL_TOO_LARGE: row(
    413,
    "input",
    "The model file is over the size limit",
    "Use a smaller model; protobuf itself allows less than 2 GiB",
  ),
  MODEL_INVALID: row(
    422,
    "input",
    "The model breaks the rules of ONNX",
    "Check it with onnx.checker and export it again",
  ),
  MODEL_NOT_A_DETECTOR: row(
    422,
    "input",
    "The model's inputs and outputs are not those of a known detector",
    "Name the head in the model's manifest, or export a detection model",
  ),
  MODEL_NEEDS_PLUGIN: row(
    422,
    "input",
    "The model contains an operator that this backend does not have",
    "Export the model without the plugin operator (for EfficientNMS_TRT: without end-to-end NMS)",
  ),
  PASS_REFUSED: row(
    422,
    "input",
    "The model cannot be rewritten without changing what it computes",
    "Leave the pass out, or export the model in another way",
  ),
  MODEL_LOAD_FAILED: row(
    500,
    "input",
    "The backend refused the model",
    'Read the backend\'s message; run "trtd inspect" on the file',
  ),
  MANIFEST_INVALID: row(500, "input", "The model's manifest.json is wrong", "Correct the named field"),

  // models from elsewhere
  SOURCE_INVALID: row(
    400,
    "usage",
    "The source of a model cannot be used",
    "Name a file, https://HOST/PATH, s3://BUCKET/KEY or ALIAS:KEY; docs/models.md has examples",
  ),
  CREDENTIALS_MISSING: row(
    500,
    "environment",
    "The keys of a store are not there",
    "Set the named environment variables, or credentials_file in the alias",
  ),
  DOWNLOAD_OFFLINE: row(
    503,
    "environment",
    "A download is needed, and trtd was told to stay offline",
    "Put the file where the message says, or turn the setting models_offline off",
  ),
  DOWNLOAD_DNS: row(
    503,
    "environment",
    "The host of a download has no address",
    "Check the host's name and this machine's DNS",
    true,
  ),
  DOWNLOAD_UNREACHABLE: row(
    503,
    "environment",
    "The host of a download cannot be reached",
    "Check that the host is up, the port is right, and no firewall is between",
    true,
  ),
  DOWNLOAD_TLS: row(
    502,
    "environment",
    "The host of a download cannot prove who it is",
    "Name its CA with ca_file, or correct the host's certificate or this machine's clock",
  ),
  DOWNLOAD_FORBIDDEN: row(
    502,
    "environment",
    "The host refuses the download",
    "Check the keys and that they may read the object",
  ),
  DOWNLOAD_NOT_FOUND: row(404, "input", "The host does not have the file", "Check bucket, path and file name"),
  DOWNLOAD_FAILED: row(
    502,
    "environment",
    "The host answered with an error",
    "Try again later; the host's own log tells more",
    true,
  ),
  DOWNLOAD_REDIRECT: row(
    502,
    "environment",
    "The host sends the download somewhere it may not go",
    "Name the final address, or add the host to download_trusted_hosts",
  ),
  DOWNLOAD_STALLED: row(
    504,
    "environment",
    "The download stood still",
    "Run it again: it goes on where it stopped; download_stall_ms sets the patience",
    true,
  ),
  DOWNLOAD_TIMED_OUT: row(
    504,
    "environment",
    "The download took too long",
    "Run it again: it goes on where it stopped; download_timeout_ms sets the limit",
    true,
  ),
  DOWNLOAD_TRUNCATED: row(
    502,
    "environment",
    "The download ended too early",
    "Run it again: it goes on where it stopped",
    true,
  ),
  DOWNLOAD_INVALID: row(
    502,
    "environment",
    "The host's answer breaks the rules of HTTP or of trtd",
    "Look at what the host sends; a proxy between may be at fault",
  ),
  DOWNLOAD_LOCKED: row(
    503,
    "environment",
    "Another process is downloading the model",
    "Wait for the named process or end it; the lock goes with it",
    true,
  ),
  DIGEST_MISMATCH: row(
    502,
    "input",
    "The file is not the one that its SHA-256 names",
    "Check the digest with whoever published it; do not use the file",
  ),
  DISK_FULL: row(
    507,
    "environment",
    "The disk is full",
    "Free space, or choose another folder with --models",
    true,
  ),
  MODEL_NAME_TAKEN: row(
    409,
    "input",
    "Another model has that name",
    "Choose another name with --name, or remove the folder of the other model",
  ),
  LABELS_INVALID: row(
    422,
    "input",
    "The file of class names cannot be used",
    'Give one name a line, or JSON: ["a", "b"], {"0": "a"} or {"names": [...]}',
  ),

  // HTTP
  ROUTE_NOT_FOUND: row(404, "input", "There is no such route", "See /docs for the routes"),
  METHOD_NOT_ALLOWED: row(
    405,
    "input",
    "The route does not take this method",
    "Use a method that the Allow header names",
  ),
  API_KEY_MISSING: row(
    401,
    "input",
    "The request has no API key",
    'Send the header "Authorization: Bearer KEY" or "X-API-Key: KEY"; "trtd config key" makes keys',
  ),
  API_KEY_WRONG: row(401, "input", "The API key is not known", "Check the key; it may have been replaced by a new one"),
  NETWORK_REFUSED: row(
    403,
    "input",
    "The request comes from a network that is not trusted",
    'Add the network to the setting "http_trusted_networks", or use an API key',
  ),
  HOST_REFUSED: row(
    403,
    "input",
    "The request is for a host name that is not this server's",
    'Use the server\'s address, add the name to the setting "http_allowed_hosts", or send an API key',
  ),
  ORIGIN_REFUSED: row(
    403,
    "input",
    "The request comes from a page of another site",
    "Send an API key, or serve the page from this server's address",
  ),
  REQUEST_INVALID: row(400, "input", "The request is not well formed", "See /docs for what the route takes"),
  PARAMETER_INVALID: row(
    400,
    "input",
    "A query parameter is wrong",
    "Keep to what the message says; /docs lists the parameters and their ranges",
  ),
  MULTIPART_INVALID: row(
    400,
    "input",
    "The multipart body is not well formed",
    'Send one part named "image" with a file name, closed by the final boundary',
  ),
  CONTENT_TYPE_UNSUPPORTED: row(
    415,
    "input",
    "The body's Content-Type is not taken here",
    "Send image/jpeg, image/png, image/webp or multipart/form-data",
  ),
  CONTENT_ENCODING_UNSUPPORTED: row(
    415,
    "input",
    "A compressed body is not taken",
    "Send the body without Content-Encoding; pictures are compressed already",
  ),
  BODY_TOO_LARGE: row(
    413,
    "input",
    "The body is over the size limit",
    'Send a smaller picture, or raise the setting "max_body_bytes"',
  ),
  HEADERS_TOO_LARGE: row(
    431,
    "input",
    "The request's headers are too large",
    "Send fewer or shorter headers: 16 KB and 100 lines are taken",
  ),
  HEADER_TIMEOUT: row(
    408,
    "input",
    "The request's headers did not arrive in time",
    "Send the request again over a faster connection",
    true,
  ),
  EXPECTATION_FAILED: row(
    417,
    "input",
    "The request expects something that trtd does not do",
    "Send no Expect header other than 100-continue",
  ),
  BODY_TIMEOUT: row(
    408,
    "input",
    "The body did not arrive in time",
    "Send the request again over a faster connection",
    true,
  ),
  CLIENT_CLOSED: row(499, "input", "The client closed the connection before the answer", "Nothing to do"),
  QUEUE_FULL: row(
    503,
    "environment",
    "Too many requests are waiting",
    "Send the request again after the time in Retry-After",
    true,
  ),
  DEADLINE_EXCEEDED: row(
    504,
    "environment",
    "The request was not answered in time",
    'Send fewer requests at once, or raise the setting "request_timeout_ms"',
    true,
  ),
  SHUTTING_DOWN: row(
    503,
    "environment",
    "The server is stopping",
    "Send the request again to the restarted server",
    true,
  ),
  WORKER_DIED: row(
    503,
    "internal",
    "The process that runs the model ended during the request",
    "Send the request again; if it happens again with the same picture, report it",
    true,
  ),
  PRODUCERS_FULL: row(
    503,
    "environment",
    "All rings of local producers are in use",
    "Close another producer, or raise the setting producer_rings",
    true,
  ),
  BUILD_NOT_RUNNING: row(
    409,
    "input",
    "No engine of the model is being built",
    "GET /v1/models/NAME/build tells what became of the build",
  ),
  REQUEST_POISONOUS: row(
    500,
    "internal",
    "The request ended two processes that ran the model, each time alone",
    "Do not send the picture again; report it with the digest from the log",
  ),
  SHARED_MEMORY_UNAVAILABLE: row(
    503,
    "environment",
    "There is too little shared memory",
    "Give the container more (docker run --shm-size=256m), or lower the setting ring_mb",
  ),
  MODEL_NOT_READY: row(503, "environment", "The model is not loaded yet", "Wait for /health/ready to answer 200", true),

  // machine
  NATIVE_LOAD_FAILED: row(
    500,
    "environment",
    "A native library cannot be loaded",
    "Read the loader's message; on Debian libstdc++6 and glibc 2.28 or later are needed",
  ),
  CACHE_FOLDER_UNUSABLE: row(
    500,
    "environment",
    "The cache folder cannot be used",
    "Point TRTD_CACHE_DIR at a folder of this user that is writable, not full and not mounted noexec",
  ),
  BACKEND_UNAVAILABLE: row(
    503,
    "environment",
    "The backend cannot run on this machine",
    "Use --backend auto or another backend",
  ),
  OPEN_BIND: row(
    500,
    "usage",
    "The server would answer everybody who reaches it",
    'Set "api_keys_file" ("trtd config key" makes a key), "api_key" or "http_trusted_networks"; --insecure goes without',
  ),
  API_KEYS_INVALID: row(
    500,
    "usage",
    "The file of API keys cannot be used",
    'Each line is "NAME sha256:HEX" as "trtd config key" prints it; others must not be able to write the file',
  ),
  ADDRESS_UNAVAILABLE: row(
    500,
    "environment",
    "The server cannot listen at the address",
    "Choose another --port or --host, or stop the program that uses the port",
  ),

  // TensorRT
  TENSORRT_NOT_FOUND: row(
    503,
    "environment",
    "No usable TensorRT library was found",
    "Install TensorRT or TensorRT-RTX, or name its folder with --tensorrt DIR",
  ),
  TENSORRT_UNSUPPORTED: row(
    503,
    "environment",
    "trtd cannot drive this version of TensorRT",
    "Install TensorRT 8.5 to 11.x or TensorRT-RTX 1.3 to 1.7",
  ),
  ABI_MISMATCH: row(
    500,
    "environment",
    "The TensorRT library does not have the layout of its version",
    "Install an unmodified TensorRT release; report it with both versions if it is one",
  ),
  GPU_UNSUPPORTED: row(
    503,
    "environment",
    "This TensorRT does not support this GPU",
    "Install a TensorRT release that supports the GPU; docs/tensorrt-gpu-support.md lists them",
  ),
  GPU_UNAVAILABLE: row(
    503,
    "environment",
    "CUDA cannot use a GPU here",
    "Check with nvidia-smi that the driver runs and that a GPU is visible to this process",
  ),
  DRIVER_TOO_OLD: row(
    503,
    "environment",
    "The GPU driver is older than TensorRT's CUDA",
    "Update the NVIDIA driver, or install TensorRT built for an older CUDA",
  ),
  OUT_OF_GPU_MEMORY: row(
    503,
    "environment",
    "The GPU has too little free memory",
    "Free GPU memory, or use a smaller batch, input size or workspace",
    true,
  ),
  GPU_FAULT: row(
    503,
    "environment",
    "The GPU reported a fault that ends all work of the process",
    "Send the request again: a new process answers. When it comes back, look for Xid lines in the system's log (dmesg)",
    true,
  ),
  PRECISION_UNSUPPORTED: row(
    422,
    "input",
    "The precision cannot be had on this GPU or TensorRT",
    "Build with --precision f32, or use another GPU",
  ),
  PROFILE_MISSING: row(
    422,
    "usage",
    "An input has dynamic axes without a fitting optimization profile",
    "Give the range of shapes with --min, --opt and --max, or a fixed batch with --batch",
  ),
  PROFILE_INVALID: row(
    422,
    "usage",
    "The optimization profile does not fit the model",
    "Give shapes with the model's axes, where --min, --opt and --max ascend; trtd inspect shows the axes",
  ),
  OPTION_UNSUPPORTED: row(
    422,
    "usage",
    "This TensorRT does not have an option of the build",
    "Build without the option, or with a TensorRT that has it",
  ),
  PLUGIN_MISSING: row(
    422,
    "input",
    "An operator of the model is neither built into TensorRT nor a loaded plugin",
    "Load TensorRT's plugin library, or export the model without the operator",
  ),
  BUILD_FAILED: row(
    500,
    "build",
    "TensorRT did not build the engine",
    "Read the named log; trtd doctor --bundle FILE collects what a report needs",
  ),
  BUILD_CRASHED: row(
    500,
    "build",
    "TensorRT crashed while it built the engine",
    "Read the end of the named log; trtd doctor --bundle FILE collects what a report needs",
  ),
  BUILD_TIMED_OUT: row(
    504,
    "build",
    "The build did not end in time",
    "Raise --time-limit, or lower --optimization-level; the end of the named log tells where it stood",
  ),
  BUILD_OUT_OF_MEMORY: row(
    503,
    "build",
    "The system ended the build because memory ran out",
    "Free memory, add swap, or lower --workspace and the batch; on a Jetson the GPU shares the memory",
    true,
  ),
  BUILD_KILLED: row(
    503,
    "build",
    "The build was ended from outside",
    "Look in the system's log (dmesg) for the out-of-memory killer; free memory and build again",
    true,
  ),
  LOAD_FAILED: row(
    500,
    "environment",
    "TensorRT did not load or run the engine",
    "Build the engine again on this machine; trtd doctor tells whether its TensorRT works",
  ),
  LOAD_CRASHED: row(
    500,
    "environment",
    "TensorRT crashed while it loaded or ran the engine",
    "Build the engine again on this machine; trtd doctor --bundle FILE collects what a report needs",
  ),
  LOAD_TIMED_OUT: row(
    504,
    "environment",
    "The engine was not loaded in time",
    "Check with nvidia-smi that the GPU answers and is not busy, then try again",
    true,
  ),
  LOAD_OUT_OF_MEMORY: row(
    503,
    "environment",
    "The system ended the loading of the engine because memory ran out",
    "Free memory or add swap; on a Jetson the GPU shares the memory",
    true,
  ),
  LOAD_KILLED: row(
    503,
    "environment",
    "The loading of the engine was ended from outside",
    "Look in the system's log (dmesg) for the out-of-memory killer; free memory and try again",
    true,
  ),
  ENGINE_INCOMPATIBLE: row(
    503,
    "environment",
    "The engine was built for another GPU, platform or version of TensorRT",
    "Build the engine again on this machine",
  ),
  ENGINE_LOCKED: row(
    503,
    "environment",
    "Another process is building or storing the engine",
    "Wait for the named process or end it; the lock goes with it",
    true,
  ),
  ENGINE_CORRUPT: row(422, "input", "The engine file is damaged", "Copy the file again, or build the engine again"),
  ENGINE_NOT_A_PLAN: row(
    422,
    "input",
    "The file is not a TensorRT engine",
    "Build an engine from the ONNX model with trtd build-engine",
  ),
  PARITY_FAILED: row(
    503,
    "build",
    "The engine does not find what ONNX Runtime finds",
    "Use --precision f32 where fp16 fails; trtd verify --json tells which boxes differ, docs/verify.md what helps",
  ),

  // trtd itself
  INFERENCE_FAILED: row(
    500,
    "internal",
    "The backend failed while it ran the model",
    "Read the backend's message; report it with the model and the picture",
  ),
  INTERNAL: row(500, "internal", "trtd has a defect", "Report it with the message and the request id"),
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof ERRORS;

/** Extra facts of one failure. */
export interface TrtdErrorOptions {
  /** The error that led here. */
  cause?: unknown;
  /** A remedy that fits better than the table's. */
  remedy?: string;
  /** Seconds after which a client may try again (HTTP Retry-After). */
  retryAfterS?: number;
}

/** A failure with a code. `message` is the particular: capital first, active voice, no final period. */
export class TrtdError extends Error {
  override readonly name = "TrtdError";
  readonly code: ErrorCode;
  readonly remedy: string;
  readonly retryAfterS: number | undefined;

  constructor(code: ErrorCode, detail: string, options: TrtdErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.remedy = options.remedy ?? ERRORS[code].remedy;
    this.retryAfterS = options.retryAfterS;
  }

  get row(): ErrorRow {
    return ERRORS[this.code];
  }
}

/** Any thrown value as a {@link TrtdError}; what trtd did not foresee becomes `INTERNAL`. */
export function trtdErrorFrom(thrown: unknown): TrtdError {
  if (thrown instanceof TrtdError) return thrown;
  const detail = thrown instanceof Error ? thrown.message : String(thrown);
  return new TrtdError("INTERNAL", detail, { cause: thrown });
}
