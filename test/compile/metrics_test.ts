import { checkServed } from "../grafana/served_check.ts";
import { CANNOT_COMPILE, compiledFile } from "./compiled_file.ts";

Deno.test({
  name: `compiled: a server has what every panel of the dashboard asks for${CANNOT_COMPILE}`,
  ignore: CANNOT_COMPILE !== "",
  fn: async () => await checkServed(await compiledFile(Deno.build.arch)),
});
