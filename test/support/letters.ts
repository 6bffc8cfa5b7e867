// Letters as their recipients get them: the newest row of `letters` for an address and kind, with the link and the code
// that are derived from it, since neither is stored. For tests that read somebody's mail.

import { fromBase64 } from '../../src/crypto/encoding.ts'
import { importHmacKey } from '../../src/crypto/hash.ts'
import { type CodePurpose, deriveDigits, deriveLinkToken } from '../../src/crypto/one-time-code.ts'
import type { LetterKind } from '../../src/letters/outgoing.sql.ts'
import { query } from './database.ts'
import { testKeys } from './keys.ts'

export interface TestLetter {
  readonly id: string
  readonly status: 'due' | 'sent' | 'void' | 'failed'
  readonly codeId: string | null
  /** Of its link; empty where the letter carries none. */
  readonly linkToken: string
  /** The six digits; empty where the letter carries none. */
  readonly digits: string
}

const purposes: Partial<Record<LetterKind, CodePurpose>> = {
  registration: 'registration',
  password_reset: 'password_reset',
  email_change: 'email_change',
}

const codeKey = (): Promise<CryptoKey> =>
  importHmacKey(fromBase64(testKeys.CODE_PEPPER) ?? new Uint8Array(), 'gatepost/one-time-code')

/** All letters of this kind to this address, newest first. */
export async function lettersFor(email: string, kind: LetterKind): Promise<TestLetter[]> {
  const rows = await query<{ id: string; status: TestLetter['status']; code_id: string | null }>(
    `SELECT letter_id AS id, status_cd AS status, one_time_code_id AS code_id FROM letters
     WHERE recipient_txt = $1 AND kind_cd = $2 ORDER BY created_at_utc DESC, letter_id DESC`,
    [email, kind],
  )
  const key = await codeKey()
  const purpose = purposes[kind]
  return Promise.all(
    rows.map(async ({ id, status, code_id }) => ({
      id,
      status,
      codeId: code_id,
      linkToken: purpose === undefined || code_id === null ? '' : await deriveLinkToken(key, purpose, code_id),
      digits: purpose === undefined || code_id === null ? '' : await deriveDigits(key, purpose, code_id),
    })),
  )
}

/** The newest one; throws where there is none. */
export async function letterFor(email: string, kind: LetterKind): Promise<TestLetter> {
  const [letter] = await lettersFor(email, kind)
  if (letter === undefined) throw new Error(`no letter ${kind} to ${email}`)
  return letter
}
