/** The administrator of a platform that tests start with `ADMIN_SETTINGS` in its control plane's environment. */
const ADMIN = { email: "admin@example.org", password: "the password of the admin" };
export const ADMIN_SETTINGS = { WARREN_ADMIN_EMAIL: ADMIN.email, WARREN_ADMIN_PASSWORD: ADMIN.password };

/** Calls a route of the control plane at `url` as that administrator; throws its answer when it refuses. */
export async function callAsAdmin<T>(url: string, method: string, path: string, body?: object): Promise<T> {
  const send = (route: string, how: string, content: object | undefined, headers: Record<string, string>) =>
    fetch(`${url}${route}`, {
      method: how,
      headers: { ...(content && { "content-type": "application/json" }), ...headers },
      ...(content && { body: JSON.stringify(content) }),
    });
  const session = await send("/v1/auth/login", "POST", ADMIN, {});
  const { token } = (await session.json()) as { token: string };
  const response = await send(path, method, body, { authorization: `Bearer ${token}` });
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}
