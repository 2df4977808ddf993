import assert from "node:assert/strict";
import { discoverTensorRt } from "../../../src/tensorrt/discovery/discovery.ts";
import { readLoaderCache } from "../../../src/tensorrt/discovery/discovery_ld_cache.ts";
import { coreFromName } from "../../../src/tensorrt/discovery/discovery_names.ts";
import { debianFacts } from "../../../src/tensorrt/discovery/discovery_packages.ts";
import { elf, loaderCache, machineBox } from "./discovery_fixtures.ts";

Deno.test("discovery: file names tell product, kind, major and version", () => {
  const cases: [name: string, expected: readonly [string, string, number | null, string | null] | null][] = [
    ["libnvinfer.so.10", ["tensorrt", "full", 10, null]],
    ["libnvinfer.so.8.6.1", ["tensorrt", "full", 8, "8.6.1"]],
    ["libnvinfer.so", ["tensorrt", "full", null, null]],
    ["libnvinfer_lean.so.11", ["tensorrt", "lean", 11, null]],
    ["libnvinfer_dispatch.so.10.16.1", ["tensorrt", "dispatch", 10, "10.16.1"]],
    ["libtensorrt_rtx.so.1", ["tensorrt-rtx", "full", 1, null]],
    ["libnvinfer_plugin.so.10", null],
    ["libnvinfer_builder_resource.so.8.6.1", null],
    ["libnvonnxparser.so.10", null],
    ["libnvinfer.so.10.bak", null],
    ["libnvinfer.a", null],
  ];
  for (const [name, expected] of cases) {
    const core = coreFromName(name);
    const found = core === null ? null : [
      core.row.product,
      core.row.kind,
      core.major,
      core.version === null ? null : `${core.version.major}.${core.version.minor}.${core.version.patch}`,
    ];
    assert.deepEqual(found, expected, name);
  }
});

Deno.test("discovery: places come in their order, and a file that several lead to is told once", () => {
  using box = machineBox(
    { LD_LIBRARY_PATH: "${ROOT}/ld::relative:${ROOT}/none", VIRTUAL_ENV: "${ROOT}/venv" },
    ["usual", "opt/TensorRT*/lib"],
  );
  const named = box.file("named/lib/libnvinfer.so.10");
  box.file("ld/libtensorrt_rtx.so.1");
  box.file("cached/libnvinfer.so.9");
  box.file("etc/ld.so.cache", loaderCache([["libnvinfer.so.9", box.path("cached/libnvinfer.so.9")]]));
  box.file("usual/libnvinfer.so.8");
  box.link("usual/libnvinfer.so.10", named);
  box.file("opt/TensorRT-10.8.0.43/lib/libnvinfer.so.10");
  box.file("venv/lib/python3.11/site-packages/tensorrt_lean_libs/libnvinfer_lean.so.11");
  const { searched, libraries } = discoverTensorRt(box.path("named"), box.system);
  const short = (path: string) => path.replace(`${box.root}/`, "");
  assert.deepEqual(libraries.map(({ path, origin, via, also_via }) => [short(path), origin, via, also_via]), [
    ["named/lib/libnvinfer.so.10", "named", "--tensorrt", ["usual folder"]],
    ["ld/libtensorrt_rtx.so.1", "loader", "LD_LIBRARY_PATH", []],
    ["cached/libnvinfer.so.9", "loader", "ld.so.cache", []],
    ["usual/libnvinfer.so.8", "usual", "usual folder", []],
    ["opt/TensorRT-10.8.0.43/lib/libnvinfer.so.10", "usual", "usual folder", []],
    ["venv/lib/python3.11/site-packages/tensorrt_lean_libs/libnvinfer_lean.so.11", "python", "VIRTUAL_ENV", []],
  ]);
  assert.deepEqual(searched.map(({ folder, found }) => [short(folder), found]), [
    ["named", 0],
    ["named/lib", 1],
    ["ld", 1],
    ["cached", 1],
    ["usual", 2],
    ["opt/TensorRT-10.8.0.43/lib", 1],
    ["venv/lib/python3.11/site-packages/tensorrt_lean_libs", 1],
  ]);
});

