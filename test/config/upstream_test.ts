import assert from "node:assert/strict";
import { join } from "node:path";
import { loadConfig, type LoadedConfig } from "../../src/config/load.ts";
import { readUpstream } from "../../src/config/upstream.ts";
import { TrtdError } from "../../src/errors.ts";

interface Upstream {
  readonly url: string;
  readonly cwd: string;
  /** What the next requests are answered. */
  answer(handler: (request: Request) => Response | Promise<Response>): void;
  readonly authorizations: (string | null)[];
  stop(): Promise<void>;
  load(flags?: Record<string, string>): Promise<LoadedConfig>;
}

/** A server of the loopback that may do what it wants. */
async function withUpstream(run: (upstream: Upstream) => Promise<void>): Promise<void> {
  const cwd = await Deno.makeTempDir({ prefix: "trtd-upstream-" });
  let handler: Parameters<Upstream["answer"]>[0] = () => Response.json({});
  const authorizations: (string | null)[] = [];
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {}, onError: () => new Response() },
    (request) => {
      authorizations.push(request.headers.get("authorization"));
      return handler(request);
    },
  );
  const url = `http://127.0.0.1:${server.addr.port}/trtd.json`;
  let running = true;
  const stop = async () => {
    if (running) await server.shutdown();
    running = false;
  };
  try {
    await run({
      url,
      cwd,
      authorizations,
      stop,
      answer: (next) => void (handler = next),
      load: (flags = {}) =>
        loadConfig({ upstream: url, cache_dir: join(cwd, "cache"), upstream_timeout_ms: "1000", ...flags }, {
          cwd,
          systemPath: join(cwd, "none"),
        }),
    });
  } finally {
    await stop();
    await Deno.remove(cwd, { recursive: true });
  }
}

async function refusal(loading: Promise<unknown>): Promise<TrtdError> {
  try {
    await loading;
  } catch (error) {
    assert.ok(error instanceof TrtdError, String(error));
    return error;
  }
  throw new Error("nothing was refused");
}

Deno.test("upstream: it is read, and its copy serves when it is away", async () => {
  await withUpstream(async ({ answer, load, stop, cwd, url }) => {
    answer(() => Response.json({ queue_limit: 9 }));
    const online = await load();
    assert.deepEqual([online.config.queue_limit, online.origins.queue_limit, online.remarks], [9, url, []]);
    await stop();
    const offline = await load();
    assert.equal(offline.config.queue_limit, 9);
    assert.match(offline.origins.queue_limit, /^http:\/\/127\.0\.0\.1.* \(copy of \d{4}-\d\d-\d\dT/);
    assert.match(offline.remarks.join(), /out of reach .*used: http/);
    const folder = join(cwd, "cache", "upstream");
    const [copy, ...others] = [...Deno.readDirSync(folder)];
    assert.deepEqual(others, []);
    assert.equal(Deno.statSync(join(folder, copy!.name)).mode! & 0o777, 0o600);
    assert.equal(Deno.statSync(folder).mode! & 0o777, 0o700);
  });
});

Deno.test("upstream: the last good copy is the one that serves", async () => {
  await withUpstream(async ({ answer, load, stop }) => {
    answer(() => Response.json({ queue_limit: 9 }));
    await load();
    answer(() => Response.json({ queue_limit: 10 }));
    await load();
    answer(() => Response.json({ queue_limt: 11 }));
    assert.match((await refusal(load())).message, /"queue_limt"/);
    await stop();
    assert.equal((await load()).config.queue_limit, 10);
  });
});

const NOT_HAD: readonly [name: string, handler: Parameters<Upstream["answer"]>[0], says: RegExp][] = [
  ["404", () => new Response("no", { status: 404 }), /answered 404/],
  ["401", () => new Response("no", { status: 401 }), /answered 401/],
  ["500", () => new Response("no", { status: 500 }), /answered 500/],
  ["204", () => new Response(null, { status: 204 }), /answered 204/],
  [
    "a redirect",
    () => new Response(null, { status: 302, headers: { location: "http://127.0.0.1:1/?token=abcdef" } }),
    /answered 302, a redirect to "http:\/\/127\.0\.0\.1:1\/\?token=\*\*\*"/,
  ],
  ["a stall before the head", async (request) => {
    await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    return new Response();
  }, /longer than 1000 ms/],
  [
    "a stall in the body",
    () => new Response(new ReadableStream({ start: (to) => to.enqueue(new Uint8Array(1)) })),
    /longer than 1000 ms/,
  ],
  [
    "an endless body",
    () => new Response(new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(65_536)) })),
    /more than 1048576 bytes/,
  ],
  ["a small body that unpacks to an endless one", async () => {
    const packed = new Response(
      new Blob([new Uint8Array(30_000_000)]).stream().pipeThrough(new CompressionStream("gzip")),
    );
    return new Response(await packed.arrayBuffer(), { headers: { "content-encoding": "gzip" } });
  }, /more than 1048576 bytes/],
];

