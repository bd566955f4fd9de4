import { OAUTH_PROVIDER } from "@warren/contracts/identifiers";
import { GitHubProvider, type GitHubSettings } from "./github-provider.ts";
import type { OAuthProvider } from "./oauth-provider.ts";
import { OidcProvider, type OidcSettings } from "./oidc-provider.ts";

/** Sign-in through providers. */
export interface OAuthSettings {
  github?: GitHubSettings;
  oidc?: OidcSettings;
  /** Address of the dashboard, when it is not the public address of this server. */
  dashboardUrl?: string;
}

/** Reads one setting; a parser that throws makes the setting a reported problem. */
type Read = <T>(name: string, parse: (text: string) => T) => T | undefined;

const text = (value: string) => value;

/** Reads the settings `OAUTH_…`; what is missing beside others is reported. */
export function readOAuthSettings(read: Read, publicUrl: string | undefined, problems: string[]): OAuthSettings {
  const github = readGitHub(read, problems);
  const oidc = readOidc(read, problems);
  const dashboardUrl = read("OAUTH_REDIRECT_URL", parseDashboardUrl);
  if ((github || oidc) && publicUrl === undefined) {
    problems.push(
      "CP_PUBLIC_URL: required when sign-in through a provider is configured, since providers send browsers there",
    );
  }
  return {
    ...(github ? { github } : {}),
    ...(oidc ? { oidc } : {}),
    ...(dashboardUrl === undefined ? {} : { dashboardUrl }),
  };
}

/** The providers of the settings by name. */
export function createProviders(settings: OAuthSettings): Map<string, OAuthProvider> {
  const providers: OAuthProvider[] = [];
  if (settings.github) providers.push(new GitHubProvider(settings.github));
  if (settings.oidc) providers.push(new OidcProvider(settings.oidc));
  return new Map(providers.map((provider) => [provider.name, provider]));
}

function readGitHub(read: Read, problems: string[]): GitHubSettings | undefined {
  const clientId = read("OAUTH_GITHUB_CLIENT_ID", text);
  const clientSecret = read("OAUTH_GITHUB_CLIENT_SECRET", text);
  const baseUrl = read("OAUTH_GITHUB_BASE_URL", parseProviderUrl);
  if (clientId !== undefined && clientSecret !== undefined) {
    return { clientId, clientSecret, ...(baseUrl === undefined ? {} : { baseUrl }) };
  }
  if (clientId !== undefined || clientSecret !== undefined || baseUrl !== undefined) {
    problems.push("OAUTH_GITHUB_CLIENT_ID and OAUTH_GITHUB_CLIENT_SECRET: both are needed, or neither");
  }
  return undefined;
}

function readOidc(read: Read, problems: string[]): OidcSettings | undefined {
  const issuer = read("OAUTH_OIDC_ISSUER", parseProviderUrl);
  const clientId = read("OAUTH_OIDC_CLIENT_ID", text);
  const clientSecret = read("OAUTH_OIDC_CLIENT_SECRET", text);
  const name = read("OAUTH_OIDC_NAME", parseProviderName) ?? "oidc";
  const label = read("OAUTH_OIDC_LABEL", text) ?? "Single sign-on";
  const given = [issuer, clientId, clientSecret].filter((setting) => setting !== undefined).length;
  if (issuer !== undefined && clientId !== undefined && clientSecret !== undefined) {
    return { name, label, issuer, clientId, clientSecret };
  }
  if (given > 0) {
    problems.push("OAUTH_OIDC_ISSUER, OAUTH_OIDC_CLIENT_ID and OAUTH_OIDC_CLIENT_SECRET: all are needed, or none");
  }
  return undefined;
}

function parseProviderName(name: string): string {
  if (!OAUTH_PROVIDER.test(name) || name === "github") {
    throw new Error(`"${name}" is not a name of lower-case letters, digits and dashes, or it is taken`);
  }
  return name;
}

/** Checks that secrets do not travel in clear, except within this machine. */
function parseProviderUrl(value: string): string {
  const url = URL.parse(value);
  const loopback = url && ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
  if (!url || !(url.protocol === "https:" || (url.protocol === "http:" && loopback)) || url.search || url.hash) {
    throw new Error(`"${value}" is not a URL that starts with https:// (http:// is accepted on loopback only)`);
  }
  return url.href.replace(/\/+$/, "");
}

function parseDashboardUrl(value: string): string {
  const url = URL.parse(value);
  if (!url || !["http:", "https:"].includes(url.protocol) || url.search || url.hash) {
    throw new Error(`"${value}" is not a URL that starts with http:// or https://`);
  }
  return url.href.replace(/\/+$/, "");
}
