/** Who makes a request: the result of authentication, and the actor of what the request does. */
export type Caller = ApiKeyCaller;

/** A program that holds an API key of a team. */
export interface ApiKeyCaller {
  kind: "api_key";
  /** UUID of the team on whose behalf the caller acts. */
  teamId: string;
  /** UUID of the API key. */
  keyId: string;
  keyName: string;
}
