import assert from "node:assert/strict";
import type { CheckStatus } from "../../src/doctor/check.ts";
import { CHECKS, runChecks } from "../../src/doctor/checks.ts";
import type { DoctorFacts } from "../../src/doctor/facts.ts";
import { doctorReport } from "../../src/doctor/report.ts";
import { doctorText } from "../../src/doctor/text.ts";
import { BROKEN, cuda, finding, gpu, machine, NO_CUDA, tensorrt } from "./machines.ts";

type Machine = Parameters<typeof machine>[0];
const settings = { backend: "auto", device: undefined, tensorrt: undefined } as const;
const wanting = { ...settings, backend: "tensorrt" } as const;
const denied = finding({ step: "load", code: "NATIVE_LOAD_FAILED", detail: "libstdc++.so.6 is missing" });
const unpacking = finding({ code: "CACHE_FOLDER_UNUSABLE", detail: "The cache folder is full", remedy: "Free it" });
const noShim = cuda([], {
  shim: null,
  driver: null,
  findings: [finding({ step: "shim", code: "NATIVE_LOAD_FAILED", detail: "No libtrtd", remedy: "Build it" })],
});
const permissions = {
  read: "granted",
  write: "granted",
  env: "granted",
  run: "prompt",
  ffi: "denied",
  net: "granted",
  sys: "granted",
};

interface Case {
  readonly name: string;
  readonly machine: Machine;
  /** Whether the machine is healthy. */
  readonly ok: boolean;
  /** Checks that are not ok, with a pattern for their details and remedies. */
  readonly says: Readonly<Record<string, readonly [CheckStatus, RegExp, RegExp]>>;
}

