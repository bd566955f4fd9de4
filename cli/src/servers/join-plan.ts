import { isIPv6 } from "node:net";
import { ownCommand } from "../terminal/own-command.ts";
import { findControlPlane, type NamedControlPlane } from "./host-process.ts";
import { findAuthority, hasControlPlane, type JoinedHost, readHostCredentials, readJoinedHost } from "./joined-host.ts";

/** Port of host agents, unless they are told another one. */
const PORT = 7443;

/** What was said of the host that a machine is to be. */
export interface JoinWishes {
  dataDir: string;
  controlPlane?: string;
  /** A registration token that is to be used whether the host has registered or not. */
  token?: string | undefined;
  /** One that is used where it has not. */
  firstToken?: string | undefined;
  listen?: string;
  address?: string;
  caFile?: string;
}

/** How a host starts. */
export interface JoinPlan {
  controlPlane: NamedControlPlane;
  joined: JoinedHost;
  /** Absent: it shows the credentials that it has. */
  token?: string | undefined;
}

/** Decides how a host starts, by what was said and by what is known from before. Throws what is missing or does not go together. */
export async function planJoin(wishes: JoinWishes): Promise<JoinPlan> {
  const { dataDir, listen } = wishes;
  if (hasControlPlane(dataDir)) {
    throw new Error(
      `${dataDir} is the data directory of a control plane with its own host: name another one with --data-dir.`,
    );
  }
  const [known, registered] = [await readJoinedHost(dataDir), await readHostCredentials(dataDir)];
  const token = wishes.token ?? (registered ? undefined : wishes.firstToken);
  if (!registered && token === undefined) throw new Error(needsToken());
  const url = wishes.controlPlane ?? registered?.controlPlaneUrl;
  if (url === undefined)
    throw new Error("--control-plane must name the control plane that is to have this machine as a host.");
  const controlPlane = { url, caFile: wishes.caFile ?? findAuthority(dataDir) };
  if (token === undefined) {
    if (!known && !wishes.address)
      throw new Error("--address must say where the control plane reaches this host, which has registered before.");
    if (known && wishes.address && wishes.address !== known.address) {
      throw new Error(
        `The host has registered at ${known.address}. To be reached at another address it needs a registration token: ${tokenAdvice()}`,
      );
    }
    const address = wishes.address ?? known!.address;
    return { controlPlane, joined: { address, listen: listen ?? known?.listen ?? listenFor(address) } };
  }
  const found = await findControlPlane(controlPlane);
  if (registered && registered.controlPlaneUrl !== found.url) {
    throw new Error(
      `This machine is host ${registered.hostId} of ${registered.controlPlaneUrl}, and a host has one control plane: ` +
        `'${ownCommand()} host leave' has it leave that one.`,
    );
  }
  const address = wishes.address ?? known?.address ?? `${bracketed(found.address)}:${PORT}`;
  return {
    controlPlane: { ...controlPlane, url: found.url },
    joined: { address, listen: listen ?? known?.listen ?? listenFor(address) },
    token,
  };
}

/** How to come by a registration token. */
export function tokenAdvice(): string {
  return "'warren host create' at the control plane prints one for a new host, 'warren host token ID' one for a host that is pending or unreachable.";
}

function needsToken(): string {
  return `This machine is no host yet, and needs a registration token: ${tokenAdvice()} It is given by --token, --token - for standard input, or WARREN_HOST_TOKEN.`;
}

/** All addresses of the kind of an address, at its port. */
function listenFor(address: string): string {
  const port = address.slice(address.lastIndexOf(":") + 1);
  return address.startsWith("[") ? `[::]:${port}` : `0.0.0.0:${port}`;
}

function bracketed(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, "");
  return isIPv6(plain) ? `[${plain}]` : plain;
}
