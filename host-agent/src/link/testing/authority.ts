import "reflect-metadata";
import { webcrypto } from "node:crypto";
import {
  BasicConstraintsExtension,
  Pkcs10CertificateRequest,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const HOUR_MS = 3_600_000;

/** Signs certificates, as the authority of a control plane does. */
export class TestAuthority {
  /** PEM. */
  readonly certificate: string;
  /** Milliseconds for which what it signs has been good, and will be. */
  age = HOUR_MS;
  left = 24 * HOUR_MS;
  readonly #key: webcrypto.CryptoKey;

  private constructor(certificate: string, key: webcrypto.CryptoKey) {
    this.certificate = certificate;
    this.#key = key;
  }

  static async make(): Promise<TestAuthority> {
    const keys = await makeKeys();
    const certificate = await X509CertificateGenerator.createSelfSigned({
      name: "CN=test",
      notBefore: new Date(Date.now() - 48 * HOUR_MS),
      notAfter: new Date(Date.now() + 48 * HOUR_MS),
      keys,
      signingAlgorithm: ALGORITHM,
      extensions: [new BasicConstraintsExtension(true, 0, true)],
    });
    return new TestAuthority(certificate.toString("pem"), keys.privateKey);
  }

  /** What a control plane adds to its answer to a request for a certificate, PEM. */
  async answer(request: string): Promise<{ cert_pem: string; ca_cert_pem: string }> {
    const publicKey = await new Pkcs10CertificateRequest(request).publicKey.export(ALGORITHM, ["verify"]);
    return { cert_pem: await this.#sign(publicKey), ca_cert_pem: this.certificate };
  }

  /** A key and a certificate for a server at 127.0.0.1, PEM. */
  async makeServer(): Promise<{ key: string; cert: string }> {
    const keys = await makeKeys();
    const der = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
    const key = `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
    return { key, cert: await this.#sign(keys.publicKey) };
  }

  async #sign(publicKey: webcrypto.CryptoKey): Promise<string> {
    const certificate = await X509CertificateGenerator.create({
      subject: "CN=test host",
      issuer: "CN=test",
      notBefore: new Date(Date.now() - this.age),
      notAfter: new Date(Date.now() + this.left),
      publicKey,
      signingKey: this.#key,
      signingAlgorithm: ALGORITHM,
      extensions: [new SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }])],
    });
    return certificate.toString("pem");
  }
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]) as Promise<webcrypto.CryptoKeyPair>;
}
