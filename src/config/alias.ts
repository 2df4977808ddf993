/** What a name such as `minio:` before a model's path stands for: a bucket of an S3-compatible server. */
import { z } from "zod";

/** Names of aliases; a word of two letters or more, so that it is no drive of Windows. */
export const ALIAS_NAME = /^[a-z][a-z0-9-]{1,31}$/;

/** Names of environment variables, as POSIX has them. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;

const text = () => z.string().min(1).max(1024);
const variable = () => z.string().regex(VARIABLE, "must be the name of an environment variable");

/** The schema of one alias. */
export const aliasSchema = () =>
  z.strictObject({
    endpoint: z.url({ protocol: /^https?$/, error: "must be an http or https address" })
      .refine((url) => !/^[a-z]+:\/\/[^/]*@/i.test(url), "must not contain a user or password; name variables for them")
      .describe("Address of the server, for example https://minio.example:9000"),
    bucket: text().describe("Name of the bucket"),
    prefix: z.string().max(1024).default("").describe("Put before every path"),
    region: text().default("us-east-1").describe("Region that requests are signed for"),
    path_style: z.boolean().default(true).describe("Whether the bucket stands in the path instead of the host name"),
    access_key: text().exactOptional().describe("Name of the key, in clear"),
    secret_key: text().exactOptional().describe("The key itself, in clear; a variable or a file is better"),
    access_key_env: variable().exactOptional().describe("Variable with the name of the key"),
    secret_key_env: variable().exactOptional().describe("Variable with the key itself"),
    session_token_env: variable().exactOptional().describe("Variable with the token of a temporary key"),
    credentials_file: text().exactOptional().describe("File with both, in the form of ~/.aws/credentials"),
    credentials_profile: text().exactOptional().describe("Section of that file; default: default"),
    anonymous: z.boolean().default(false).describe("Whether requests are not signed, for public buckets"),
    ca_file: text().exactOptional().describe("PEM file of authorities to trust besides the system's"),
    tls_verify: z.boolean().default(true).describe("Whether the server's certificate is checked"),
  });

/** One alias; what was left out has its default. */
export type Alias = z.output<ReturnType<typeof aliasSchema>>;

/** The setting `aliases`. */
export const aliasesSchema = () =>
  z.record(
    z.string().regex(ALIAS_NAME, "must be 2 to 32 lower-case letters, digits and dashes, starting with a letter"),
    aliasSchema(),
  );
