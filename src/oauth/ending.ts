// What a completed flow leaves behind beside the grant: a session of our pages, a hand-off code, or nothing more.

import { type NewSessionParams, noSession, replaces } from '../auth/new-session.sql.ts'
import type { EndingParams, HandOffParams } from './complete.sql.ts'

/** What shall exist once the grant is stored. */
export interface Ending {
  readonly session: NewSessionParams
  readonly handOff: HandOffParams
  readonly ends: EndingParams
}

export const noHandOff: HandOffParams = { handOffId: null, handOffHash: null, handOffChallenge: null }
export const endsNothing: EndingParams = { ...replaces(null), waitingId: null }
export const nothingMore: Ending = { session: noSession, handOff: noHandOff, ends: endsNothing }