Deno.test("discovery: several majors in one folder each get their own parser and plugins", () => {
  using box = machineBox({}, ["lib"]);
  for (const [major, version] of [[8, "8.6.1"], [10, "10.3.0"]]) {
    for (const stem of ["libnvinfer", "libnvonnxparser", "libnvinfer_plugin"]) {
      box.file(`lib/${stem}.so.${version}`);
      box.link(`lib/${stem}.so.${major}`, `${stem}.so.${version}`);
    }
  }
  box.link("lib/libnvinfer.so", "libnvinfer.so.10");
  box.link("lib/libnvonnxparser.so", "libnvonnxparser.so.10");
  const { libraries } = discoverTensorRt(undefined, box.system);
  assert.deepEqual(
    libraries.map(({ path, version_by_name, parser, plugins }) => [path, version_by_name, parser, plugins]),
    [
      ["10", "10.3.0", "10", "10"],
      ["8", "8.6.1", "8", "8"],
    ].map(([major, version, parser, plugins]) => [
      box.path(`lib/libnvinfer.so.${major}`),
      version,
      box.path(`lib/libnvonnxparser.so.${parser}`),
      box.path(`lib/libnvinfer_plugin.so.${plugins}`),
    ]),
  );
});

Deno.test("discovery: a missing parser or plugin library is told, and that of another major is not taken", () => {
  using box = machineBox({}, ["lib"]);
  box.file("lib/libnvinfer.so.8");
  box.file("lib/libnvonnxparser.so.10");
  const [found] = discoverTensorRt(undefined, box.system).libraries;
  assert.deepEqual([found?.parser, found?.plugins, found?.problem], [null, null, null]);
});

Deno.test("discovery: a library named by its file is the only named one of its folder", () => {
  using box = machineBox({ LD_LIBRARY_PATH: "${ROOT}/lib" });
  box.file("lib/libnvinfer.so.10");
  const eight = box.file("lib/libnvinfer.so.8");
  const { libraries } = discoverTensorRt(eight, box.system);
  assert.deepEqual(libraries.map(({ path, origin }) => [path, origin]), [
    [eight, "named"],
    [box.path("lib/libnvinfer.so.10"), "loader"],
  ]);
});

Deno.test("discovery: a named folder that is not there is shown as searched", () => {
  using box = machineBox();
  const { searched, libraries } = discoverTensorRt(box.path("nowhere"), box.system);
  assert.deepEqual(libraries, []);
  assert.deepEqual(searched, [{ origin: "named", via: "--tensorrt", folder: box.path("nowhere"), found: 0 }]);
});

Deno.test("discovery: what the loader would refuse is a finding with a remedy", () => {
  const cut = elf().subarray(0, 2000);
  const cases: [name: string, bytes: Uint8Array | string, kind: string, text: RegExp][] = [
    ["a text file", "INPUT(libnvinfer.so.10.3.0)", "not-a-library", /is not a shared library/],
    ["an empty file", "", "empty", /is empty/],
    ["aarch64", elf({ machine: 183 }), "wrong-architecture", /is for aarch64, this program is for x86_64/],
    ["32 bits", elf({ machine: 3, bits: 1 }), "wrong-architecture", /is for x86 \(32 bits\)/],
    ["a machine without a name", elf({ machine: 999 }), "wrong-architecture", /is for machine 999/],
    ["a program", elf({ type: 2 }), "not-a-library", /is an ELF file but no library/],
    ["a cut file", cut, "truncated", /ends at byte 2000 of at least 4096/],
    ["a header alone", elf().subarray(0, 20), "not-a-library", /no ELF header/],
  ];
  for (const [name, bytes, kind, text] of cases) {
    using box = machineBox({ LD_LIBRARY_PATH: "${ROOT}" });
    const path = box.file("libnvinfer.so.10", bytes);
    const [found] = discoverTensorRt(undefined, box.system).libraries;
    assert.equal(found?.problem?.kind, kind, name);
    assert.match(found!.problem!.detail, text, name);
    assert.ok(found!.problem!.detail.startsWith(`"${path}"`), name);
    assert.notEqual(found!.problem!.remedy, "", name);
  }
});

Deno.test("discovery: broken links and folders in place of a library are findings", () => {
  using box = machineBox({ LD_LIBRARY_PATH: "${ROOT}/lib" });
  box.link("lib/libnvinfer.so.8", "gone.so");
  box.link("lib/libnvinfer.so.9", "libnvinfer.so.9");
  Deno.mkdirSync(box.path("lib/libnvinfer.so.10"));
  const { libraries } = discoverTensorRt(undefined, box.system);
  assert.deepEqual(libraries.map(({ problem }) => problem?.kind), ["not-a-library", "link-broken", "link-broken"]);
});

Deno.test("discovery: the loader's cache is read in both forms, and damage never throws", () => {
  const entries = [["libnvinfer.so.10", "/opt/x/libnvinfer.so.10"], ["libc.so.6", "/lib/libc.so.6"]] as const;
  const expected = entries.map(([name, path]) => ({ name, path }));
  for (const old of [false, true]) {
    const bytes = loaderCache(entries, old);
    assert.deepEqual(readLoaderCache(bytes), expected);
    for (let length = 0; length < bytes.length; length++) {
      const read = readLoaderCache(bytes.subarray(0, length));
      assert.ok(read.every(({ path }) => path.startsWith("/")), `cut at ${length}`);
    }
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at]! ^= 0xff;
      assert.ok(Array.isArray(readLoaderCache(damaged)), `damaged at ${at}`);
    }
  }
  assert.deepEqual(readLoaderCache(new Uint8Array(0)), []);
});

