import { contentSecurityPolicy } from "./page-policy.ts";

/** Seconds after which a browser asks again whether the pages are built. */
const AGAIN_SEC = 2;

/** What stands in for the pages while there is no build of them: the one page that needs none of their files. */
export function waitingPage(failure: string | undefined): { html: string; policy: string } {
  const title = failure === undefined ? "The pages are being built" : "The pages could not be built";
  /** Markup. */
  const text =
    failure === undefined
      ? "This takes half a minute or more after an installation or a change, and then the page opens by itself. The API works already."
      : `${escapeHtml(failure.trim())} Standard error of <code>warren up</code> says why. The API works all the same.`;
  // A refresh by the markup goes to the address of the page, which does nothing when that has a fragment, as the link to the
  // first account does.
  const again =
    failure === undefined ? `<script>setTimeout(() => location.reload(), ${AGAIN_SEC * 1000})</script>` : "";
  const html = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">${again}<title>${title} · Warren</title></head>
<body><h1>${title}</h1><p>${text}</p><p>Its routes are described at <a href="/docs">/docs</a>.</p></body>
</html>
`;
  return { html, policy: contentSecurityPolicy(html) };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
