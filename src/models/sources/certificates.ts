/** The CAs that this machine trusts: Deno 2.6 does not look at the system's by itself, and 2.9 not where others are added. */
import { TrtdError } from "../../errors.ts";
import { fileFailure } from "../model_file.ts";

/** Where distributions keep them. */
const BUNDLES = [
  "/etc/ssl/certs/ca-certificates.crt", // Debian, Ubuntu, L4T, Alpine
  "/etc/pki/tls/certs/ca-bundle.crt", // Fedora, RHEL
  "/etc/ssl/ca-bundle.pem", // openSUSE
  "/etc/ssl/cert.pem", // Alpine, others
] as const;

const FILE_BYTES_MAX = 10_000_000;
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g;

/**
 * PEM texts of the system's CAs and of the files that the settings name.
 * @param environment for `SSL_CERT_FILE`, which takes the place of the system's file
 * @throws {TrtdError} `FILE_NOT_FOUND`, `FILE_UNREADABLE` for a named file
 */
export async function certificatesFrom(
  files: readonly (string | null | undefined)[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string[]> {
  const named = files.filter((path) => path !== null && path !== undefined);
  const system = environment["SSL_CERT_FILE"];
  const own = await Promise.all([...system ? [system] : [], ...named].map(readCertificates));
  return [...system ? [] : await systemCertificates(), ...own.flat()];
}

async function systemCertificates(): Promise<string[]> {
  for (const path of BUNDLES) {
    try {
      return await readCertificates(path);
    } catch {
      // The next one may be there; Mozilla's are known anyway.
    }
  }
  return [];
}

async function readCertificates(path: string): Promise<string[]> {
  try {
    const { isFile, size } = await Deno.stat(path);
    if (!isFile || size > FILE_BYTES_MAX) {
      throw new TrtdError("FILE_UNREADABLE", `"${path}" is no regular file of at most ${FILE_BYTES_MAX} bytes`);
    }
    const found = (await Deno.readTextFile(path)).match(CERTIFICATE);
    if (found === null) throw new TrtdError("FILE_UNREADABLE", `"${path}" has no certificate in PEM`);
    return [...found];
  } catch (thrown) {
    throw fileFailure(path, thrown);
  }
}
