/** Addresses and networks of clients. */
import { BlockList, isIPv6 } from "node:net";

/** Whether an address lies in one of some networks. */
export class Networks {
  readonly #list = new BlockList();
  readonly size: number;

  /** @param networks checked by the setting: addresses, or networks such as `10.0.0.0/8` and `fd00::/8` */
  constructor(networks: readonly string[]) {
    this.size = networks.length;
    for (const network of networks) {
      const [address = "", bits] = network.split("/");
      const family = isIPv6(address) ? "ipv6" : "ipv4";
      this.#list.addSubnet(address, bits === undefined ? (family === "ipv6" ? 128 : 32) : Number(bits), family);
    }
  }

  /** @param address of a client, {@link plainAddress} or not; null is in no network */
  has(address: string | null): boolean {
    if (address === null) return false;
    const plain = plainAddress(address);
    return this.#list.check(plain, isIPv6(plain) ? "ipv6" : "ipv4");
  }
}

/** An IPv6 address that stands for an IPv4 one (RFC 4291 2.5.5.2) as that one, without the name of an interface. */
export function plainAddress(address: string): string {
  const [bare = ""] = address.split("%");
  const [, mapped] = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare) ?? [];
  return mapped ?? bare;
}

/** Whether a server at this host can be reached from its own machine alone. */
export function isLoopback(host: string): boolean {
  return /^(localhost|::1|127(\.\d{1,3}){3})$/i.test(plainAddress(host.replace(/^\[(.*)\]$/, "$1")));
}
