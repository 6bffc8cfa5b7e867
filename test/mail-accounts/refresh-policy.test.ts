// What a provider's answer means, as a table: pure, so every corner is tried with a fixed clock and every chance.
import { describe, expect, it } from 'vitest'
import {
  circuitOpenSeconds,
  judgeAnswer,
  judgeUnasked,
  type LeasedState,
  nextAttemptAt,
  nextRefreshAt,
} from '../../src/mail-accounts/refresh-policy.ts'
import { type ProviderFailureKind, providerFailure } from '../../src/providers/failure.ts'
import type { Grant } from '../../src/providers/provider.ts'
import { readTokenAnswer } from '../../src/providers/token-request.ts'

const now = new Date('2026-08-01T12:00:00.000Z')
const later = (seconds: number): Date => new Date(now.getTime() + seconds * 1_000)
const secondsFromNow = (date: Date): number => (date.getTime() - now.getTime()) / 1_000
const chances = [0, 0.25, 0.5, 0.999_999]

function grant(changes: Partial<Grant> = {}): Grant {
  return {
    accessToken: 'a',
    expiresAt: later(3_600),
    refreshToken: null,
    refreshTokenExpiresAt: null,
    scopes: null,
    idToken: null,
    ...changes,
  }
}

const row = { failureCount: 0, refreshTokenExpiresAt: null }

describe('when to refresh next', () => {
  it.each(chances)('is 10 to 15 minutes ahead of an hour’s token (chance %d)', (chance) => {
    const ahead = 3_600 - secondsFromNow(nextRefreshAt(now, later(3_600), null, chance))
    expect(ahead).toBeGreaterThanOrEqual(600)
    expect(ahead).toBeLessThanOrEqual(900)
  })

  it('spreads a thousand tokens of one minute over five', () => {
    const dues = Array.from({ length: 1_000 }, (_, index) => nextRefreshAt(now, later(3_600), null, index / 1_000))
    expect(new Set(dues.map((due) => due.getTime())).size).toBe(1_000)
  })

  it('RF-24 never asks for a short-lived token twice within a minute, whatever its life', () => {
    for (const life of [1, 30, 59, 60, 61, 79, 80, 300]) {
      for (const chance of chances)
        expect(secondsFromNow(nextRefreshAt(now, later(life), null, chance))).toBeGreaterThanOrEqual(60)
    }
    expect(secondsFromNow(nextRefreshAt(now, later(300), null, 0.5))).toBe(225)
  })

  it('RF-08 looks at a grant that ends by itself when it ends', () => {
    expect(nextRefreshAt(now, later(3_600), later(1_200), 0.5)).toEqual(later(1_200))
    expect(nextRefreshAt(now, later(3_600), later(86_400), 0)).toEqual(later(3_000))
    expect(nextRefreshAt(now, later(3_600), later(-10), 0)).toEqual(now)
  })
})

describe('when to try again', () => {
  it.each([
    [0, 30],
    [1, 60],
    [2, 120],
    [6, 1_920],
    [7, 3_600],
    [50, 3_600],
    [1_000_000, 3_600],
  ])('after %d failures waits 50 to 100 %% of %d s', (failures, most) => {
    expect(secondsFromNow(nextAttemptAt(now, failures, null, 0))).toBe(most / 2)
    expect(secondsFromNow(nextAttemptAt(now, failures, null, 1))).toBe(most)
    for (const chance of chances) {
      const wait = secondsFromNow(nextAttemptAt(now, failures, null, chance))
      expect(wait).toBeGreaterThanOrEqual(most / 2)
      expect(wait).toBeLessThanOrEqual(most)
    }
  })

  it.each(chances)('RF-04 never before what the provider asked for, and not all at once (chance %d)', (chance) => {
    const wait = secondsFromNow(nextAttemptAt(now, 0, 120, chance))
    expect(wait).toBeGreaterThanOrEqual(120)
    expect(wait).toBeLessThanOrEqual(132)
    expect(secondsFromNow(nextAttemptAt(now, 7, 1, chance))).toBeGreaterThanOrEqual(1_800)
    expect(secondsFromNow(nextAttemptAt(now, 0, 0, chance))).toBeGreaterThanOrEqual(15)
    expect(secondsFromNow(nextAttemptAt(now, 0, 86_400, chance))).toBeLessThanOrEqual(86_400 * 1.1)
  })
})

