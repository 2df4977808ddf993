import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { GpuSensors } from "../../src/native/gpu/gpu_sensors.ts";
import { JetsonSensors } from "../../src/native/gpu/jetson.ts";
import { fakeNvml } from "./fake_nvml.ts";

const folder = Deno.makeTempDirSync({ prefix: "trtd-test-" });
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const nvml = await fakeNvml(folder);
const nothing = { root: join(folder, "nothing"), nvml: [join(folder, "missing.so")] };

/** Files of a Jetson under a folder of their own. */
function jetson(name: string, files: Readonly<Record<string, string>>): string {
  const root = join(folder, name);
  for (const [path, text] of Object.entries(files)) {
    Deno.mkdirSync(dirname(join(root, path)), { recursive: true });
    Deno.writeTextFileSync(join(root, path), text);
  }
  return root;
}

/** As an Orin Nano with Jetson Linux 36 has them. */
const ORIN = {
  "proc/meminfo": "MemTotal:        7800000 kB\nMemFree:          900000 kB\nMemAvailable:    3800000 kB\n",
  "sys/class/devfreq/15340000.vic/device/of_node/name": "vic\0",
  "sys/class/devfreq/15340000.vic/device/load": "999\n",
  "sys/class/devfreq/17000000.gpu/device/of_node/name": "gpu\0",
  "sys/class/devfreq/17000000.gpu/device/load": "375\n",
  "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
  "sys/class/thermal/thermal_zone0/temp": "61000\n",
  "sys/class/thermal/thermal_zone1/type": "gpu-thermal\n",
  "sys/class/thermal/thermal_zone1/temp": "48531\n",
  "sys/class/hwmon/hwmon1/in1_label": "VDD_IN\n",
  "sys/class/hwmon/hwmon1/in1_input": "5000\n",
  "sys/class/hwmon/hwmon1/curr1_input": "3000\n",
  "sys/class/hwmon/hwmon1/in2_label": "VDD_CPU_GPU_CV\n",
  "sys/class/hwmon/hwmon1/in2_input": "4992\n",
  "sys/class/hwmon/hwmon1/curr2_input": "1250\n",
};

const ORIN_SAMPLE = {
  gpu: "0",
  name: "Jetson",
  utilization: 0.375,
  memory_used_bytes: 4_000_000 * 1024,
  memory_size_bytes: 7_800_000 * 1024,
  temperature_celsius: 48.531,
  power_watts: 6.24,
};

Deno.test("gpu sensors: where neither NVML nor a Jetson is there is nothing to tell", async () => {
  const sensors = GpuSensors.open(nothing);
  await sensors.read();
  assert.deepEqual(sensors.latest(), []);
  await sensors.close();
});

Deno.test({
  name: "gpu sensors: NVML tells of every GPU, and what it does not tell is null",
  ignore: nvml === null, // no C compiler to make the library with
  async fn() {
    const sensors = GpuSensors.open({ ...nothing, nvml: ["/nowhere/libnvidia-ml.so.1", nvml!] });
    await sensors.read();
    assert.deepEqual(sensors.latest(), [
      {
        gpu: "0",
        name: "Fake GPU A",
        utilization: 0.4,
        memory_used_bytes: 12_884_901_888,
        memory_size_bytes: 85_899_345_920,
        temperature_celsius: 55,
        power_watts: 312.5,
      },
      {
        gpu: "1",
        name: "Fake GPU B",
        utilization: null,
        memory_used_bytes: 1_000_000_000,
        memory_size_bytes: 4_000_000_000,
        temperature_celsius: null,
        power_watts: null,
      },
    ]);
    await Promise.all([sensors.read(), sensors.read()]);
    assert.equal(sensors.latest()[0]!.utilization, 0.41, "two reads at once are one");
    await sensors.close();
  },
});

Deno.test("gpu sensors: a Jetson's files tell of its GPU, not of other devices, and are read again", () => {
  const root = jetson("orin", ORIN);
  const sensors = JetsonSensors.open(root)!;
  assert.deepEqual(sensors.sample(), ORIN_SAMPLE);
  Deno.writeTextFileSync(join(root, "sys/class/devfreq/17000000.gpu/device/load"), "1000\n");
  Deno.writeTextFileSync(join(root, "sys/class/thermal/thermal_zone1/temp"), "9500\n");
  const { utilization, temperature_celsius } = sensors.sample();
  assert.deepEqual([utilization, temperature_celsius], [1, 9.5]);
  sensors.close();
});

Deno.test("gpu sensors: a Jetson without some files, or with nonsense in them, tells the rest", () => {
  const load = "sys/devices/gpu.0/load";
  for (const [text, utilization] of [["0\n", 0], ["busy\n", null], ["", null]] as const) {
    const sensors = JetsonSensors.open(jetson(`nano-${utilization}-${text.length}`, { [load]: text }))!;
    assert.deepEqual(sensors.sample(), {
      gpu: "0",
      name: "Jetson",
      utilization,
      memory_used_bytes: null,
      memory_size_bytes: null,
      temperature_celsius: null,
      power_watts: null,
    });
    sensors.close();
  }
  assert.equal(JetsonSensors.open(jetson("pc", { "proc/meminfo": ORIN["proc/meminfo"] })), null);
});

Deno.test({
  name: "gpu sensors: on a Jetson NVML's gaps are filled from the files",
  ignore: nvml === null, // no C compiler to make the library with
  async fn() {
    Deno.env.set("FAKE_NVML_POOR", "1");
    try {
      const sensors = GpuSensors.open({ root: jetson("both", ORIN), nvml: [nvml!] });
      await sensors.read();
      const [first, second] = sensors.latest();
      const memory = { memory_used_bytes: 12_884_901_888, memory_size_bytes: 85_899_345_920 };
      assert.deepEqual(first, { ...ORIN_SAMPLE, name: "Fake GPU A", ...memory });
      assert.equal(second!.power_watts, null);
      await sensors.close();
    } finally {
      Deno.env.delete("FAKE_NVML_POOR");
    }
  },
});
