// For tests of sync: mailboxes of one person, syncs on demand and message by message of the queue, and what is stored
// beside what the local Google has.
import { parseKeyRing } from '../../src/crypto/seal.ts'
import { sealTokens } from '../../src/mail-accounts/vault.ts'
import { call, clientId, gmail, google, newPerson } from './app.ts'
import { query } from './database.ts'
import { testKeys } from './keys.ts'
import { consume, heldQueue } from './vault.ts'

export interface Box {
  bearer: string
  userId: string
  id: string
  email: string
}

export interface Synced {
  fetched: number
  inserted: number
  updated: number
  deleted: number
  has_more: boolean
}

export interface SyncRecordJson {
  state: string
  kind: string | null
  counted: number
  total: number | null
  eta_seconds: number | null
  last_error: string | null
  last_synced_at: string | null
  started_at: string | null
  finished_at: string | null
  skipped: number
  relisted: { count: number; at: string; added: number; deleted: number } | null
}

let owner: Promise<{ access_token: string; userId: string }> | null = null
let boxes = 0

/**
 * A connected mailbox of its own for each call, all of one person who signs in once a file: a dance each would be most of
 * the time.
 */
export async function newBox(scopes: readonly string[] = [gmail.read, gmail.send]): Promise<Box> {
  owner ??= newPerson('owner@gmail.com', { query: { scopes: 'identity' } })
  const { access_token: bearer, userId } = await owner
  boxes += 1
  const email = `box${boxes}@gmail.com`
  return { bearer, userId, email, id: await connectMailbox(userId, email, scopes) }
}

/** Connects a mailbox without a dance, its tokens live at the local Google. Its id. */
export async function connectMailbox(
  userId: string,
  email: string,
  scopes: readonly string[] = [gmail.read, gmail.send],
): Promise<string> {
  const [minted] = await google.mint({ email, client_id: clientId, scopes: [gmail.read, gmail.send] })
  if (minted === undefined) throw new Error('no token was minted')
  const { sub, access_token: accessToken, refresh_token: refreshToken } = minted
  const id = crypto.randomUUID()
  const ring = await parseKeyRing(testKeys.TOKEN_ENCRYPTION_KEYS)
  const sealed = await sealTokens(ring, { accountId: id, userId }, { accessToken, refreshToken })
  await query(
    `WITH account AS (
      INSERT INTO user_mail_accounts (user_mail_account_id, user_id, email_address_txt, provider_cd, provider_subject_txt, granted_scopes_txt)
      VALUES ($1, $2, $3, 'google', $4, $5)
    )
    INSERT INTO oauth_tokens (user_mail_account_id, access_token_txt, refresh_token_txt, expires_at_utc, client_id_txt)
    VALUES ($1, $6, $7, now() + interval '1 hour', $8)`,
    [id, userId, email, sub, scopes.join(' '), sealed.accessToken, sealed.refreshToken, clientId],
  )
  return id
}

/** POST /emails/sync. */
export function sync(
  box: Pick<Box, 'bearer' | 'email'>,
  body: Record<string, unknown> = {},
  options: Omit<Parameters<typeof call>[1] & object, 'json'> = {},
): Promise<Response> {
  return call('/emails/sync', { bearer: box.bearer, json: { email: box.email, ...body }, ...options })
}

/**
 * Delivers a mailbox's message and those that it sends, one after another, `most` at most. How many there were.
 */
export async function drain(id: string, overrides: Record<string, unknown> = {}, most = 40): Promise<number> {
  const queue = heldQueue()
  queue.bodies.push({ kind: 'sync', mail_account_id: id })
  let delivered = 0
  for (let body = queue.bodies.shift(); body !== undefined && delivered < most; body = queue.bodies.shift()) {
    delivered += 1
    if (!(await consume(body, { SYNC_QUEUE: queue, ...overrides }))) throw new Error('the message is to be retried')
  }
  return delivered
}

/** Message → its labels, as the search has them, too: a message that is found by others than its own fails at once. */
export async function storedMail(id: string): Promise<Record<string, string>> {
  const rows = await query<{ id: string; labels: string; found: string; unread: boolean }>(
    `SELECT provider_message_id_txt AS id, array_to_string(label_ids_txt, ' ') AS labels, is_unread_flg AS unread,
      (SELECT coalesce(string_agg(substr(lexeme, 4), ' ' ORDER BY lexeme COLLATE "C"), '') FROM unnest(search_tsv) WHERE lexeme LIKE ':l:%') AS found
     FROM emails WHERE user_mail_account_id = $1`,
    [id],
  )
  for (const row of rows)
    if (row.labels !== row.found || row.unread !== row.labels.split(' ').includes('UNREAD'))
      throw new Error(`message ${row.id} has ${row.labels} and is found by ${row.found}`)
  return Object.fromEntries(rows.map((row) => [row.id, row.labels]))
}

/** The same of the local Google; `newest` only so many. */
export async function googleMail(email: string, newest = Number.POSITIVE_INFINITY): Promise<Record<string, string>> {
  const { messages } = await google.mailState(email)
  const shown = messages.slice(0, newest)
  return Object.fromEntries(shown.map(({ id, labelIds }) => [id, [...new Set(labelIds)].sort().join(' ')]))
}
