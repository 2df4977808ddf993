import assert from "node:assert/strict";
import { abiFiles, abiProblems, parseHeader } from "../../scripts/check_abi.ts";

const [header, table, map] = await abiFiles();

Deno.test("abi: header, table and export map agree", () => {
  assert.deepEqual(abiProblems(header, table, map), []);
  assert.ok(parseHeader(header).functions.length >= 70);
});

const CHANGES: [title: string, change: (text: string) => string, problem: RegExp][] = [
  [
    "a function that the table lacks",
    (text) =>
      text.replace("/* End an object", "/* New. */\nTRTD_API int32_t trtd_new(uint64_t handle);\n\n/* End an object"),
    /entry 4 is "trtd_close", trtd\.h has "trtd_new"/,
  ],
  [
    "a function that the header lost",
    (text) => text.replace("TRTD_API uint64_t trtd_live_handles(void);", ""),
    /entry 3 is "trtd_live_handles", trtd\.h has "trtd_close"/,
  ],
  [
    "a parameter of another type",
    (text) => text.replace("trtd_blob_size(uint64_t blob,", "trtd_blob_size(int32_t blob,"),
    /"trtd_blob_size" takes \(u64,buffer,buffer\), trtd\.h \(i32,buffer,buffer\)/,
  ],
  [
    "a parameter of another name",
    (text) => text.replace("trtd_blob_size(uint64_t blob,", "trtd_blob_size(uint64_t plan,"),
    /the comments of "trtd_blob_size" say/,
  ],
  [
    "another result",
    (text) => text.replace("TRTD_API uint32_t trtd_abi_version", "TRTD_API uint64_t trtd_abi_version"),
    /"trtd_abi_version" gives u32, trtd\.h uint64_t/,
  ],
  [
    "a function without a comment",
    (text) => text.replace("/* Counts. */\n", "\n"),
    /"trtd_network_facts" has no comment/,
  ],
  ["another number of an enum", (text) => text.replace("TRTD_CANCELLED = 16", "TRTD_CANCELLED = 15"), /"Status" has/],
  [
    "a new enum",
    (text) =>
      text.replace("typedef enum trtd_mode", "typedef enum trtd_a { TRTD_A_B = 0 } trtd_a;\ntypedef enum trtd_mode"),
    /nothing stands for "trtd_a"/,
  ],
  [
    "a field of another type",
    (text) => text.replace("  int32_t tensors;", "  int64_t tensors;"),
    /"trtd_engine_info" has/,
  ],
  [
    "a wrong size in a comment",
    (text) => text.replace("An engine: 320 bytes", "An engine: 312 bytes"),
    /"trtd_engine_info" has 320 bytes, its comment in trtd\.h says 312/,
  ],
  [
    "another ABI version",
    (text) => text.replace("#define TRTD_ABI_VERSION 2", "#define TRTD_ABI_VERSION 3"),
    /ABI version 2, trtd\.h 3/,
  ],
];

for (const [title, change, problem] of CHANGES) {
  Deno.test(`abi: ${title} in the header is found`, () => {
    const changed = change(header);
    assert.notEqual(changed, header);
    assert.match(abiProblems(changed, table, map).join("\n"), problem);
  });
}

Deno.test("abi: an export map out of order is found", () => {
  const changed = map.replace("    trtd_close;\n", "").replace("  local:", "    trtd_close;\n  local:");
  assert.match(abiProblems(header, table, changed).join("\n"), /cpp\/trtd\.map: entry 4/);
});
