/** How often something may be done: `burst` times at once, then `perMinute` times a minute. */
export interface Rate {
  burst: number;
  perMinute: number;
}

/** Limits of what anybody may try and of what users could abuse. The first of each is per network, see `networkOf`. */
export const RATES = {
  logIn: { network: { burst: 30, perMinute: 10 }, account: { burst: 20, perMinute: 1 } },
  signUp: { network: { burst: 10, perMinute: 1 }, account: { burst: 5, perMinute: 0.2 } },
  setUp: { network: { burst: 20, perMinute: 5 } },
  oauth: { network: { burst: 30, perMinute: 20 } },
  /** Changing a password takes the old one, so it is a way to guess it. */
  changePassword: { network: { burst: 20, perMinute: 5 }, account: { burst: 5, perMinute: 0.5 } },
  /** Each sends a mail. */
  verifyEmail: { account: { burst: 5, perMinute: 0.2 } },
  /** Sends a mail, in the name of whoever has an account; counted for each address, whether or not it has one. */
  resetPassword: { network: { burst: 10, perMinute: 1 }, account: { burst: 3, perMinute: 0.2 } },
  confirmReset: { network: { burst: 20, perMinute: 5 } },
  confirmEmail: { account: { burst: 20, perMinute: 5 } },
  switchTeam: { account: { burst: 60, perMinute: 30 } },
  createApiKey: { account: { burst: 60, perMinute: 10 } },
  registerHost: { network: { burst: 30, perMinute: 10 } },
  refreshHost: { network: { burst: 60, perMinute: 30 } },
  /** Signs of life, of which two a minute are due; each writes to the database. */
  heartbeat: { host: { burst: 20, perMinute: 12 } },
  /** Each has the server send a request at once, to an address of the caller's choice. */
  sendToWebhook: { account: { burst: 20, perMinute: 10 } },
  createTeam: { account: { burst: 20, perMinute: 1 } },
  /** A type-ahead asks once per pause in typing. */
  searchUsers: { account: { burst: 30, perMinute: 60 } },
  /** Tells whether an address has an account. */
  addMember: { account: { burst: 30, perMinute: 10 } },
} as const satisfies Record<string, { network?: Rate; account?: Rate; host?: Rate }>;
