/**
 * What a browser says about where a request comes from. A page of another site can send requests to this machine, and
 * with a name of its own that it lets point here (DNS rebinding) even read the answers. So where the place alone gives
 * access, the request must name this server by an address or by a name that no stranger can own.
 */
import { isIP } from "node:net";

/** Ends of names that are nowhere in the public domain name system. Source: RFC 6761, 6762, 8375, 9476, ICANN .internal. */
const LOCAL_ENDS = ["localhost", "local", "internal", "home.arpa", "test", "alt"] as const;

/** Whether a Host header may stand for this server: an address, a name without dots, a local name, or a named one. */
export function isOwnHost(header: string | undefined, allowed: readonly string[]): boolean {
  if (header === undefined || header === "") return true;
  const host = hostName(header);
  if (host === null) return false;
  const name = host.replace(/\.$/, "");
  return isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0 || !name.includes(".") || allowed.includes(name) ||
    LOCAL_ENDS.some((end) => name.endsWith(`.${end}`));
}

/** Whether an Origin header is of a page of this server; requests of other programs have none. */
export function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  if (host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: from } = new URL(origin);
  return /^https?:$/.test(protocol) && URL.canParse(`${protocol}//${host}`) &&
    new URL(`${protocol}//${host}`).host === from;
}

/** The name of a Host header in lower case, without its port; null for what is no host. */
function hostName(header: string): string | null {
  return /^[^\s/?#@\\]+$/.test(header) && URL.canParse(`http://${header}`)
    ? new URL(`http://${header}`).hostname
    : null;
}
