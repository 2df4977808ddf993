/** Valid values of every setting, for property tests. */
import fc from "fast-check";
import { aliasSchema } from "../../src/config/alias.ts";
import { valueSchema } from "../../src/config/json_schema.ts";
import { type Setting, SETTING_KEYS, type SettingKey, SETTINGS } from "../../src/config/settings.ts";

const word = fc.stringMatching(/^[a-z][a-z0-9]{0,11}$/);

const SPECIAL: Readonly<Partial<Record<SettingKey, fc.Arbitrary<unknown>>>> = {
  api_key: fc.stringMatching(/^[!-~]{16,40}$/),
  upstream_token: fc.stringMatching(/^[A-Za-z0-9]{8,40}$/),
  http_trusted_networks: fc.array(
    fc.oneof(
      fc.ipV4(),
      fc.ipV4().chain((ip) => fc.nat(32).map((bits) => `${ip}/${bits}`)),
      fc.constantFrom("::1", "fd00::/8", "2001:db8::/32"),
    ),
    { maxLength: 4 },
  ),
  http_allowed_hosts: fc.array(word, { maxLength: 3 }),
  cache_trusted_owners: fc.array(fc.nat(99_999).map(String), { maxLength: 3 }),
  retry: fc.subarray(["workspace", "optimization-level", "batch", "none"], { minLength: 1 }),
  aliases: fc.dictionary(
    fc.stringMatching(/^[a-z][a-z0-9-]{1,8}$/),
    fc.record({
      endpoint: word.map((host) => `https://${host}.example:9000`),
      bucket: word,
      region: word,
      path_style: fc.boolean(),
    }).map((alias) => aliasSchema().parse(alias)),
    { maxKeys: 3, noNullPrototype: true },
  ),
};

/** A value of the setting as it stands in JSON, already in its checked form. */
export function settingValue(key: SettingKey): fc.Arbitrary<unknown> {
  const special = SPECIAL[key];
  if (special !== undefined) return special;
  const { kind } = SETTINGS[key] as Setting;
  const schema = valueSchema(key) as { minimum?: number; maximum?: number; enum?: string[] };
  if (kind === "boolean") return fc.boolean();
  if (kind === "choice") return fc.constantFrom(...schema.enum!);
  if (kind === "number") return fc.integer({ min: Math.ceil(schema.minimum!), max: Math.floor(schema.maximum!) });
  return kind === "list" ? fc.array(word, { minLength: 1, maxLength: 3 }) : word;
}

/** One layer: some keys and their values. */
export const layerValues = (keys: readonly SettingKey[] = SETTING_KEYS): fc.Arbitrary<Record<string, unknown>> =>
  fc.subarray([...keys]).chain((chosen) =>
    fc.record(Object.fromEntries(chosen.map((key) => [key, settingValue(key)])), { noNullPrototype: true })
  );

/** The value as a variable or a flag has it. */
export function textOf(key: SettingKey, value: unknown): string {
  const { kind } = SETTINGS[key] as Setting;
  if (kind === "list") return (value as string[]).join(",");
  return kind === "object" ? JSON.stringify(value) : String(value);
}
