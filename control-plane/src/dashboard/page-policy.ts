import { createHash } from "node:crypto";

/**
 * What the pages may load: their own files only, no styles and scripts in elements or attributes but the scripts that
 * stand in the page itself, which are named by their hashes. What a script sets by CSSOM (`element.style`, adopted
 * style sheets) is free of it.
 */
export function contentSecurityPolicy(html: string): string {
  return [
    "default-src 'none'",
    `script-src ${["'self'", ...inlineScripts(html).map(hashSource)].join(" ")}`,
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "font-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join(";");
}

/** Texts of the scripts in a page that was built here, whose markup is known. */
function inlineScripts(html: string): string[] {
  return [...html.matchAll(/<script>([\s\S]*?)<\/script>/g)].map(([, text]) => text!);
}

function hashSource(text: string): string {
  return `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
}
