/**
 * The token that a link has behind its `#`, where no server and no log sees it. It is taken out of the address, so that it
 * is not in the history either.
 */
export function takeToken(): string | undefined {
  const token = new URLSearchParams(location.hash.slice(1)).get("token") ?? undefined;
  if (token !== undefined) history.replaceState(history.state, "", location.pathname + location.search);
  return token === "" ? undefined : token;
}