const CASES: readonly Case[] = [
  { name: "a healthy PC", machine: {}, ok: true, says: {} },
  {
    name: "no GPU and no TensorRT",
    machine: { cuda: NO_CUDA, probes: [] },
    ok: true,
    says: {
      driver: ["warn", /no NVIDIA driver \(libcuda\.so\.1\)/, /Mend it/],
      gpu: ["warn", /detection runs on the CPU/, /nvidia-smi/],
      tensorrt: ["warn", /^No TensorRT was found$/, /--tensorrt DIR/],
    },
  },
  {
    name: "no GPU where the TensorRT backend is wanted",
    machine: { cuda: NO_CUDA, probes: [], settings: wanting },
    ok: false,
    says: { driver: ["fail", /driver/, /Mend/], gpu: ["fail", /No GPU/, /./], tensorrt: ["fail", /No TensorRT/, /./] },
  },
  {
    name: "a container that was not given the driver",
    machine: { cuda: NO_CUDA, probes: [], system: { traces: ["/dev/nvidia0"] } },
    ok: true,
    says: {
      driver: ["warn", /There is a GPU \(\/dev\/nvidia0\) but no libcuda/, /--gpus all/],
      gpu: ["warn", /CPU/, /./],
      tensorrt: ["warn", /./, /./],
    },
  },
  {
    name: "a driver that shows no device",
    machine: { cuda: cuda([], { driver: null, findings: [finding({ native_code: 100 })] }) },
    ok: true,
    says: { driver: ["warn", /It fails/, /Mend it/], gpu: ["warn", /CPU/, /./] },
  },
  {
    name: "a driver of two versions",
    machine: { cuda: cuda([], { driver: null, findings: [finding({ native_code: 803 })] }) },
    ok: false,
    says: { driver: ["fail", /It fails/, /Mend it/], gpu: ["warn", /CPU/, /./] },
  },
  {
    name: "the pair of the incident",
    machine: { cuda: cuda([gpu("12.0")]), probes: [tensorrt("8.6.1")] },
    ok: false,
    says: {
      tensorrt: [
        "fail",
        /None of 1 found can be used: TensorRT 8\.6\.1 cannot run on .*12\.0.*smVerHex2Dig/,
        /10\.8 or later/,
      ],
      "tensorrt-gpu": ["fail", /smVerHex2Dig/, /Install TensorRT 10\.8 or later.*CUDA 12\.8/],
    },
  },
  {
    name: "three versions at once, one of which fits",
    machine: {
      cuda: cuda([gpu("12.0")]),
      probes: [tensorrt("8.6.1"), tensorrt("1.7.1.116", { evidence: "run" }), tensorrt("10.16.1")],
    },
    ok: true,
    says: {},
  },
  {
    name: "a broken library beside a good one",
    machine: { probes: [BROKEN, tensorrt("10.16.1")] },
    ok: true,
    says: { "tensorrt-libraries": ["warn", /is not a shared library/, /Mend it/] },
  },
  {
    name: "a broken library alone, with a GPU",
    machine: { probes: [BROKEN] },
    ok: false,
    says: {
      tensorrt: ["fail", /None of 1 found.*is not a shared library/, /Mend it/],
      "tensorrt-libraries": ["warn", /is not a shared library/, /Mend it/],
    },
  },
  {
    name: "a broken library alone, without a GPU",
    machine: { cuda: NO_CUDA, probes: [BROKEN] },
    ok: true,
    says: {
      driver: ["warn", /./, /./],
      gpu: ["warn", /./, /./],
      tensorrt: ["warn", /None of 1 found/, /Mend it/],
      "tensorrt-libraries": ["warn", /is not a shared library/, /Mend it/],
    },
  },
  {
    name: "a named folder without TensorRT",
    machine: { settings: { ...settings, tensorrt: "/opt/none" }, cuda: NO_CUDA },
    ok: false,
    says: {
      driver: ["warn", /./, /./],
      gpu: ["warn", /./, /./],
      "tensorrt-search": ["fail", /"\/opt\/none" \(--tensorrt\) holds no TensorRT/, /./],
      tensorrt: ["fail", /^No TensorRT was found where --tensorrt points$/, /./],
    },
  },
  {
    name: "a GPU that --device does not find",
    machine: { settings: { ...settings, device: "3" } },
    ok: false,
    says: { gpu: ["fail", /No GPU is "3" \(--device\): there are GPU 0/, /index or the UUID/] },
  },
  {
    name: "one of several GPUs that --device does not find",
    machine: { settings: { ...settings, device: "0,3" } },
    ok: false,
    says: { gpu: ["fail", /No GPU is "3" \(--device\): there are GPU 0/, /index or the UUID/] },
  },
  {
    name: "libtrtd is missing",
    machine: {
      cuda: noShim,
      probes: [{ ...tensorrt("10.3.0"), library: null, parser: null, plugins: null, findings: noShim.findings }],
    },
    ok: true,
    says: {
      shim: ["warn", /No libtrtd/, /Build it/],
      gpu: ["warn", /./, /./],
      tensorrt: ["warn", /None of 1 found/, /./],
    },
  },
  {
    name: "an unknown GPU",
    machine: { cuda: cuda([gpu("13.4")]), probes: [tensorrt("11.9.0")] },
    ok: true,
    says: {
      "compute-capability": ["warn", /does not know GPU 0/, /Update trtd/],
      "tensorrt-family": ["warn", /do not have TensorRT 11\.9\.0/, /./],
      "tensorrt-gpu": ["warn", /newer than what trtd knows/, /./],
    },
  },
  {
    name: "a full GPU",
    machine: { cuda: cuda([gpu("8.9", { memory_free: 2e8 })]) },
    ok: true,
    says: { "gpu-memory": ["warn", /200 MB of 25\.8 GB free on GPU 0/, /Free GPU memory/] },
  },
  {
    name: "a GPU whose memory cannot be asked",
    machine: { cuda: cuda([gpu("8.9", { memory_free: null })]) },
    ok: true,
    says: { "gpu-memory": ["warn", /cannot be asked/, /./] },
  },
  {
    name: "a GPU that does not answer",
    machine: { cuda: cuda([gpu("8.9")], { findings: [finding({ step: "device", detail: "GPU 1 is lost" })] }) },
    ok: false,
    says: { "gpu-answers": ["fail", /GPU 1 is lost/, /Mend it/] },
  },
  {
    name: "a CUDA runtime that crashes",
    machine: { cuda: cuda([gpu("8.9")], { findings: [finding({ step: "runtime", detail: "It crashed" })] }) },
    ok: true,
    says: { "cuda-runtime": ["warn", /It crashed/, /Mend it/] },
  },
  {
    name: "an unverified version whose self-check could not run",
    machine: { probes: [tensorrt("11.4.0", { evidence: "none" })] },
    ok: true,
    says: { "tensorrt-verified": ["warn", /not on the verified list/, /self-check/] },
  },
  {
    name: "an unverified version that passed the self-check",
    machine: { probes: [tensorrt("11.4.0", { evidence: "none", probe: { self_check: { checks: 19 } } })] },
    ok: true,
    says: {},
  },
  {
    name: "a self-check that failed",
    machine: {
      probes: [
        tensorrt("11.1.0", {
          probe: { findings: [finding({ step: "self-check", code: "ABI_MISMATCH", detail: "A getter gave 7" })] },
        }),
      ],
    },
    ok: false,
    says: {
      tensorrt: ["fail", /A getter gave 7/, /Mend it/],
      "tensorrt-verified": ["fail", /failed the self-check: A getter gave 7/, /Mend it/],
    },
  },
  {
    name: "a TensorRT without parser and plugins",
    machine: { probes: [tensorrt("10.3.0", { probe: { parser: null, plugins: null } })] },
    ok: true,
    says: {
      "tensorrt-parser": ["warn", /has no ONNX parser beside it/, /libnvonnxparsers/],
      "tensorrt-plugins": ["warn", /has no plugin library beside it/, /libnvinfer-plugin/],
    },
  },
  {
    name: "a parser that does not load",
    machine: {
      probes: [
        tensorrt("10.3.0", {
          probe: { parser: null, findings: [finding({ step: "parser", detail: "Of another major" })] },
        }),
      ],
    },
    ok: true,
    says: { "tensorrt-parser": ["warn", /Of another major/, /Mend it/] },
  },
  {
    name: "plugins without EfficientNMS_TRT",
    machine: { probes: [tensorrt("10.3.0", { probe: { plugins: { path: "/p.so", efficient_nms: false } } })] },
    ok: true,
    says: { "tensorrt-plugins": ["warn", /EfficientNMS_TRT is not in "\/p\.so"/, /./] },
  },
  {
    name: "a lean runtime",
    machine: {
      probes: [tensorrt("10.16.1", {
        probe: { parser: null, plugins: null, library: { ...tensorrt("10.16.1").library!, kind: "lean" } },
      })],
    },
    ok: true,
    says: { "tensorrt-parser": ["warn", /is a lean library: it runs engines and cannot build them/, /./] },
  },
  {
    name: "a driver that is too old",
    machine: {
      cuda: cuda([gpu("8.9")], {
        driver: { cuda_version: "11.4", release: "470.42.01", device_count: 1, library: "libcuda.so.1" },
      }),
      probes: [tensorrt("10.16.1", { found: { cuda: "13" } })],
    },
    ok: false,
    says: {
      tensorrt: ["fail", /None of 1 found/, /580/],
      "tensorrt-gpu": ["fail", /needs an NVIDIA driver of 580/, /580/],
      "driver-cuda": ["fail", /needs an NVIDIA driver of 580/, /580/],
    },
  },
  {
    name: "a GPU without fp16",
    machine: {
      cuda: cuda([gpu("6.1")], {
        driver: { cuda_version: "12.2", release: "535.54.03", device_count: 1, library: "libcuda.so.1" },
      }),
      probes: [tensorrt("8.6.1")],
    },
    ok: true,
    says: {
      "precision-fp16": ["warn", /cannot compute in fp16 with TensorRT 8\.6\.1, only f32, int8/, /--precision f32/],
    },
  },
  {
    name: "a Jetson of an unknown release",
    machine: { cuda: NO_CUDA, probes: [], system: { l4t: "99.1", architecture: "aarch64" } },
    ok: true,
    says: {
      driver: ["warn", /./, /./],
      gpu: ["warn", /./, /./],
      tensorrt: ["warn", /./, /./],
      jetpack: ["warn", /99\.1 is not in trtd's table/, /Update JetPack/],
    },
  },
  {
    name: "an old system with little of everything",
    machine: {
      system: {
        glibc: "2.17",
        disk: { path: "/d", free: 5e8 },
        memory: { total: 8e9, available: 6e9 },
        limits: { cgroup: 2, memory: 1e9, memory_used: 4e8, cpus: 0.5, processors: 1 },
        cache: { path: "/c", exists: true, problem: 'The cache folder "/c" is full' },
        models: { path: "/m", exists: true, problem: 'The models folder "/m" cannot be written' },
        permissions,
      },
    },
    ok: false,
    says: {
      glibc: ["fail", /glibc 2\.17 is older than 2\.28/, /Update the operating system/],
      disk: ["warn", /500 MB free/, /Free disk space/],
      memory: ["warn", /600 MB of 1\.0 GB available/, /raise the limit/],
      limits: ["warn", /time of 0\.5.*1\.0 GB/, /processors/],
      "cache-folder": ["warn", /"\/c" is full/, /TRTD_CACHE_DIR/],
      "models-folder": ["warn", /"\/m" cannot be written/, /--models DIR/],
      permissions: ["warn", /Missing run .*, ffi /, /--allow-all/],
    },
  },
  {
    name: "a compiled file without a cache folder",
    machine: { system: { standalone: true, cache: { path: null, exists: false, problem: "No folder" } } },
    ok: false,
    says: { "cache-folder": ["fail", /No folder/, /TRTD_CACHE_DIR/] },
  },
  {
    name: "a compiled file that cannot unpack its libraries",
    machine: {
      cuda: { ...noShim, findings: [unpacking] },
      probes: [],
      system: { standalone: true },
      sharp: { name: "sharp", version: null, findings: [unpacking], ms: 1 },
    },
    ok: false,
    says: {
      shim: ["warn", /is full/, /^Free it$/],
      sharp: ["fail", /is full/, /^Free it$/],
      gpu: ["warn", /./, /./],
      tensorrt: ["warn", /./, /./],
    },
  },
  {
    name: "a compiled file without its libraries",
    machine: {
      cuda: noShim,
      probes: [],
      system: { standalone: true },
      sharp: { name: "sharp", version: null, findings: [denied], ms: 1 },
    },
    ok: false,
    says: {
      shim: ["warn", /No libtrtd/, /whole executable.*TRTD_SHIM/],
      sharp: ["fail", /libstdc/, /whole executable/],
      gpu: ["warn", /./, /./],
      tensorrt: ["warn", /./, /./],
    },
  },
  {
    name: "nothing can be found out",
    machine: { system: { os: "freebsd", glibc: null, disk: null, memory: null } },
    ok: true,
    says: {
      platform: ["warn", /freebsd/, /Linux/],
      glibc: ["warn", /cannot be found out/, /./],
      disk: ["warn", /cannot be found out/, /./],
      memory: ["warn", /cannot be found out/, /./],
    },
  },
  {
    name: "the libraries of the CPU path do not load",
    machine: {
      onnxruntime: { name: "onnxruntime", version: null, findings: [denied], ms: 1 },
      sharp: { name: "sharp", version: null, findings: [], ms: 1 },
    },
    ok: false,
    says: {
      onnxruntime: ["fail", /ONNX Runtime does not load: libstdc\+\+\.so\.6 is missing/, /deno install/],
      sharp: ["fail", /sharp does not load: no answer/, /deno install/],
    },
  },
];

const factsOf = ({ machine: rest }: Case): DoctorFacts => machine(rest);

for (const one of CASES) {
  Deno.test(`doctor: ${one.name}`, () => {
    const report = doctorReport(factsOf(one));
    const bad = report.checks.filter(({ status }) => status !== "ok");
    assert.deepEqual(bad.map(({ id }) => id).sort(), Object.keys(one.says).sort());
    for (const { id, status, detail, remedy } of bad) {
      const [expected, detailText, remedyText] = one.says[id]!;
      assert.equal(status, expected, id);
      assert.match(detail, detailText, id);
      assert.match(remedy, remedyText, id);
    }
    assert.equal(report.ok, one.ok);
  });
}

Deno.test("doctor: every check can be something other than ok, but for those that only tell", () => {
  const complaining = new Set(CASES.flatMap(({ says }) => Object.keys(says)));
  const silent = CHECKS.map(({ id }) => id).filter((id) => !complaining.has(id));
  assert.deepEqual(silent, ["isolation", "mig"]);
});

Deno.test("doctor: there are at least 15 checks, each with an id of its own, a sentence and a remedy", () => {
  assert.ok(CHECKS.length >= 15);
  assert.equal(new Set(CHECKS.map(({ id }) => id)).size, CHECKS.length);
  for (const one of CASES) {
    for (const { id, detail, remedy } of runChecks(factsOf(one))) {
      assert.match(id, /^[a-z][a-z0-9-]+$/);
      for (const text of [detail, remedy]) {
        assert.match(text, /^([A-Z"0-9]|glibc|libtrtd|trtd)/, `${one.name}: ${id}: ${text}`);
        assert.doesNotMatch(text, /\.$|undefined|null\b|NaN|\[object/, `${one.name}: ${id}: ${text}`);
      }
    }
  }
});

Deno.test("doctor: the choice among several says what was passed over and why", () => {
  const report = doctorReport(machine({ cuda: cuda([gpu("12.0")]), probes: [tensorrt("8.6.1"), tensorrt("10.16.1")] }));
  assert.deepEqual(report.tensorrt.map(({ version, chosen }) => [version, chosen]), [["8.6.1", false], [
    "10.16.1",
    true,
  ]]);
  assert.match(report.tensorrt[0]!.refusal!, /smVerHex2Dig/);
  assert.deepEqual(report.tensorrt.map(({ gpus }) => gpus[0]!.verdict), ["impossible", "fine"]);
  assert.match(report.tensorrt[0]!.gpus[0]!.remedy!, /10\.8/);
});

Deno.test("doctor: --device takes an index or the UUID, and the pair is judged for that GPU", () => {
  const gpus = [gpu("12.0"), gpu("8.6", { index: 1, uuid: "GPU-11111111-0000-0000-0000-000000000000" })];
  for (const device of ["1", "GPU-11111111-0000-0000-0000-000000000000", "gpu-11111111"]) {
    const report = doctorReport(
      machine({ cuda: cuda(gpus), probes: [tensorrt("8.6.1")], settings: { ...settings, device } }),
    );
    assert.deepEqual(report.gpus.map(({ selected }) => selected), [false, true], device);
    assert.equal(report.backends[0]!.usable, true, device);
  }
  for (const [device, used] of [["1,0", "; 1 is used, by trtd serve 1 more"], ["auto", "; 0 is used"]] as const) {
    const report = doctorReport(machine({ cuda: cuda(gpus), settings: { ...settings, device } }));
    assert.ok(report.checks.find(({ id }) => id === "gpu")!.detail.endsWith(used), device);
  }
  const first = doctorReport(machine({ cuda: cuda(gpus), probes: [tensorrt("8.6.1")] }));
  assert.deepEqual(first.gpus.map(({ selected }) => selected), [true, false]);
  assert.equal(first.backends[0]!.usable, false);
});

Deno.test("doctor: backends say whether they can run and why not", () => {
  const { backends } = doctorReport(machine({ cuda: NO_CUDA }));
  assert.deepEqual(backends, [
    { name: "tensorrt", usable: false, version: "10.16.1.11", reason: "No GPU can be used" },
    { name: "onnxruntime", usable: true, version: "1.30.0", reason: null },
  ]);
});

Deno.test("doctor: the text has every check, a remedy below each complaint, and no long line but for long words", () => {
  for (const one of CASES) {
    const report = doctorReport(factsOf(one));
    const text = doctorText(report);
    for (const { id, status } of report.checks) {
      const mark = status === "fail" ? "FAIL" : status.padEnd(4);
      assert.match(text, new RegExp(`^${mark}  ${id} `, "m"), one.name);
    }
    assert.equal(text.match(/^\s+-> /gm)?.length ?? 0, Object.keys(one.says).length, one.name);
    for (const line of text.split("\n")) assert.ok(line.length <= 110 || !line.trim().slice(0, 90).includes(" "), line);
    assert.match(text.split("\n").at(-1)!, one.ok ? /Healthy: / : /Not healthy: /);
  }
});

Deno.test("doctor: control characters in what libraries say do not reach the terminal", () => {
  const report = doctorReport(machine({ cuda: cuda([gpu("8.9", { name: "x\x1b[31my\nz" })]) }));
  // deno-lint-ignore no-control-regex
  assert.doesNotMatch(doctorText(report), /\x1b/);
});
