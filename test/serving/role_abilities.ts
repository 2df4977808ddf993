/** What `permission_abilities.ts` finds, on every runtime and compiled. */
import type { Role } from "../../src/serving/permissions.ts";

const BOTH = {
  "library opened before": "yes",
  "descriptor of /dev/shm opened before": "yes",
  "/dev/shm": "NotCapable",
  "/proc": "NotCapable",
  "/sys": "NotCapable",
  "removing from /dev/shm": "yes",
  "channel opened before": "yes",
  "own memory": "yes",
  "ordinary files": "yes",
  "environment": "yes",
};

export const ABILITIES: Readonly<Record<Role, Record<string, string>>> = {
  manager: { ...BOTH, "library": "NotCapable", "listening": "yes", "connecting": "yes", "starting a process": "yes" },
  worker: {
    ...BOTH,
    "library": "yes",
    "listening": "NotCapable",
    "connecting": "NotCapable",
    "starting a process": "NotCapable",
  },
};