Deno.test("discovery: this machine's own loader cache has libc", { ignore: Deno.build.os !== "linux" }, () => {
  const entries = readLoaderCache(Deno.readFileSync("/etc/ld.so.cache"));
  const libc = entries.find(({ name }) => name === "libc.so.6");
  assert.ok(libc !== undefined && Deno.statSync(libc.path).isFile);
});

Deno.test("discovery: Python packages are found without starting Python", () => {
  const wheel = "site-packages/tensorrt_rtx_libs/libtensorrt_rtx.so.1";
  const cases: [name: string, environment: Record<string, string>, place: string, via: string][] = [
    ["a virtual environment", { VIRTUAL_ENV: "${ROOT}/v" }, `v/lib/python3.12/${wheel}`, "VIRTUAL_ENV"],
    ["conda", { CONDA_PREFIX: "${ROOT}/c" }, `c/lib/python3.10/${wheel}`, "CONDA_PREFIX"],
    ["the user's site", { HOME: "${ROOT}/h" }, `h/.local/lib/python3.9/${wheel}`, "user site"],
    ["PYTHONPATH", { PYTHONPATH: "${ROOT}/p/site-packages" }, `p/${wheel}`, "PYTHONPATH"],
    ["python3 on PATH", { PATH: "${ROOT}/bin" }, `prefix/lib/python3.11/${wheel}`, "python3 on PATH"],
    ["pyenv", { PATH: "${ROOT}/pyenv/shims" }, `pyenv/versions/3.11.7/lib/python3.11/${wheel}`, "python3 on PATH"],
    [
      "Debian's packages",
      { PATH: "${ROOT}/prefix/bin" },
      `prefix/lib/python3/dist-packages/tensorrt_rtx_libs/libtensorrt_rtx.so.1`,
      "python3 on PATH",
    ],
  ];
  for (const [name, environment, place, via] of cases) {
    using box = machineBox(environment);
    box.file("prefix/bin/python3.11", "program");
    box.link("prefix/bin/python3", "python3.11");
    box.link("bin/python3", "../prefix/bin/python3");
    box.file("pyenv/shims/python3", "#!/bin/sh");
    box.file(place);
    const { libraries } = discoverTensorRt(undefined, box.system);
    assert.deepEqual(libraries.map((found) => [found.path, found.via]), [[box.path(place), via]], name);
  }
});

Deno.test("discovery: a wheel tells the exact version and the CUDA that it was built for", () => {
  using box = machineBox({ PYTHONPATH: "${ROOT}/site" });
  box.file("site/tensorrt_libs/libnvinfer.so.10");
  box.file("site/tensorrt_rtx_libs/libtensorrt_rtx.so.1");
  for (
    const name of [
      "tensorrt_cu12_libs-10.3.0",
      "tensorrt_lean_cu13_libs-10.9.9",
      "tensorrt_libs-8.6.1",
      "tensorrt_rtx_cu13_libs-1.7.1.116",
    ]
  ) Deno.mkdirSync(box.path(`site/${name}.dist-info`));
  const { libraries } = discoverTensorRt(undefined, box.system);
  assert.deepEqual(libraries.map((one) => [one.product, one.version_by_name, one.cuda]), [
    ["tensorrt", "10.3.0", "12"],
    ["tensorrt-rtx", "1.7.1.116", "13"],
  ]);
});

Deno.test("discovery: a Debian package tells version and CUDA, and only its own entry counts", () => {
  const status = [
    "Package: libnvinfer-dev\nStatus: install ok installed\nVersion: 9.9.9.9-1+cuda1.1\n",
    "Package: libnvinfer10\nStatus: install ok installed\nVersion: 10.3.0.30-1+cuda12.5\nDescription: x\n",
    "Package: libnvinfer-lean10\nVersion: 10.4.0.1-1\n",
    "",
  ].join("\n");
  const facts = (name: string) => {
    const core = coreFromName(name)!;
    const found = debianFacts(status, core.row, core.major);
    return found === null ? null : [found.version.minor, found.version.build, found.cuda];
  };
  assert.deepEqual(facts("libnvinfer.so.10"), [3, 30, "12.5"]);
  assert.deepEqual(facts("libnvinfer_lean.so.10"), [4, 1, null]);
  assert.equal(facts("libnvinfer.so.8"), null);
});
