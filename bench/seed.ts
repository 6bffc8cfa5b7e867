// Stored accounts as production has them: a user with a password, an identity, a mailbox and its tokens in real envelopes each (keys are
// derived a row, so every row is sealed for itself), and for the first of them a session to call with.
import type postgres from 'postgres'
import { sha256 } from '../src/crypto/hash.ts'
import { parseSigningKeys, signAccessToken } from '../src/crypto/jwt.ts'
import { randomToken, uuidV7 } from '../src/crypto/random.ts'
import { type KeyRing, parseKeyRing } from '../src/crypto/seal.ts'
import { sealTokens } from '../src/mail-accounts/vault.ts'
import { benchPasswordHash } from './password.ts'
import { fakeAccessToken, fakeRefreshToken, mailScopes } from './provider.ts'
import { appUrl, clientId, type World } from './world.ts'

export interface Person {
  readonly userId: string
  readonly accountId: string
  readonly subject: string
  readonly email: string
}

export interface SignedIn extends Person {
  readonly bearer: string
  /** The newest of its chain; moves on with every rotation. */
  refreshToken: string
}

const batchSize = 1_000

/** Adds accounts number `from` up to `to`. Their tokens are fresh, and not due for the better part of an hour. */
export async function seedAccounts(world: World, from: number, to: number): Promise<Person[]> {
  const ring = await parseKeyRing(world.keys.TOKEN_ENCRYPTION_KEYS)
  const people: Person[] = []
  for (let start = from; start < to; start += batchSize) {
    const size = Math.min(batchSize, to - start)
    const batch = Array.from({ length: size }, (_, index) => newPerson(start + index))
    await insertBatch(world.sql, ring, batch)
    people.push(...batch)
  }
  await world.sql`VACUUM ANALYZE`
  return people
}

function newPerson(number: number): Person {
  const now = new Date()
  return {
    userId: uuidV7(now),
    accountId: uuidV7(now),
    subject: `1${String(number).padStart(20, '0')}`,
    email: `person${number}@gmail.com`,
  }
}

async function insertBatch(sql: postgres.Sql, ring: KeyRing, batch: readonly Person[]): Promise<void> {
  const sealed = await Promise.all(
    batch.map((person) =>
      sealTokens(ring, person, {
        accessToken: fakeAccessToken(person.subject),
        refreshToken: fakeRefreshToken(person.subject),
      }),
    ),
  )
  const users = batch.map(({ userId }) => userId)
  const accounts = batch.map(({ accountId }) => accountId)
  const emails = batch.map(({ email }) => email)
  const subjects = batch.map(({ subject }) => subject)
  await sql`INSERT INTO users (user_id, email_address_txt, full_name_txt, password_hash_txt, email_verified_at_utc, email_proof_cd)
    SELECT id, email, 'Person of the bench', ${benchPasswordHash}, now(), 'google' FROM unnest(${users}::uuid[], ${emails}::text[]) AS t(id, email)`
  await sql`INSERT INTO user_identities (user_id, provider_cd, provider_subject_txt, email_address_txt)
    SELECT id, 'google', subject, email FROM unnest(${users}::uuid[], ${subjects}::text[], ${emails}::text[]) AS t(id, subject, email)`
  await sql`INSERT INTO user_mail_accounts (user_mail_account_id, user_id, email_address_txt, provider_cd, provider_subject_txt, granted_scopes_txt)
    SELECT account, id, email, 'google', subject, ${mailScopes}
    FROM unnest(${accounts}::uuid[], ${users}::uuid[], ${emails}::text[], ${subjects}::text[]) AS t(account, id, email, subject)`
  await sql`INSERT INTO oauth_tokens (user_mail_account_id, access_token_txt, refresh_token_txt, expires_at_utc, refresh_due_at_utc, client_id_txt, last_refreshed_at_utc)
    SELECT account, access, refresh, now() + interval '60 minutes', now() + interval '40 minutes' + random() * interval '10 minutes', ${clientId}, now() - interval '10 minutes'
    FROM unnest(${accounts}::uuid[], ${sealed.map((one) => one.accessToken)}::text[], ${sealed.map((one) => one.refreshToken ?? '')}::text[]) AS t(account, access, refresh)`
}

/** Signs people in: a session, an access token and a refresh token each. */
export async function signIn(world: World, people: readonly Person[]): Promise<SignedIn[]> {
  const signingKeys = await parseSigningKeys(world.keys.JWT_SIGNING_KEYS)
  return Promise.all(
    people.map(async (person) => {
      const sessionId = uuidV7(new Date())
      const refreshToken = `gpr_${randomToken()}`
      const { userId } = person
      await world.sql`INSERT INTO sessions (session_id, user_id, credential_version_nbr, authenticated_at_utc, last_seen_at_utc) VALUES (${sessionId}, ${userId}, 1, now(), now())`
      await world.sql`INSERT INTO refresh_tokens (token_hash_txt, session_id, expires_at_utc) VALUES (${await sha256(refreshToken)}, ${sessionId}, now() + interval '7 days')`
      const bearer = await signAccessToken(
        signingKeys,
        { userId, sessionId },
        { issuer: appUrl, now: new Date(), ttlSeconds: 3_600 },
      )
      return { ...person, bearer, refreshToken }
    }),
  )
}

/** A service key that may hand out tokens of every mailbox. */
export async function newServiceKey(world: World): Promise<string> {
  const key = `gp_${randomToken()}`
  await world.sql`INSERT INTO api_keys (name_txt, key_hash_txt, key_hint_txt, permissions_txt)
    VALUES ('bench', ${await sha256(key)}, ${key.slice(0, 7)}, ${['tokens:vend', 'mail_accounts:read']})`
  return key
}

/** Makes this many tokens due, spread over the whole table; everything else is not due for a long time. */
export async function makeDue(sql: postgres.Sql, count: number): Promise<void> {
  await sql`UPDATE oauth_tokens SET refresh_due_at_utc = now() - interval '1 minute' * random() - interval '1 second', lease_id = NULL, lease_until_utc = NULL
    WHERE oauth_token_id IN (SELECT oauth_token_id FROM oauth_tokens ORDER BY random() LIMIT ${count})`
}

/** Lets these accounts' access tokens expire, so that the next hand-out has to refresh them. */
export async function expireTokens(sql: postgres.Sql, people: readonly Person[]): Promise<void> {
  await sql`UPDATE oauth_tokens SET expires_at_utc = now() - interval '1 minute', last_refreshed_at_utc = now() - interval '1 hour',
      lease_id = NULL, lease_until_utc = NULL, failure_cnt = 0
    WHERE user_mail_account_id = ANY(${people.map(({ accountId }) => accountId)}::uuid[])`
}

/** Says of all letters that they were sent: what a cron tick finds to do is then what its measurement made due. */
export async function settleLetters(sql: postgres.Sql): Promise<void> {
  await sql`UPDATE letters SET status_cd = 'sent', sent_at_utc = now() WHERE status_cd = 'due'`
}
