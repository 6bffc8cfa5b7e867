// /metrics: for a service key with the permission only, text that a Prometheus reads line by line, and figures that move
// when the thing they tell of happens. One database trip.
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { formatExposition } from '../../src/ops/exposition.ts'
import { call, count, json, newKey, newPerson, onlyMailbox, refusal, type TokenPair } from '../support/app.ts'
import { proxy, query } from '../support/database.ts'
import { expectGuarded, problemOf } from '../support/operations.ts'

let admin: TokenPair & { userId: string }
let key = ''
let accountId = ''

beforeAll(async () => {
  admin = await newPerson('admin@gmail.com')
  key = (await newKey(admin.access_token, { permissions: ['metrics:read'] })).key
  accountId = (await onlyMailbox(admin.access_token)).id
})

afterEach(async () => {
  await proxy.setMode('normal')
})

type Samples = Map<string, number>

/** Reads the text as the format's description has it, and refuses everything else. */
function parse(text: string): Samples {
  expect(text.endsWith('\n')).toBe(true)
  const samples: Samples = new Map()
  const described = new Set<string>()
  const typed = new Set<string>()
  let family = ''
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-zA-Z_:][\w:]*) (\S.*)$/.exec(line)
    const type = /^# TYPE ([a-zA-Z_:][\w:]*) gauge$/.exec(line)
    if (help !== null) {
      family = help[1] ?? ''
      expect(described.has(family), line).toBe(false)
      described.add(family)
      continue
    }
    if (type !== null) {
      expect(type[1], line).toBe(family)
      typed.add(family)
      continue
    }
    const sample =
      /^([a-zA-Z_:][\w:]*)(\{[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*")*\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/.exec(
        line,
      )
    expect(sample, line).not.toBeNull()
    expect(sample?.[1], line).toBe(family)
    expect(typed.has(family), line).toBe(true)
    const name = `${sample?.[1]}${sample?.[2] ?? ''}`
    expect(samples.has(name), line).toBe(false)
    samples.set(name, Number(sample?.[3]))
  }
  return samples
}

async function scrape(): Promise<Samples> {
  const response = await call('/metrics', { bearer: key })
  expect(response.status).toBe(200)
  return parse(await response.text())
}

describe('/metrics', () => {
  it('is for a service key with metrics:read, and for nobody else', async () => {
    expect(await refusal(call('/metrics'))).toEqual([401, 'unauthorized'])
    expect(await refusal(call('/metrics', { bearer: admin.access_token }))).toEqual([403, 'forbidden'])
    expect(await refusal(call('/metrics', { bearer: `gp_${'x'.repeat(43)}` }))).toEqual([401, 'unauthorized'])
    const other = await newKey(admin.access_token, { permissions: ['tokens:vend', 'emails:read'] })
    expect(await refusal(call('/metrics', { bearer: other.key }))).toEqual([403, 'forbidden'])
    const gone = await newKey(admin.access_token, { permissions: ['metrics:read'] })
    await query(`UPDATE api_keys SET status_cd = 'revoked' WHERE api_key_id = $1`, [gone.id])
    expect(await refusal(call('/metrics', { bearer: gone.key }))).toEqual([401, 'unauthorized'])
    // At the root only.
    expect(await refusal(call('/api/v1/metrics', { bearer: key }))).toEqual([404, 'not_found'])
  })

  it('answers text that parses line by line, in one trip, and names nobody', async () => {
    await scrape()
    await proxy.resetCounts()
    const response = await call('/metrics', { bearer: key })
    expect((await proxy.counts()).statements).toBe(1)
    expect(response.headers.get('Content-Type')).toBe('text/plain; version=0.0.4; charset=utf-8')
    expect(response.headers.get('Cache-Control')).toBe('no-store')
    expectGuarded(response)
    const text = await response.text()
    const samples = parse(text)
    expect(samples.size).toBeGreaterThan(30)
    expect(text).not.toMatch(/gmail\.com|@|gp_/)
    expect(text).not.toContain(accountId)
    expect(text).not.toContain(admin.userId)
    expect(samples.get('gatepost_mailboxes{provider="google",status="active"}')).toBe(1)
    expect(samples.get('gatepost_users{role="admin",active="true"}')).toBe(1)
    expect(samples.get('gatepost_users{role="user",active="true"}')).toBe(0)
    expect(samples.get('gatepost_sealed_rows{key_id="test1"}')).toBe(1)
    expect(samples.get('gatepost_metrics_sample_ratio{table="users"}')).toBe(1)
    expect(samples.get('gatepost_sessions_live')).toBe(1)
    expect(samples.get('gatepost_database_size_bytes')).toBeGreaterThan(1_000_000)
  })

  it('answers 503 while the database is away', async () => {
    await proxy.setMode('refuse')
    expect((await problemOf(await call('/metrics', { bearer: key }))).code).toBe('unavailable')
  })
})

