import assert from "node:assert/strict";
import { GpuSensors } from "../../src/native/gpu/gpu_sensors.ts";

const FIELDS = "index,name,memory.total,memory.used,temperature.gpu,power.draw";

/** What NVIDIA's own tool says; null where it is not installed. */
async function nvidiaSmi(): Promise<string[][] | null> {
  try {
    const args = [`--query-gpu=${FIELDS}`, "--format=csv,noheader,nounits"];
    const { success, stdout } = await new Deno.Command("nvidia-smi", { args }).output();
    if (!success) return null;
    return new TextDecoder().decode(stdout).trim().split("\n").map((line) => line.split(",").map((one) => one.trim()));
  } catch {
    return null;
  }
}

const smi = await nvidiaSmi();

Deno.test({
  name: "gpu sensors: they say what nvidia-smi says",
  ignore: smi === null, // no NVIDIA driver with its tool on this machine
  async fn() {
    const sensors = GpuSensors.open();
    await sensors.read();
    const samples = sensors.latest();
    await sensors.close();
    console.log(JSON.stringify(samples));
    assert.equal(samples.length, smi!.length);
    for (const [i, [index, name, megabytes, used, degrees, watts]] of smi!.entries()) {
      const sample = samples[i]!;
      assert.deepEqual([sample.gpu, sample.name], [index, name]);
      assert.ok(Math.abs(sample.memory_size_bytes! / 1_048_576 - Number(megabytes)) <= 1, `${megabytes} MiB`);
      assert.ok(Math.abs(sample.memory_used_bytes! / 1_048_576 - Number(used)) <= 2048, `${used} MiB used`);
      assert.ok(Math.abs(sample.temperature_celsius! - Number(degrees)) <= 10, `${degrees} degrees`);
      assert.ok(sample.utilization! >= 0 && sample.utilization! <= 1);
      if (!Number.isNaN(Number(watts))) assert.ok(sample.power_watts! > 1 && sample.power_watts! < 2000, `${watts} W`);
    }
  },
});
