/** A kernel of somebody else writes where it must not: CUDA's context is lost for the whole process. */
import { TrtdError } from "../../../src/errors.ts";
import { answer, argument, openOnTensorRt, photos, type Wanted } from "./open.ts";

const PTX = `.version 6.0
.target sm_50
.address_size 64
.visible .entry bad() {
  .reg .b32 %r<2>;
  .reg .b64 %rd<2>;
  mov.u64 %rd1, 16;
  mov.u32 %r1, 1;
  st.global.u32 [%rd1], %r1;
  ret;
}
`;

/** @returns the CUresult of waiting for the kernel */
function breakContext(): number {
  const { symbols } = Deno.dlopen("libcuda.so.1", {
    cuDevicePrimaryCtxRetain: { parameters: ["buffer", "i32"], result: "i32" },
    cuCtxSetCurrent: { parameters: ["u64"], result: "i32" },
    cuModuleLoadData: { parameters: ["buffer", "buffer"], result: "i32" },
    cuModuleGetFunction: { parameters: ["buffer", "u64", "buffer"], result: "i32" },
    cuLaunchKernel: {
      parameters: ["u64", "u32", "u32", "u32", "u32", "u32", "u32", "u32", "u64", "pointer", "pointer"],
      result: "i32",
    },
    cuCtxSynchronize: { parameters: [], result: "i32" },
  });
  const text = (value: string) => new TextEncoder().encode(value + "\0");
  const out = (call: (place: Uint8Array<ArrayBuffer>) => number): bigint => {
    const place = new BigUint64Array(1);
    const code = call(new Uint8Array(place.buffer));
    if (code !== 0) throw new Error(`The kernel that is to fail cannot be made: ${code}`);
    return place[0]!;
  };
  const context = out((place) => symbols.cuDevicePrimaryCtxRetain(place, 0));
  symbols.cuCtxSetCurrent(context);
  const module = out((place) => symbols.cuModuleLoadData(place, text(PTX)));
  const kernel = out((place) => symbols.cuModuleGetFunction(place, module, text("bad")));
  const launched = symbols.cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, 0n, null, null);
  return launched !== 0 ? launched : symbols.cuCtxSynchronize();
}

const wanted = argument<Wanted>();
const detector = await openOnTensorRt(wanted);
const bytes = (await photos()).values().next().value!;
const codeOf = async (): Promise<string> => {
  const [result] = await detector.detectBatch([{ bytes }]);
  return result instanceof TrtdError ? result.code : "ok";
};
const before = await codeOf();
const cuda = breakContext();
const after = [await codeOf(), await codeOf()];
let timer: ReturnType<typeof setTimeout> | undefined;
const silence = new Promise<string>((resolve) => timer = setTimeout(() => resolve("nothing"), 30_000));
const told = await Promise.race([detector.fault.then(({ code }) => code), silence]);
clearTimeout(timer);
const again = await openOnTensorRt(wanted).then(() => "opened", (error) => error.code);
answer({ before, cuda, after, told, again });
