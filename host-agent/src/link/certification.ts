import { createPrivateKey, X509Certificate } from "node:crypto";
import { WarrenError } from "@warren/contracts/errors";
import type { HostIdentity } from "../rpc/secure-server.ts";

/** What a control plane gives for a request; PEM. */
export interface GivenCertificate {
  certificate: string;
  authority: string;
}

/** A request for a certificate that is under way. */
export interface Asked {
  /** PEM. */
  request: string;
  /** The identity that follows from the answer; throws when there is none in it. */
  answered(given: GivenCertificate | undefined): HostIdentity;
}

/** Has a key made, and asks for its certificate. What does that is loaded when it is needed. */
export async function askForCertificate(): Promise<Asked> {
  const { makeCertificateRequest } = await import("./certificate-request.ts");
  const { key, request } = await makeCertificateRequest();
  return {
    request,
    answered(given) {
      if (given && isOfKey(given.certificate, key)) return { key, ...given };
      throw new WarrenError("server_unreachable", "the control plane has given no certificate for this host's key");
    },
  };
}

/** Whether half of the time of a certificate is over, so that it is to be renewed. */
export function isHalfOver({ certificate }: HostIdentity, now = Date.now()): boolean {
  const { validFromDate, validToDate } = new X509Certificate(certificate);
  return now > (validFromDate.getTime() + validToDate.getTime()) / 2;
}

function isOfKey(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
