import assert from "node:assert/strict";
import { type AccessSettings, Guard, refuseOpenBind } from "../../../src/http/access/guard.ts";
import { TrtdError } from "../../../src/errors.ts";

const KEY = "0123456789abcdefXYZ";

/** "key NAME", "in" or the code of the refusal. */
async function outcome(
  settings: Partial<AccessSettings>,
  peer: string | null,
  headers: Record<string, string> = {},
): Promise<string> {
  const guard = await Guard.open({ host: "127.0.0.1", ...settings });
  try {
    const { key } = await guard.admit({ header: (name) => headers[name], peer });
    return key === null ? "in" : `key ${key}`;
  } catch (error) {
    return error instanceof TrtdError ? error.code : String(error);
  }
}

const LOCAL = "127.0.0.1";
const FAR = "203.0.113.9";
const KEYED = { host: "0.0.0.0", api_key: KEY };
const TRUSTING = { host: "0.0.0.0", http_trusted_networks: ["10.0.0.0/8", "::1/128"] };
const BOTH = { ...KEYED, ...TRUSTING };
const OPEN = { host: "0.0.0.0", insecure: true };
const bearer = { authorization: `Bearer ${KEY}` };

const CASES: readonly [
  name: string,
  settings: Partial<AccessSettings>,
  peer: string | null,
  headers: Record<string, string>,
  expected: string,
][] = [
  ["the loopback without keys", {}, LOCAL, {}, "in"],
  ["the loopback without keys, a foreign Host", {}, LOCAL, { host: "evil.example" }, "HOST_REFUSED"],
  [
    "the loopback without keys, a named Host",
    { http_allowed_hosts: ["a.example"] },
    LOCAL,
    { host: "a.example" },
    "in",
  ],
  [
    "the loopback without keys, a foreign page",
    {},
    LOCAL,
    { host: LOCAL, origin: "https://evil.example" },
    "ORIGIN_REFUSED",
  ],
  ["the loopback without keys, its own page", {}, LOCAL, { host: LOCAL, origin: `http://${LOCAL}` }, "in"],
  ["the loopback without keys, any key", {}, LOCAL, { "x-api-key": "some" }, "in"],
  ["the loopback with a key, none given", { api_key: KEY }, LOCAL, {}, "API_KEY_MISSING"],
  ["a key, none given", KEYED, FAR, {}, "API_KEY_MISSING"],
  ["a key as bearer", KEYED, FAR, bearer, "key api_key"],
  ["a key as bearer in small letters", KEYED, FAR, { authorization: `bearer   ${KEY}` }, "key api_key"],
  ["a key as X-API-Key", KEYED, FAR, { "x-api-key": KEY }, "key api_key"],
  ["a key and a foreign Host and page", KEYED, FAR, { ...bearer, host: "a.b", origin: "https://c.d" }, "key api_key"],
  ["a wrong key", KEYED, FAR, { "x-api-key": `${KEY}1` }, "API_KEY_WRONG"],
  ["a key with a space", KEYED, FAR, { authorization: `Bearer ${KEY} x` }, "API_KEY_WRONG"],
  ["an empty bearer", KEYED, FAR, { authorization: "Bearer" }, "API_KEY_MISSING"],
  ["an empty X-API-Key", KEYED, FAR, { "x-api-key": "" }, "API_KEY_MISSING"],
  ["a long key", KEYED, FAR, { "x-api-key": "x".repeat(15_000) }, "API_KEY_WRONG"],
  ["a key as basic", KEYED, FAR, { authorization: `Basic ${btoa(`:${KEY}`)}` }, "API_KEY_MISSING"],
  [
    "a wrong bearer beside a right X-API-Key",
    KEYED,
    FAR,
    { authorization: "Bearer x", "x-api-key": KEY },
    "API_KEY_WRONG",
  ],
  [
    "a forwarded address",
    TRUSTING,
    FAR,
    { "x-forwarded-for": "10.0.0.1", forwarded: "for=10.0.0.1" },
    "NETWORK_REFUSED",
  ],
  ["a trusted network", TRUSTING, "10.1.1.1", {}, "in"],
  ["a trusted network, mapped", TRUSTING, "::ffff:10.1.1.1", {}, "in"],
  ["a trusted network, a foreign Host", TRUSTING, "10.1.1.1", { host: "evil.example" }, "HOST_REFUSED"],
  ["another network", TRUSTING, FAR, {}, "NETWORK_REFUSED"],
  ["the loopback, which is not listed", TRUSTING, LOCAL, {}, "NETWORK_REFUSED"],
  ["an address that is not known", TRUSTING, null, {}, "NETWORK_REFUSED"],
  ["both, from the network", BOTH, "10.1.1.1", {}, "in"],
  ["both, from elsewhere with the key", BOTH, FAR, bearer, "key api_key"],
  ["both, from elsewhere without", BOTH, FAR, {}, "API_KEY_MISSING"],
  ["both, from the network with a wrong key", BOTH, "10.1.1.1", { "x-api-key": "wrong" }, "API_KEY_WRONG"],
  ["insecure", OPEN, FAR, { host: "any.example", origin: "https://other.example" }, "in"],
  ["insecure with a key", { ...OPEN, api_key: KEY }, FAR, {}, "API_KEY_MISSING"],
];

for (const [name, settings, peer, headers, expected] of CASES) {
  Deno.test(`access: ${name}: ${expected}`, async () => {
    assert.equal(await outcome(settings, peer, headers), expected);
  });
}

Deno.test("access: a server that strangers reach does not start without a guard", () => {
  const refused: Partial<AccessSettings>[] = [
    { host: "0.0.0.0" },
    { host: "::" },
    { host: "192.168.1.5" },
    { host: "jetson.local" },
    { host: "0.0.0.0", http_allowed_hosts: ["a"] },
    { host: "0.0.0.0", insecure: false, http_trusted_networks: [] },
  ];
  for (const settings of refused) {
    assert.throws(() => refuseOpenBind(settings as AccessSettings), (error: unknown) => {
      return error instanceof TrtdError && error.code === "OPEN_BIND" && error.row.exit === 2;
    });
  }
  for (
    const settings of [
      { host: "127.0.0.1" },
      { host: "::1" },
      { host: "localhost" },
      { host: "0.0.0.0", insecure: true },
      { host: "0.0.0.0", api_key: KEY },
      { host: "0.0.0.0", api_keys_file: "/keys" },
      { host: "0.0.0.0", http_trusted_networks: ["10.0.0.0/8"] },
    ]
  ) refuseOpenBind(settings);
});
