// The provider's permissions that sending needs. Pure.

/** Without it nothing is taken in. */
export const sendScope = 'https://www.googleapis.com/auth/gmail.send'
/** Without it a message whose sending ended unclear cannot be looked up. */
export const readScope = 'https://www.googleapis.com/auth/gmail.readonly'