describe('what an answer means', () => {
  it.each([
    ['grant_dead', 'dead'],
    ['misconfigured', 'misconfigured'],
    ['rate_limited', 'retry'],
    ['unavailable', 'retry'],
    ['unauthorized', 'retry'],
    ['forbidden', 'retry'],
    ['invalid_proof', 'retry'],
  ] satisfies [ProviderFailureKind, string][])('RF-01 %s is %s: only a dead grant kills', (kind, expected) => {
    const verdict = judgeAnswer(providerFailure(kind, 'some_code'), row, now, 0.5)
    expect(verdict.kind).toBe(expected)
    expect(verdict).toMatchObject({ error: 'some_code' })
    if ('dueAt' in verdict) expect(verdict.dueAt > now).toBe(true)
  })

  it('waits for the whole pause after a configuration error, a little spread', () => {
    for (const chance of chances) {
      const verdict = judgeAnswer(providerFailure('misconfigured', 'invalid_client'), row, now, chance)
      const wait = 'dueAt' in verdict ? secondsFromNow(verdict.dueAt) : 0
      expect(wait).toBeGreaterThanOrEqual(circuitOpenSeconds)
      expect(wait).toBeLessThanOrEqual(circuitOpenSeconds * 1.2)
    }
  })

  it('RF-08 remembers the end of a grant that this answer did not repeat', () => {
    const success = { ok: true, value: grant() } as const
    const verdict = judgeAnswer(success, { failureCount: 3, refreshTokenExpiresAt: later(900) }, now, 0.5)
    expect(verdict).toMatchObject({ kind: 'refreshed', dueAt: later(900) })
  })

  const answered = (body: unknown, status = 200) =>
    readTokenAnswer({ status, headers: new Headers(), body: JSON.stringify(body) }, now)

  it.each([
    ['missing', undefined, 3_600],
    ['0', 0, 3_600],
    ['-5', -5, 3_600],
    ['text digits', '3599', 3_599],
    ['1e12', 1e12, 86_400],
    ['1785585600 (a date in seconds)', 1_785_585_600, 86_400],
    ['words', 'soon', 3_600],
    ['null', null, 3_600],
    ['NaN text', 'NaN', 3_600],
  ])('RF-05 expires_in %s: never past, never year 33658, no hot loop', (_name, expires_in, life) => {
    const verdict = judgeAnswer(answered({ access_token: 'a', token_type: 'Bearer', expires_in }), row, now, 0.5)
    if (verdict.kind !== 'refreshed') throw new Error(`it was ${verdict.kind}`)
    expect(secondsFromNow(verdict.grant.expiresAt)).toBe(life)
    expect(secondsFromNow(verdict.dueAt)).toBeGreaterThanOrEqual(60)
    expect(secondsFromNow(verdict.dueAt)).toBeLessThan(life)
  })

  it.each([
    [
      'a description that says revoked',
      { error: 'server_error', error_description: 'Token has been expired or revoked.' },
    ],
    ['an error of its own', { error: 'invalid_grant_but_not_quite' }],
    ['no error at all', { message: 'invalid_grant' }],
    ['an error that is no text', { error: { status: 'invalid_grant' } }],
  ])('RF-01 a 400 with %s is a blip, never a death', (_name, body) => {
    expect(judgeAnswer(answered(body, 400), row, now, 0.5).kind).toBe('retry')
  })
})

describe('what can be said before anybody is asked', () => {
  const healthy: LeasedState = {
    clientId: 'ours',
    hasRefreshToken: true,
    refreshTokenExpiresAt: null,
    isUserActive: true,
    heldUntil: null,
  }

  it.each([
    ['a healthy row', {}, null],
    ['a circuit that has been open', { heldUntil: later(-1) }, null],
    ['an access that ends later', { refreshTokenExpiresAt: later(1) }, null],
    ['RF-23 another client', { clientId: 'old' }, { kind: 'dead', error: 'client_changed' }],
    ['no refresh token', { hasRefreshToken: false }, { kind: 'dead', error: 'no_refresh_token' }],
    [
      'RF-08 an access that has ended',
      { refreshTokenExpiresAt: now },
      { kind: 'dead', error: 'refresh_token_expired' },
    ],
    ['a disabled user, even of a dead grant', { isUserActive: false, hasRefreshToken: false }, { kind: 'handed_back' }],
    ['an open circuit', { heldUntil: later(100) }, { kind: 'handed_back', dueAt: later(115) }],
    ['an open circuit and another client', { heldUntil: later(100), clientId: 'old' }, { kind: 'dead' }],
  ] satisfies [string, Partial<LeasedState>, object | null][])('%s', (_name, changes, expected) => {
    const verdict = judgeUnasked({ ...healthy, ...changes }, 'ours', now, 0.5)
    if (expected === null) expect(verdict).toBeNull()
    else expect(verdict).toMatchObject(expected)
  })

  it('a provider that is not offered any more kills nobody', () => {
    expect(judgeUnasked(healthy, null, now, 0)).toEqual({ kind: 'handed_back', dueAt: later(circuitOpenSeconds) })
  })
})
