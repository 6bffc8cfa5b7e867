// The pure rules of sync: what a page of history comes to, when a mailbox is due again, what a failure means.
import { describe, expect, it } from 'vitest'
import { limitsOf } from '../../src/mail/quota.ts'
import { foldChanges } from '../../src/mail/sync/changes.ts'
import {
  backoffSeconds,
  dueSeconds,
  firstBatchSize,
  isRelistDue,
  judgeSyncFailure,
  nextInterval,
} from '../../src/mail/sync/policy.ts'
import { providerFailure } from '../../src/providers/failure.ts'
import type { MailChange } from '../../src/providers/mail.ts'

const plus = (id: string, ...labelIds: string[]): MailChange => ({ kind: 'labels_added', id, labelIds })
const minus = (id: string, ...labelIds: string[]): MailChange => ({ kind: 'labels_removed', id, labelIds })

describe('a page of history', () => {
  it('comes to the last word about each message and label', () => {
    const folded = foldChanges([
      { kind: 'added', id: 'new' },
      plus('new', 'INBOX'),
      plus('a', 'STARRED', 'L1'),
      minus('a', 'STARRED'),
      minus('a', 'UNREAD'),
      plus('a', 'STARRED'),
      plus('b', 'TRASH'),
      { kind: 'deleted', id: 'b' },
      { kind: 'added', id: 'brief' },
      { kind: 'deleted', id: 'brief' },
    ])
    expect(folded.added).toEqual(['new'])
    expect(folded.deleted).toEqual(['b', 'brief'])
    // For those that are here already.
    expect([...folded.labels]).toEqual([
      ['new', { added: ['INBOX'], removed: [] }],
      ['a', { added: ['STARRED', 'L1'], removed: ['UNREAD'] }],
    ])
  })

  it('comes to the same when its records come twice', () => {
    const changes = [plus('a', 'X'), minus('a', 'X'), { kind: 'added', id: 'n' } as const, minus('c', 'UNREAD')]
    expect(foldChanges([...changes, ...changes])).toEqual(foldChanges(changes))
  })
})

describe('the clock', () => {
  it('slows down while nothing happens, up to twelve times, and starts again when something does', () => {
    let interval = 0
    const seen = Array.from({ length: 9 }, () => {
      interval = nextInterval(300, interval, false)
      return interval
    })
    expect(seen.slice(0, 3)).toEqual([300, 450, 675])
    expect(seen.at(-1)).toBe(3_600)
    expect(nextInterval(300, 3_600, true)).toBe(300)
    expect(nextInterval(0, 3_600, true)).toBe(0)
    expect([dueSeconds(300, 0), dueSeconds(300, 1), dueSeconds(0, 0.5)]).toEqual([270, 330, 3_600])
  })

  it('lists a mailbox again whose cursor has expired, once an interval', () => {
    const relistedAt = new Date('2026-01-01T00:00:00Z')
    const later = (seconds: number): Date => new Date(relistedAt.getTime() + seconds * 1_000)
    expect(isRelistDue(300, null, relistedAt)).toBe(true)
    expect([269, 270].map((seconds) => isRelistDue(300, relistedAt, later(seconds)))).toEqual([false, true])
    expect([3_599, 3_600].map((seconds) => isRelistDue(0, relistedAt, later(seconds)))).toEqual([false, true])
  })

  it('backs off, and never comes before it was asked to', () => {
    expect([backoffSeconds(0, null, 1), backoffSeconds(3, null, 1), backoffSeconds(99, null, 1)]).toEqual([
      30, 240, 3_600,
    ])
    expect(backoffSeconds(0, null, 0)).toBe(15)
    for (const chance of [0, 0.5, 1]) expect(backoffSeconds(0, 120, chance)).toBeGreaterThanOrEqual(120)
  })
})

it('ML-05 only a missing permission or a dead grant closes a mailbox', () => {
  const kinds = ['rate_limited', 'unavailable', 'refused', 'history_expired', 'misconfigured'] as const
  for (const kind of kinds) expect(judgeSyncFailure(providerFailure(kind, 'x')).kind).toBe('later')
  expect(judgeSyncFailure(providerFailure('forbidden', 'x'))).toEqual({ kind: 'closed', code: 'insufficient_scope' })
  expect(judgeSyncFailure(providerFailure('unauthorized', 'x'))).toEqual({
    kind: 'closed',
    code: 'needs_reauthorization',
  })
})

it('gives people all of a minute’s units, and a back-fill three quarters of them', () => {
  const settings = { unitsPerMailbox: 6_000, unitsPerProject: 1_200_000 }
  expect(limitsOf(settings, 'interactive')).toEqual({ mailboxRoom: 6_000, projectRoom: 1_200_000 })
  expect(limitsOf(settings, 'background')).toEqual({ mailboxRoom: 4_500, projectRoom: 900_000 })
})

it('asks a slow provider for fewer at once', () => {
  expect([0, 1, 2, 3, 99].map(firstBatchSize)).toEqual([50, 25, 12, 6, 1])
})
