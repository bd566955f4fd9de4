import "reflect-metadata";
import { webcrypto } from "node:crypto";
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from "@peculiar/x509";
import { WarrenError } from "@warren/contracts/errors";

/** All keys and signatures here. */
const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Milliseconds by which certificates begin before they are made: the clocks of two machines differ. */
const EARLIER_MS = HOUR_MS;
/** How long an authority lasts. */
const AUTHORITY_MS = 20 * 365 * DAY_MS;

type Key = webcrypto.CryptoKey;

/** A certificate with its key, both as PEM. */
export interface KeyAndCertificate {
  key: string;
  certificate: string;
}

/** An authority that can sign. */
export interface Signer {
  certificate: X509Certificate;
  key: Key;
}

/** What a certificate says. */
interface Contents {
  publicKey: Key;
  /** URI; the one alternative name. */
  name: string;
  usage: ExtendedKeyUsage;
  /** Milliseconds from now for which it is good. */
  lifetimeMs: number;
  now: number;
}

/** Makes an authority of this installation. `id` tells it from others. */
export async function makeAuthority(id: string, now = Date.now()): Promise<KeyAndCertificate> {
  const keys = await generateKeys();
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: `CN=Warren hosts ${id}`,
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + AUTHORITY_MS),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { key: await exportKey(keys.privateKey), certificate: certificate.toString("pem") };
}

/** Takes up an authority that was made before. */
export async function readAuthority({ key, certificate }: KeyAndCertificate): Promise<Signer> {
  const der = Buffer.from(key.replace(/-----[A-Z ]+-----|\s/g, ""), "base64");
  return {
    certificate: new X509Certificate(certificate),
    key: await webcrypto.subtle.importKey("pkcs8", der, ALGORITHM, false, ["sign"]),
  };
}

/**
 * The key that a request of a host is about: nothing else in it counts. Throws `invalid_request` unless it is a key on P-256 that
 * the host has.
 */
export async function keyOfRequest(pem: string): Promise<Key> {
  try {
    const request = new Pkcs10CertificateRequest(pem);
    const publicKey = await request.publicKey.export(ALGORITHM, ["verify"], webcrypto as Crypto);
    if (await request.verify(webcrypto as Crypto)) return publicKey as Key;
  } catch {
    // What it is instead is of no concern.
  }
  throw new WarrenError("invalid_request", "body/csr_pem must be a signed request for an ECDSA key on P-256, as PEM");
}

/** A certificate by which a host serves, as PEM. */
export function certifyHost(
  signer: Signer,
  { publicKey, name, lifetimeMs, now = Date.now() }: Omit<Contents, "usage" | "now"> & { now?: number },
): Promise<string> {
  return certify(signer, { publicKey, name, lifetimeMs, now, usage: ExtendedKeyUsage.serverAuth });
}

/** A new key with a certificate by which a control plane calls. */
export async function makeClient(
  signer: Signer,
  { name, lifetimeMs, now = Date.now() }: { name: string; lifetimeMs: number; now?: number },
): Promise<KeyAndCertificate> {
  const { publicKey, privateKey } = await generateKeys();
  const usage = ExtendedKeyUsage.clientAuth;
  const certificate = await certify(signer, { publicKey, name, usage, lifetimeMs, now });
  return { key: await exportKey(privateKey), certificate };
}

async function certify(signer: Signer, { publicKey, name, usage, lifetimeMs, now }: Contents): Promise<string> {
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serialNumber(),
    subject: "CN=Warren",
    issuer: signer.certificate.subjectName,
    notBefore: new Date(now - EARLIER_MS),
    notAfter: new Date(now + lifetimeMs),
    publicKey,
    signingKey: signer.key,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([usage], true),
      new SubjectAlternativeNameExtension([{ type: "url", value: name }]),
      await AuthorityKeyIdentifierExtension.create(signer.certificate.publicKey),
    ],
  });
  return certificate.toString("pem");
}

function generateKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<webcrypto.CryptoKeyPair>;
}

async function exportKey(key: Key): Promise<string> {
  const text = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64");
  return `-----BEGIN PRIVATE KEY-----\n${text.match(/.{1,64}/g)!.join("\n")}\n-----END PRIVATE KEY-----\n`;
}

/** 127 random bits, in hex. */
function serialNumber(): string {
  const bytes = webcrypto.getRandomValues(new Uint8Array(16));
  bytes[0]! &= 0x7f;
  return Buffer.from(bytes).toString("hex");
}
