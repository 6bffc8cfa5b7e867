// The one password of everybody in the bench, and its hash: made once for all, as DESIGN 6.6 says, so that storing
// accounts hashes nothing. It is part of a control's bundle as well, so it imports nothing.

export const benchPassword = 'a bench of oak, five feet long'

/** argon2id, m=19456, t=2, p=1, of `benchPassword` under a fixed salt. */
export const benchPasswordHash =
  '$argon2id$v=19$m=19456,t=2,p=1$Z2F0ZXBvc3QvYmVuY2gvLw$WngU2kV036lui7uF8ehzTa481gvXS4bllh5MjMOjGn8'
