/** Who a host is: certificates that are unknown, old or of another host. Made by openssl for each run. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { type HostileServer, hostileServer, serveFile } from "./hostile_server.ts";
import { type PullOptions, sha256Of, someModel, withRig } from "./pull_rig.ts";

const MODEL = someModel(50_000);
/** undici keeps one clock for all of its connections, which outlives a test. */
const LOOSE = { sanitizeOps: false, sanitizeResources: false };

interface Certificates {
  readonly folder: string;
  readonly ca: string;
  certificate(name: string): Promise<{ readonly cert: string; readonly key: string }>;
}

async function openssl(folder: string, args: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("openssl", { args: args.split(" "), cwd: folder }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

async function makeCertificates(folder: string): Promise<Certificates> {
  await openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 3 -subj /CN=trtd-test-ca");
  const make = async (name: string, names: string, days: readonly [from: string, to: string]) => {
    await openssl(folder, `req -newkey rsa:2048 -nodes -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`);
    await Deno.writeTextFile(join(folder, `${name}.cnf`), `subjectAltName=${names}\nbasicConstraints=CA:FALSE\n`);
    await Deno.writeTextFile(
      join(folder, `${name}.ca.cnf`),
      `[ca]\ndefault_ca=d\n[d]\nnew_certs_dir=.\ndatabase=${name}.db\nserial=${name}.serial\ndefault_md=sha256\n` +
        `policy=p\nemail_in_dn=no\nunique_subject=no\n[p]\ncommonName=supplied\n`,
    );
    await Deno.writeTextFile(join(folder, `${name}.db`), "");
    await Deno.writeTextFile(join(folder, `${name}.serial`), "01\n");
    const [from, to] = days;
    await openssl(
      folder,
      `ca -batch -notext -config ${name}.ca.cnf -cert ca.pem -keyfile ca.key -in ${name}.csr -out ${name}.pem ` +
        `-startdate ${from} -enddate ${to} -extfile ${name}.cnf`,
    );
  };
  const year = new Date().getFullYear();
  const now = [`${year - 1}0101000000Z`, `${year + 2}0101000000Z`] as const;
  await make("good", "DNS:localhost,IP:127.0.0.1", now);
  await make("expired", "DNS:localhost,IP:127.0.0.1", [`${year - 3}0101000000Z`, `${year - 2}0101000000Z`]);
  await make("other", "DNS:models.example", now);
  const read = (name: string) => Deno.readTextFile(join(folder, name));
  return {
    folder,
    ca: join(folder, "ca.pem"),
    certificate: async (name) => ({ cert: await read(`${name}.pem`), key: await read(`${name}.key`) }),
  };
}

const hasOpenssl = await new Deno.Command("openssl", { args: ["version"], stdout: "null", stderr: "null" }).output()
  .then(({ success }) => success, () => false);
if (!hasOpenssl) console.error("tls: not tested, openssl is not there");

Deno.test({
  name: "tls: a host that cannot prove who it is, is told apart by what is wrong",
  ignore: !hasOpenssl,
  ...LOOSE,
}, async (test) => {
  const folder = await Deno.makeTempDir({ prefix: "trtd-tls-" });
  try {
    const { ca, certificate } = await makeCertificates(folder);
    const trusting: PullOptions = { settings: { caFile: ca } };
    const within = async (name: string, run: (server: HostileServer) => Promise<void>) => {
      await using server = hostileServer((exchange) => serveFile(exchange, MODEL), await certificate(name));
      await run(server);
    };
    const cases: readonly (readonly [title: string, name: string, options: PullOptions, says: RegExp])[] = [
      ["a CA that nobody knows", "good", {}, /a CA that this machine does not know/],
      ["a certificate that has expired", "expired", trusting, /has expired/],
      ["a certificate of another host", "other", trusting, /for another host/],
    ];
    for (const [title, name, options, says] of cases) {
      await test.step(title, () =>
        within(name, async (server) => {
          await withRig(async (rig) => {
            const error = await rig.refused(`${server.origin}/a.onnx`, options);
            assert.equal(error.code, "DOWNLOAD_TLS", error.message);
            assert.match(error.message, says);
            assert.deepEqual(server.requests, []);
            assert.deepEqual(await rig.files(), []);
          });
        }));
    }
    await test.step("a CA that ca_file names is known", () =>
      within("good", async (server) => {
        await withRig(async (rig) => {
          assert.equal((await rig.pull(`${server.origin}/a.onnx`, trusting)).sha256, sha256Of(MODEL));
        });
      }));
    await test.step("a store may have its own CA, and may leave certificates unchecked with a warning", () =>
      within("good", async (server) => {
        await withRig(async (rig) => {
          const store = { endpoint: server.origin, bucket: "models", anonymous: true };
          const known = { ...store, ca_file: ca };
          assert.equal((await rig.pull("minio:a.onnx", { aliases: { minio: known } })).status, "downloaded");
          const told: string[] = [];
          const watch = { onRemark: (text: string) => void told.push(text) };
          const unchecked = { ...store, tls_verify: false };
          const pulled = await rig.pull("minio:b.onnx", { aliases: { minio: unchecked }, watch });
          assert.equal(pulled.status, "downloaded");
          assert.match(told.join("\n"), /^WARNING: certificates of "minio" are not checked/);
          assert.deepEqual(pulled.remarks, told);
          assert.equal((await rig.refused("minio:c.onnx", { aliases: { minio: store } })).code, "DOWNLOAD_TLS");
        });
      }));
    await test.step("a redirect within TLS to plain http is refused", async () => {
      await using plain = hostileServer((exchange) => serveFile(exchange, MODEL));
      const answer = `HTTP/1.1 302 Found\r\nlocation: ${plain.origin}/a.onnx\r\ncontent-length: 0\r\n\r\n`;
      await using server = hostileServer((exchange) => exchange.send(answer), await certificate("good"));
      await withRig(async (rig) => {
        const error = await rig.refused(`${server.origin}/a.onnx`, trusting);
        assert.equal(error.code, "DOWNLOAD_REDIRECT");
        assert.match(error.message, /is not https/);
        assert.deepEqual(plain.requests, []);
        const trusted = await rig.pull(`${server.origin}/a.onnx`, { ...trusting, trustedHosts: [plain.host] });
        assert.equal(trusted.status, "downloaded");
      });
    });
    await test.step("a port that does not speak TLS", async () => {
      const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
      const answering = (async () => {
        for await (const connection of listener) {
          await connection.read(new Uint8Array(4096)).catch(() => null);
          await connection.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n")).catch(() => 0);
          connection.close();
        }
      })().catch(() => {});
      await withRig(async (rig) => {
        const { port } = listener.addr as Deno.NetAddr;
        const error = await rig.refused(`https://127.0.0.1:${port}/a.onnx`, { settings: { attempts: 1 } });
        assert.equal(error.code, "DOWNLOAD_TLS", error.message);
      });
      listener.close();
      await answering;
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({ name: "hosts: one without an address, and one where nobody listens", ...LOOSE }, async () => {
  await withRig(async (rig) => {
    const quick: PullOptions = { settings: { attempts: 2, backoffMs: 1 } };
    assert.equal((await rig.refused("https://nowhere.invalid/a.onnx", quick)).code, "DOWNLOAD_DNS");
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr;
    listener.close();
    const error = await rig.refused(`https://127.0.0.1:${port}/a.onnx`, quick);
    assert.equal(error.code, "DOWNLOAD_UNREACHABLE");
    assert.match(error.message, /refuses the connection/);
    assert.deepEqual(await rig.files(), []);
  });
});
