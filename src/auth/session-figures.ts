// Lifetimes of sessions and their tokens (DESIGN section 3). Session ages stand in db/caller.ts, beside the statement that judges them.

/** Our JWT, in seconds. */
export const accessTokenSeconds = 30 * 60
/** A refresh token, from its making. */
export const refreshTokenDays = 7
/** How long a lost answer to a rotation may be asked for again, while its successor is unused. */
export const rotationGraceSeconds = 10
/** Browser cookie of our own pages: the session inside ends sooner when unused. */
export const cookieSessionSeconds = 30 * 24 * 60 * 60
/** How fresh the proof of presence must be for what is marked so. */
export const stepUpMinutes = 15
