// The paths of passwords and letters, as requests. Which people take part in which is said here, once: whoever tried a
// wrong password or was given a new one is of no use to the others.
import { randomBytes } from 'node:crypto'
import { fromBase64 } from '../src/crypto/encoding.ts'
import { importHmacKey } from '../src/crypto/hash.ts'
import { deriveDigits } from '../src/crypto/one-time-code.ts'
import { httpRequest, load, type Shooter } from './load.ts'
import { benchPassword } from './password.ts'
import { type Callers, inTurn, onceEach } from './paths.ts'
import type { Person } from './seed.ts'
import type { World } from './world.ts'

// Of the stored people, by number. The first 200 are signed in and step up; callback returns those from 1,000 on.
const whoSignsIn = [500, 700] as const
const whoForgets = [700, 750] as const
const whoResets = [750, 800] as const
/** Everybody from here on may be tried with a wrong password: a name is locked after five, so each has few of them. */
const firstTried = 1_000

const post = (path: string, json: unknown, bearer?: string): string =>
  httpRequest({
    method: 'POST',
    path,
    json,
    ...(bearer === undefined ? {} : { headers: { Authorization: `Bearer ${bearer}` } }),
  })

const login = (email: string, password: string): string => post('/auth/login', { email, password })

const freshAddress = (): string => `${randomBytes(8).toString('hex')}@example.com`

/** The right password of more people than there are lanes, so that no two sign in by one name at once. */
export const passwordLoginShooter = ({ people }: Callers): Shooter =>
  inTurn(
    people.slice(...whoSignsIn).map(({ email }) => login(email, benchPassword)),
    200,
  )

/** Everybody in turn, over all shooters that were given it. */
export function wrongTries({ people }: Callers): () => Person {
  let at = firstTried
  return () => {
    const person = people[at++]
    if (person === undefined) throw new Error('more wrong passwords than stored people')
    return person
  }
}

export const wrongPasswordShooter = (next: () => Person): Shooter => {
  return () => ({ request: login(next().email, 'another bench, of beech'), expect: 401 })
}

/** Names of nobody, each once. */
export const unknownNameShooter = (): Shooter => {
  return () => ({ request: login(freshAddress(), benchPassword), expect: 401 })
}

export const registerShooter = (): Shooter => {
  return () => ({ request: post('/auth/register', { email: freshAddress(), password: benchPassword }), expect: 201 })
}

export const stepUpShooter = ({ signedIn }: Callers): Shooter =>
  inTurn(
    signedIn.map(({ bearer }) => post('/auth/step-up', { password: benchPassword }, bearer)),
    204,
  )

/** One letter each. */
export const forgotShooter = ({ people }: Callers): Shooter =>
  onceEach(people.slice(...whoForgets).map(({ email }) => ({ request: forgot(email), expect: 202 })))

const forgot = (email: string): string => post('/auth/forgot-password', { email })

/** Asks for the letters first and derives their digits: what is left is the reset. */
export async function resetShooter(world: World, port: number, { people }: Callers): Promise<Shooter> {
  const owners = people.slice(...whoResets)
  await load(port, onceEach(owners.map(({ email }) => ({ request: forgot(email), expect: 202 }))), { lanes: 4 })
  const pepper = fromBase64(world.keys.CODE_PEPPER)
  if (pepper === null) throw new Error('the pepper is base64')
  // As src/deps.ts derives it.
  const key = await importHmacKey(pepper, 'gatepost/one-time-code')
  const rows = await world.sql<{ id: string; email: string }[]>`
    SELECT c.one_time_code_id AS id, u.email_address_txt AS email FROM one_time_codes c JOIN users u USING (user_id)
    WHERE c.purpose_cd = 'password_reset' AND c.consumed_at_utc IS NULL AND u.user_id = ANY(${owners.map(({ userId }) => userId)}::uuid[])`
  const shots = rows.map(async ({ id, email }) => {
    const otp = await deriveDigits(key, 'password_reset', id)
    const json = { email, otp, new_password: 'a new bench, of ash wood' }
    return { request: post('/auth/reset-password', json), expect: 200 }
  })
  return onceEach(await Promise.all(shots))
}
