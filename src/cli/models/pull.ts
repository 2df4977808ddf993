/** `trtd pull`: a model from where it is kept into the folder of models. */
import { TrtdError } from "../../errors.ts";
import type { Pulled } from "../../models/pull.ts";
import { checkedDigest, parseBeside, parseSource } from "../../models/sources/source.ts";
import type { CliCommand, CommandContext } from "../command.ts";
import { pulledText, pullWith, sourceContext } from "./find_or_pull.ts";
import { answer } from "../answer.ts";

export const pullCommand: CliCommand = {
  name: "pull",
  summary: "Bring a model from a file, an https address or an S3 store into the folder of models, unless it is there",

  configure(command) {
    command
      .argument("<SOURCE>", "PATH, https://HOST/PATH.onnx, s3://BUCKET/KEY or ALIAS:KEY; #sha256=HEX pins the digest")
      .option("--name <NAME>", "Name of the model; default: made from the file's")
      .option("--sha256 <HEX>", "Digest that the file must have")
      .option("--labels <SOURCE>", "File of class names (lines or JSON): a source, or a file's name beside the model")
      .option("--refresh", "Ask the source even when the model was pulled from it before")
      .option("--json", "Print one JSON value");
  },

  run(context: CommandContext): Promise<number> {
    return answer(context, { work: () => pull(context), text: pulledText, json: pulledJson });
  },
};

async function pull(context: CommandContext): Promise<Pulled> {
  const { args, flags } = context;
  const sources = sourceContext(context);
  const text = (key: string) => typeof flags[key] === "string" ? flags[key] : undefined;
  const source = parseSource(args[0]!, sources);
  const [name, sha256, labels] = [text("name"), text("sha256"), text("labels")];
  if (args.length > 1) throw new TrtdError("USAGE", `pull takes one source, got ${args.length}`);
  return await pullWith({
    source,
    ...(name === undefined ? {} : { name }),
    ...(sha256 === undefined ? {} : { sha256: checkedDigest(sha256) }),
    ...(labels === undefined ? {} : { labels: parseBeside(labels, source, sources) }),
    refresh: flags["refresh"] === true,
  }, context);
}

/** The contract of `pull --json`. */
function pulledJson({ model, status, bytes, sha256, source, resumedFrom, durationS, remarks }: Pulled) {
  return {
    name: model.name,
    file: model.path,
    status,
    bytes,
    sha256,
    source,
    labels: model.manifest.labels?.length ?? null,
    resumed_from: resumedFrom,
    duration_s: durationS,
    remarks,
  };
}
