/** A mail in plain text. Nothing of it but the address itself was chosen by a user. */
export interface Mail {
  subject: string;
  text: string;
}

/** Asks whoever has made an account to show that its address is theirs. Addresses of servers have no slash at the end. */
export function verificationMail(email: string, publicUrl: string, token: string): Mail {
  return {
    subject: "Confirm your e-mail address",
    text: lines(
      `Somebody has made an account with the address ${email} at ${publicUrl}.`,
      "",
      "If that was you, open this link in a browser that is signed in to the account:",
      "",
      `${publicUrl}/v1/me/email/confirm?token=${token}`,
      "",
      "It is valid for a day and can be used once. If it was not you, ignore this mail: without it, nobody can show that",
      "the account's address is theirs.",
    ),
  };
}

/** Lets whoever has an account set a new password. The token is in the fragment, which browsers send to no server. */
export function passwordResetMail(email: string, dashboardUrl: string, token: string, minutes: number): Mail {
  return {
    subject: "Set a new password",
    text: lines(
      `Somebody has asked for a new password of the account ${email} at ${dashboardUrl}.`,
      "",
      "If that was you, open this link and choose one:",
      "",
      `${dashboardUrl}/reset#token=${token}`,
      "",
      `It is valid for ${minutes} minutes and can be used once; it ends all sessions of the account. If it was not you,`,
      "ignore this mail: the password stays what it is.",
    ),
  };
}

function lines(...text: string[]): string {
  return [...text, ""].join("\n");
}
