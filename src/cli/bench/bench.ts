/** `trtd bench`: how fast it is, stage by stage, over HTTP beside a Python service, or what a process of its own costs. */
import { EXIT, TrtdError } from "../../errors.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { benchIsolation } from "./isolation.ts";
import { benchOverHttp } from "./over_http.ts";
import { benchStages } from "./stages.ts";

export const benchCommand: CliCommand = {
  name: "bench",
  summary: "Measure speed by stages, batches and backends",

  configure(command) {
    command
      .option("--image <FILE>", "JPEG file that is detected on; default: a bundled photo at 1280x720")
      .option("--rounds <N>", "Rounds, 3 to 100; everything is measured once a round", "7")
      .option("--window <MS>", "Milliseconds of one measurement in a round, 20 to 60000", "500")
      .option("--batches <LIST>", "Pictures of a run for throughput, 1 to 32 each", "1,2,4,8,16")
      .option("--lanes <LIST>", "Runs at once for throughput, 1 to 16 each", "1,2,4")
      .option("--report <FILE>", "Add a line to this table of figures (docs/performance.md); - prints it")
      .option(
        "--against <COMMAND>",
        "Take turns with a program that does the same, such as scripts/bench/gpu_baseline.py",
      )
      .option("--over-http", "Measure `trtd serve` instead, side by side with a Python service on the CPU")
      .option("--isolation", "Measure what a worker process costs beside --in-process")
      .option("--requests <N>", "Over HTTP and isolation: pictures of one client in a round, 5 to 1000", "20")
      .option("--clients <N>", "Over HTTP: clients at once, 1 to 256", "8")
      .option("--no-baseline", "Over HTTP: leave the Python service out")
      .option("--wait-for-idle", "Before each measurement wait until the rest of the machine is idle")
      .option("--json", "Print one JSON value instead of a table");
  },

  async run(context: CommandContext): Promise<number> {
    const { overHttp, isolation } = context.flags;
    if (overHttp === true && isolation === true) {
      throw new TrtdError("USAGE", "--over-http and --isolation are two benchmarks; run one after the other");
    }
    await (overHttp === true ? benchOverHttp : isolation === true ? benchIsolation : benchStages)(context);
    return EXIT.fine;
  },
};
