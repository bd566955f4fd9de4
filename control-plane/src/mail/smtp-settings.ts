/** The mail server that takes mails of this server, and who they are from. */
export interface SmtpSettings {
  /** `smtp://USER:PASSWORD@HOST:PORT`, or `smtps://` for TLS from the first byte. */
  url: string;
  /** Address, or `Name <address>`. */
  from: string;
}

/** Reads one setting; a parser that throws makes the setting a reported problem. */
type Read = <T>(name: string, parse: (text: string) => T) => T | undefined;

/** Reads the settings `SMTP_…`; what is missing beside others is reported. */
export function readSmtpSettings(
  read: Read,
  publicUrl: string | undefined,
  problems: string[],
): SmtpSettings | undefined {
  const url = read("SMTP_URL", parseSmtpUrl);
  const from = read("SMTP_FROM", (text) => text);
  if (url === undefined && from === undefined) return undefined;
  if (publicUrl === undefined) problems.push("CP_PUBLIC_URL: required when SMTP is configured, since mails link to it");
  if (url !== undefined && from !== undefined) return { url, from };
  problems.push("SMTP_URL and SMTP_FROM: both are needed, or neither");
  return undefined;
}

function parseSmtpUrl(text: string): string {
  const url = URL.parse(text);
  if (!url || !["smtp:", "smtps:"].includes(url.protocol) || !url.hostname) {
    throw new Error("must be smtp://HOST:PORT or smtps://HOST:PORT, with USER:PASSWORD@ before the host if need be");
  }
  return text;
}
