// The paths that are measured, as requests: what a front end, a browser or a backend would send, prepared so far that
// only the path itself is in the measurement.
import { randomBytes } from 'node:crypto'
import { httpRequest, load, type Shooter, type Shot } from './load.ts'
import { expireTokens, type Person, type SignedIn } from './seed.ts'
import type { World } from './world.ts'

export interface Callers {
  readonly people: readonly Person[]
  readonly signedIn: readonly SignedIn[]
  readonly serviceKey: string
}

const get = (path: string, bearer?: string): string =>
  httpRequest({ path, headers: bearer === undefined ? {} : { Authorization: `Bearer ${bearer}` } })

/** Takes one after the other, from the beginning again at the end. */
export function inTurn(requests: readonly string[], expect: number): Shooter {
  let at = 0
  return () => ({ request: requests[at++ % requests.length] ?? '', expect })
}

/** Takes each once. */
export function onceEach(shots: readonly Shot[]): Shooter {
  let at = 0
  return () => shots[at++] ?? null
}

export const controlShooter = (): Shooter => inTurn([get('/')], 200)

export const controlByIdShooter = ({ people }: Callers): Shooter =>
  inTurn(
    people.slice(0, 500).map(({ userId }) => get(`/${userId}`)),
    200,
  )

export const loginShooter = (): Shooter => inTurn([get('/auth/google/login')], 302)

export const startShooter = (): Shooter => inTurn([get('/auth/google/start')], 200)

export const connectStartShooter = ({ signedIn }: Callers): Shooter =>
  inTurn(
    signedIn.map(({ bearer }) => get('/auth/google/start?purpose=connect', bearer)),
    200,
  )

export const meShooter = ({ signedIn }: Callers): Shooter =>
  inTurn(
    signedIn.map(({ bearer }) => get('/auth/me', bearer)),
    200,
  )

export const listShooter = ({ signedIn }: Callers): Shooter =>
  inTurn(
    signedIn.map(({ bearer }) => get('/api/v1/mail-accounts', bearer)),
    200,
  )

/** Each lane goes on with its own chain of refresh tokens. */
export function sessionRefreshShooter({ signedIn }: Callers): Shooter {
  return (lane) => {
    const person = signedIn[lane]
    if (person === undefined) throw new Error('more lanes than signed-in people')
    return {
      request: httpRequest({ method: 'POST', path: '/auth/refresh', json: { refresh_token: person.refreshToken } }),
      expect: 200,
      take: ({ body }) => {
        person.refreshToken = (JSON.parse(body) as { refresh_token: string }).refresh_token
      },
    }
  }
}

function vendRequest(serviceKey: string, { accountId }: Person): string {
  const path = `/api/v1/mail-accounts/${accountId}/access-token`
  return httpRequest({ method: 'POST', path, headers: { Authorization: `Bearer ${serviceKey}` }, json: {} })
}

export const vendFreshShooter = ({ people, serviceKey }: Callers): Shooter =>
  inTurn(
    people.slice(0, 500).map((person) => vendRequest(serviceKey, person)),
    200,
  )

/** Lets `count` tokens expire and asks for each of them once. */
export async function vendExpiredShooter(world: World, callers: Callers, count: number): Promise<Shooter> {
  const people = callers.people.slice(-count)
  await expireTokens(world.sql, people)
  return onceEach(people.map((person) => ({ request: vendRequest(callers.serviceKey, person), expect: 200 })))
}

/**
 * Begins `count` flows at this process and lets the provider know their codes: what is left is the callback. Returning
 * people, each in one flow; `newcomers` are people nobody has seen. Hand-off codes are put into `handOffs`.
 */
export async function callbackShooter(
  world: World,
  port: number,
  who: { readonly people: readonly Person[] } | { readonly newcomers: number },
  handOffs: string[],
): Promise<Shooter> {
  const people = 'people' in who ? who.people : Array.from({ length: who.newcomers }, newcomer)
  const started: { state: string; nonce: string }[] = []
  const start = httpRequest({ path: '/auth/google/start' })
  let asked = 0
  const begin: Shooter = () =>
    asked++ >= people.length
      ? null
      : {
          request: start,
          expect: 200,
          take: ({ body }) => {
            const { url, state } = JSON.parse(body) as { url: string; state: string }
            started.push({ state, nonce: new URL(url).searchParams.get('nonce') ?? '' })
          },
        }
  await load(port, begin, { lanes: 8 })
  const now = Math.floor(Date.now() / 1_000)
  const codes = people.map((person, index): [string, string] => {
    const claims = { sub: person.subject, email: person.email, email_verified: true, name: 'Person of the bench' }
    const nonce = started[index]?.nonce ?? ''
    return [randomBytes(24).toString('base64url'), world.signIdToken({ ...claims, nonce, iat: now, exp: now + 3_600 })]
  })
  await world.services.addCodes(codes)
  return onceEach(
    codes.map(([code], index) => ({
      request: get(`/auth/google/callback?code=${code}&state=${started[index]?.state ?? ''}`),
      expect: 302,
      take: ({ head }) => {
        const handOff = /\r\nlocation: [^\r]*[?&]state=([^&\r]+)/i.exec(head)?.[1]
        if (handOff === undefined) throw new Error(`the callback went elsewhere: ${head}`)
        handOffs.push(handOff)
      },
    })),
  )
}

function newcomer(): Pick<Person, 'subject' | 'email'> & Person {
  const name = randomBytes(8).toString('hex')
  return { userId: '', accountId: '', subject: `9${name}`, email: `${name}@gmail.com` }
}

/** Redeems each hand-off code once. */
export const handOffShooter = (handOffs: readonly string[]): Shooter =>
  onceEach(
    handOffs.map((state) => ({
      request: httpRequest({ method: 'POST', path: '/auth/token', json: { state } }),
      expect: 200,
    })),
  )
