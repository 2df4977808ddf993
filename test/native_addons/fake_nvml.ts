/** A library that looks like NVML, made from fake_nvml.c. */
import { join } from "node:path";

const COMPILERS = ["cc", "gcc", "clang"];

/** Compile it as `libnvidia-ml.so.1` into a folder. @returns its path; null on a machine without a C compiler */
export async function fakeNvml(folder: string): Promise<string | null> {
  const path = join(folder, "libnvidia-ml.so.1");
  const args = ["-shared", "-fPIC", "-o", path, join(import.meta.dirname!, "fake_nvml.c")];
  for (const compiler of COMPILERS) {
    try {
      const { success, stderr } = await new Deno.Command(compiler, { args }).output();
      if (!success) throw new Error(new TextDecoder().decode(stderr));
      return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return null;
}
