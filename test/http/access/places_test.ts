import assert from "node:assert/strict";
import { isOwnHost, isOwnOrigin } from "../../../src/http/access/hosts.ts";
import { isLoopback, Networks, plainAddress } from "../../../src/http/access/networks.ts";

Deno.test("access: an address is in a network or not", () => {
  const networks = new Networks(["10.0.0.0/8", "192.168.1.7", "fd00::/8", "2001:db8::1", "0.0.0.0/32"]);
  const cases: [address: string | null, expected: boolean][] = [
    ["10.0.0.0", true],
    ["10.255.255.255", true],
    ["11.0.0.0", false],
    ["9.255.255.255", false],
    ["192.168.1.7", true],
    ["192.168.1.8", false],
    ["::ffff:10.1.2.3", true],
    ["::FFFF:192.168.1.7", true],
    ["::ffff:192.168.1.8", false],
    ["fd12:3456::1", true],
    ["fd12::1%eth0", true],
    ["fe80::1%eth0", false],
    ["2001:db8::1", true],
    ["2001:db8:0:0:0:0:0:1", true],
    ["2001:db8::2", false],
    ["127.0.0.1", false],
    ["::1", false],
    ["10.0.0.1.example", false],
    ["", false],
    [null, false],
  ];
  for (const [address, expected] of cases) assert.equal(networks.has(address), expected, String(address));
  assert.equal(new Networks(["0.0.0.0/0"]).has("::1"), false);
  assert.equal(new Networks(["::/0"]).has("2001:db8::2"), true);
  assert.equal(new Networks([]).has("10.0.0.1"), false);
});

Deno.test("access: an IPv6 address that stands for an IPv4 one is that one", () => {
  assert.equal(plainAddress("::ffff:1.2.3.4"), "1.2.3.4");
  assert.equal(plainAddress("::1"), "::1");
  assert.equal(plainAddress("1.2.3.4"), "1.2.3.4");
});

Deno.test("access: what the loopback is", () => {
  for (const host of ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]", "::ffff:127.0.0.1", "LOCALHOST"]) {
    assert.equal(isLoopback(host), true, host);
  }
  for (const host of ["0.0.0.0", "::", "192.168.1.1", "127.0.0.1.example", "localhost.example", "128.0.0.1", ""]) {
    assert.equal(isLoopback(host), false, host);
  }
});

Deno.test("access: a Host is this server's when no stranger can own the name", () => {
  for (
    const host of [
      undefined,
      "",
      "127.0.0.1",
      "127.0.0.1:8080",
      "[::1]:8080",
      "192.168.1.5:80",
      "localhost:8080",
      "LOCALHOST",
      "trtd",
      "trtd:8080",
      "jetson.local",
      "jetson.local.:8080",
      "trtd.internal",
      "a.b.home.arpa",
      "Detect.Example.ORG:8080",
    ]
  ) assert.equal(isOwnHost(host, ["detect.example.org"]), true, host);
  for (
    const host of [
      "evil.example.com",
      "evil.example.com:8080",
      "127.0.0.1.nip.io",
      "localhost.evil.com",
      "detect.example.org.evil.com",
      "evil.local.com",
      "evil.com.",
      "a b",
      "evil.com/127.0.0.1",
      "user@127.0.0.1",
      "127.0.0.1#evil.com",
      "[::1",
      "evil.com:80:80",
    ]
  ) assert.equal(isOwnHost(host, ["detect.example.org"]), false, host);
});

Deno.test("access: an Origin is this server's when its host is the request's", () => {
  const cases: [origin: string | undefined, host: string | undefined, expected: boolean][] = [
    [undefined, "127.0.0.1:8080", true],
    ["http://127.0.0.1:8080", "127.0.0.1:8080", true],
    ["https://trtd.local", "trtd.local", true],
    ["http://trtd.local", "trtd.local:80", true],
    ["https://trtd.local", "TRTD.local:443", true],
    ["http://127.0.0.1:8081", "127.0.0.1:8080", false],
    ["https://evil.com", "127.0.0.1:8080", false],
    ["null", "127.0.0.1:8080", false],
    ["", "127.0.0.1:8080", false],
    ["file://127.0.0.1:8080", "127.0.0.1:8080", false],
    ["http://127.0.0.1:8080", undefined, false],
  ];
  for (const [origin, host, expected] of cases) assert.equal(isOwnOrigin(origin, host), expected, `${origin} ${host}`);
});