describe('figures move', () => {
  /** What became of each figure by `happen`. */
  async function moved(happen: () => Promise<unknown>): Promise<Record<string, number>> {
    const before = await scrape()
    await happen()
    const after = await scrape()
    const names = [...new Set([...before.keys(), ...after.keys()])]
    return Object.fromEntries(
      names
        .filter((name) => !/bytes|age_seconds/.test(name))
        .map((name) => [name, (after.get(name) ?? 0) - (before.get(name) ?? 0)] as const)
        .filter(([, change]) => change !== 0),
    )
  }

  it('when a mailbox dies', async () => {
    expect(
      await moved(() =>
        query(`UPDATE user_mail_accounts SET status_cd = 'needs_reauthorization' WHERE user_mail_account_id = $1`, [
          accountId,
        ]),
      ),
    ).toEqual({
      'gatepost_mailboxes{provider="google",status="active"}': -1,
      'gatepost_mailboxes{provider="google",status="needs_reauthorization"}': 1,
    })
    await query(`UPDATE user_mail_accounts SET status_cd = 'active'`)
  })

  it('when a token is due, overdue, failing, and refreshed at last', async () => {
    expect(
      await moved(() =>
        query(`UPDATE oauth_tokens SET refresh_due_at_utc = now() - interval '1 minute', failure_cnt = 2`),
      ),
    ).toEqual({ gatepost_tokens_due: 1, gatepost_tokens_failing: 1 })
    expect(
      await moved(() => query(`UPDATE oauth_tokens SET refresh_due_at_utc = now() - interval '10 minutes'`)),
    ).toEqual({ gatepost_tokens_overdue: 1 })
    const age = (await scrape()).get('gatepost_oldest_due_refresh_age_seconds') ?? 0
    expect(age).toBeGreaterThanOrEqual(600)
    expect(age).toBeLessThan(700)
    expect(
      await moved(() =>
        query(`UPDATE oauth_tokens SET refresh_due_at_utc = now() + interval '40 minutes', failure_cnt = 0,
          refresh_history_json = jsonb_build_array(
            jsonb_build_object('at', now(), 'outcome', 'refreshed', 'error', null),
            jsonb_build_object('at', now() - interval '5 minutes', 'outcome', 'retry', 'error', 'network'),
            jsonb_build_object('at', now() - interval '2 hours', 'outcome', 'refreshed', 'error', null))`),
      ),
    ).toEqual({
      gatepost_tokens_due: -1,
      gatepost_tokens_overdue: -1,
      gatepost_tokens_failing: -1,
      'gatepost_refresh_attempts_last_hour{outcome="refreshed"}': 1,
      'gatepost_refresh_attempts_last_hour{outcome="retry"}': 1,
    })
    expect((await scrape()).get('gatepost_oldest_due_refresh_age_seconds')).toBe(0)
  })

  it('when letters are due, sent and failed', async () => {
    expect(
      await moved(() =>
        query(`INSERT INTO letters (kind_cd, recipient_txt, cause_txt, status_cd, due_at_utc) VALUES
          ('password_reset', 'x@y.test', 'metrics:1', 'due', now() - interval '3 minutes'),
          ('password_reset', 'x@y.test', 'metrics:2', 'failed', now()),
          ('password_reset', 'x@y.test', 'metrics:3', 'sent', now()),
          ('password_reset', 'x@y.test', 'metrics:4', 'void', now())`),
      ),
    ).toEqual({
      'gatepost_letters{status="due"}': 1,
      'gatepost_letters{status="failed"}': 1,
      'gatepost_letters{status="sent"}': 1,
      'gatepost_letters{status="void"}': 1,
    })
    expect((await scrape()).get('gatepost_oldest_due_letter_age_seconds')).toBeGreaterThanOrEqual(180)
  })

  it('while a lock is in force, by its subject, and not afterwards', async () => {
    expect(
      await moved(() =>
        query(
          `INSERT INTO login_attempts (identifier_hash_txt, user_id, failed_cnt, locked_until_utc) VALUES
            ('metrics-1', NULL, 5, now() + interval '30 minutes'), ('metrics-2', NULL, 5, now() - interval '1 second'),
            ('metrics-3', NULL, 2, NULL), (NULL, $1, 5, now() + interval '20 minutes')`,
          [admin.userId],
        ),
      ),
    ).toEqual({ 'gatepost_lockouts{subject="identifier"}': 1, 'gatepost_lockouts{subject="account"}': 1 })
    expect(await moved(() => query('DELETE FROM login_attempts'))).toEqual({
      'gatepost_lockouts{subject="identifier"}': -1,
      'gatepost_lockouts{subject="account"}': -1,
    })
  })

  it('while a circuit is open', async () => {
    await query(`INSERT INTO provider_states (provider_cd) VALUES ('google') ON CONFLICT DO NOTHING`)
    expect(
      await moved(() =>
        query(`UPDATE provider_states SET open_until_utc = now() + interval '5 minutes' WHERE provider_cd = 'google'`),
      ),
    ).toEqual({ 'gatepost_circuit_open{provider="google"}': 1 })
    expect(await json(call('/status', { bearer: admin.access_token }))).toMatchObject({
      circuits: [{ provider: 'google', open: true }],
    })
    // It has run out, and one probe goes first.
    expect(await moved(() => query(`UPDATE provider_states SET open_until_utc = now() - interval '1 second'`))).toEqual(
      {
        'gatepost_circuit_open{provider="google"}': -1,
      },
    )
  })

  it('when messages are given up, grants wait to be erased, and people wait, leave or are disabled', async () => {
    expect(
      await moved(async () => {
        await query(
          `INSERT INTO dead_letters (message_id_txt, queue_txt, body_json, status_cd) VALUES ('m1', 'q', '{}', 'open'), ('m2', 'q', '{}', 'resolved')`,
        )
        await query(
          `INSERT INTO erasures (kind_cd, provider_cd, provider_subject_txt, sealed_txt, due_at_utc) VALUES ('grant', 'google', 's', 'gp1.old.x', now())`,
        )
        await query(
          `INSERT INTO one_time_codes (purpose_cd, subject_hash_txt, payload_sealed_txt, expires_at_utc) VALUES ('registration', 'h1', 'gp1.test1.x', now() + interval '1 day'), ('registration', 'h2', NULL, now() - interval '1 day')`,
        )
        await query(`INSERT INTO users (email_address_txt, is_active_flg) VALUES ('off@x.test', false)`)
      }),
    ).toEqual({
      gatepost_dead_letters_open: 1,
      'gatepost_erasures_waiting{kind="grant"}': 1,
      'gatepost_sealed_rows{key_id="old"}': 1,
      'gatepost_sealed_rows{key_id="test1"}': 1,
      gatepost_registrations_waiting: 1,
      'gatepost_users{role="user",active="false"}': 1,
    })
    expect(await moved(() => query('UPDATE sessions SET revoked_at_utc = now()'))).toEqual({
      gatepost_sessions_live: -1,
      gatepost_sessions_seen_last_day: -1,
    })
    expect(await count('sessions')).toBe(1)
  })
})

describe('the exposition', () => {
  it('escapes help and labels, and leaves out families without samples', () => {
    const text = formatExposition([
      {
        name: 'a',
        help: 'one\\two\nthree',
        samples: [{ labels: { l: 'x"y\\z\nw', m: 'ü' }, value: 1.5 }, { value: 0 }],
      },
      { name: 'b', help: 'nothing', samples: [] },
    ])
    expect(text).toBe('# HELP a one\\\\two\\nthree\n# TYPE a gauge\na{l="x\\"y\\\\z\\nw",m="ü"} 1.5\na 0\n')
    expect([...parse(text).values()]).toEqual([1.5, 0])
  })
})
