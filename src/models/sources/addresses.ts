/** Which addresses belong to this machine or to a network that is not the Internet. Pure. */
import ipaddr from "ipaddr.js";

/**
 * The kind of an IP address as a word, such as `loopback` or `private`.
 * @returns null when it is an address of the Internet
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry
 */
export function innerAddress(address: string): string | null {
  if (!ipaddr.isValid(address)) return "not an address";
  const kind = ipaddr.process(address).range();
  return kind === "unicast" ? null : WORDS[kind] ?? kind;
}

const WORDS: Readonly<Record<string, string>> = {
  linkLocal: "link-local",
  uniqueLocal: "private",
  carrierGradeNat: "private",
  ipv4Mapped: "private",
};

/** The IP address of an address's host, null when the host is a name. */
export function literalAddress({ hostname }: URL): string | null {
  const bare = hostname.replace(/^\[|\]$/g, "");
  return ipaddr.isValid(bare) ? bare : null;
}