for (const [name, handler, says] of NOT_HAD) {
  Deno.test(`upstream: ${name} is no configuration: an error without a copy, a remark with one`, async () => {
    await withUpstream(async ({ answer, load }) => {
      answer(handler);
      const error = await refusal(load());
      assert.equal(error.code, "UPSTREAM_UNAVAILABLE");
      assert.match(error.message, says);
      answer(() => Response.json({ port: 7 }));
      await load();
      answer(handler);
      const { config, remarks } = await load();
      assert.equal(config.port, 7);
      assert.match(remarks.join(), says);
    });
  });
}

const WRONG: readonly [name: string, body: string, says: RegExp][] = [
  ["no JSON", '{"api_key": "hunter2hunter2"', /is not JSON/],
  ["an empty body", "", /is not JSON/],
  ["a list", "[]", /must hold one JSON object/],
  ["another upstream", '{"upstream": "http://127.0.0.1:1/"}', /sets "upstream", which the upstream itself cannot/],
  ["a token for itself", '{"upstream_token": "hunter2hunter2"}', /sets "upstream_token"/],
];

for (const [name, body, says] of WRONG) {
  Deno.test(`upstream: ${name} is an error, also where a copy is`, async () => {
    await withUpstream(async ({ answer, load }) => {
      answer(() => Response.json({ port: 7 }));
      await load();
      answer(() => new Response(body));
      const error = await refusal(load());
      assert.equal(error.code, "CONFIG_INVALID");
      assert.match(error.message, says);
      assert.doesNotMatch(error.message, /hunter2/);
    });
  });
}

Deno.test("upstream: problems of other layers are told with its own", async () => {
  await withUpstream(async ({ answer, load }) => {
    answer(() => Response.json({ prot: 7 }));
    assert.match((await refusal(load({ score: "2" }))).message, /2 settings are wrong: .*"prot".*--score/);
  });
});

Deno.test("upstream: credentials are sent, and stand in no origin, copy or message", async () => {
  await withUpstream(async ({ answer, load, stop, authorizations, url, cwd }) => {
    answer(() => Response.json({ port: 7 }));
    const address = url.replace("//", "//ann:pa55%20word@").replace(/$/, "?token=abcdefgh");
    const { origins, layers } = await load({ upstream: address });
    assert.equal(authorizations[0], `Basic ${btoa("ann:pa55 word")}`);
    Deno.env.set("TRTD_UPSTREAM_TOKEN", "t0kent0kent0ken");
    try {
      await load();
      assert.equal(authorizations[1], "Bearer t0kent0kent0ken");
      await stop();
      const error = await refusal(load({ upstream: address.replace("trtd.json", "other.json") }));
      const copies = [...Deno.readDirSync(join(cwd, "cache", "upstream"))].map(({ name }) =>
        name + Deno.readTextFileSync(join(cwd, "cache", "upstream", name))
      );
      const said = origins.port + layers.map(({ origin }) => origin) + error.message + copies.join();
      assert.doesNotMatch(said, /pa55|abcdefgh|t0ken|ann:/);
    } finally {
      Deno.env.delete("TRTD_UPSTREAM_TOKEN");
    }
  });
});

Deno.test("upstream: a secret does not travel over plain http to another machine", async () => {
  for (const upstream of ["http://ann:secret@192.0.2.1/x", "http://192.0.2.1/x"]) {
    const token = upstream.includes("@") ? undefined : "t0kent0ken";
    const error = await refusal(readUpstream({ upstream, token, timeoutMs: 100, cwd: "/", cacheFolder: null }));
    assert.match(`${error.code} ${error.message}`, /^CONFIG_INVALID The upstream "http:\/\/192\.0\.2\.1\/x" would get/);
  }
});

Deno.test("upstream: a file is read, and its copy serves when the share is not mounted", async () => {
  await withUpstream(async ({ load, cwd }) => {
    const path = join(cwd, "share.json");
    await Deno.writeTextFile(path, '{"port": 3}');
    assert.equal((await load({ upstream: "share.json" })).origins.port, path);
    await Deno.remove(path);
    const { config, remarks } = await load({ upstream: "share.json" });
    assert.equal(config.port, 3);
    assert.match(remarks.join(), /out of reach/);
    assert.equal((await refusal(load({ upstream: "never.json" }))).code, "UPSTREAM_UNAVAILABLE");
  });
});

Deno.test("upstream: a damaged copy is no copy", async () => {
  await withUpstream(async ({ load, stop, cwd }) => {
    await load();
    const folder = join(cwd, "cache", "upstream");
    const [{ name }] = [...Deno.readDirSync(folder)] as [Deno.DirEntry];
    await Deno.writeTextFile(join(folder, name), '{"text": ');
    await stop();
    assert.equal((await refusal(load())).code, "UPSTREAM_UNAVAILABLE");
  });
});

Deno.test("upstream: a copy that cannot be kept is remarked on, and the settings serve", async () => {
  await withUpstream(async ({ load, cwd, answer }) => {
    answer(() => Response.json({ port: 7 }));
    await Deno.writeTextFile(join(cwd, "cache"), "a file");
    const { config, remarks } = await load();
    assert.equal(config.port, 7);
    assert.match(remarks.join(), /cannot be kept/);
  });
});
