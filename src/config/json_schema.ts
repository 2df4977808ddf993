/** The JSON Schema of configuration files, for editors. */
import { z } from "zod";
import { groupOf, type Setting, SETTING_KEYS, type SettingKey, SETTINGS } from "./settings.ts";

type Json = Record<string, unknown>;

/** JSON Schema 2020-12 of a file: every key by itself, in its group, and joined to its group by a dot. */
export function configSchema(): Json {
  const properties: Record<string, Json> = { "$schema": { type: "string" } };
  const groups = new Map<string, Record<string, Json>>();
  for (const key of SETTING_KEYS) {
    const reference = { $ref: `#/$defs/${key}` };
    properties[key] = reference;
    const place = groupOf(key);
    if (place === null) continue;
    properties[`${place.group}.${place.member}`] = reference;
    groups.set(place.group, { ...groups.get(place.group), [place.member]: reference });
  }
  for (const [group, members] of groups) {
    properties[group] = {
      type: "object",
      description: `Settings whose names begin with ${group}_`,
      properties: members,
      additionalProperties: false,
    };
  }
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Settings of trtd",
    type: "object",
    properties,
    additionalProperties: false,
    $defs: Object.fromEntries(SETTING_KEYS.map((key) => [key, definitionOf(key)])),
  };
}

/** The schema of one value, without help and default. */
export function valueSchema(key: SettingKey): Json {
  const { $schema: _, ...schema } = z.toJSONSchema(SETTINGS[key].schema as z.ZodType, { io: "input" }) as Json;
  return schema;
}

function definitionOf(key: SettingKey): Json {
  const { help, default: initial } = SETTINGS[key] as Setting;
  return { description: help, ...(initial === undefined ? {} : { default: initial }), ...valueSchema(key) };
}
