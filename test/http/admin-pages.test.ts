// The pages under /admin, over HTTP: for whom they are, what they show of whom, what their forms do, and that the charts
// draw the figures that stand in the database.
import { beforeEach, describe, expect, it } from 'vitest'
import { axisSteps, placeSegments } from '../../src/http/pages/chart-bars.tsx'
import { appUrl, type Cookies, call, count, google, signInBrowser } from '../support/app.ts'
import { emptyTables, query } from '../support/database.ts'
import { provenUser } from '../support/flows.ts'

const admin = 'admin@gmail.com'
const person = 'ada@gmail.com'
const unknownId = '01890000-0000-7000-8000-000000000000'

beforeEach(async () => {
  await emptyTables()
  await google.reset()
})

/** A browser of somebody who signed in at Google, without a mailbox. */
async function browserOf(email: string): Promise<Cookies> {
  await google.addUser({ email, name: 'Ada Lovelace' })
  return signInBrowser(email, new Map(), { query: { scopes: 'identity' } })
}

async function idOf(email: string): Promise<string> {
  const [row] = await query<{ id: string }>('SELECT user_id AS id FROM users WHERE email_address_txt = $1', [email])
  return row?.id ?? ''
}

/** The text of a page, after what holds for each of them was seen to hold. */
async function page(response: Response | Promise<Response>, status = 200): Promise<string> {
  const answer = await response
  const text = await answer.text()
  expect(answer.status, text).toBe(status)
  expect(answer.headers.get('Content-Type')).toMatch(/^text\/html; charset=utf-8$/i)
  expect(answer.headers.get('Content-Security-Policy')).toContain("default-src 'none'")
  expect(answer.headers.get('Cache-Control')).toBe('no-store')
  expect(text.match(/<h1[ >]/g)).toHaveLength(1)
  // What stands in an attribute is text, whatever it looks like.
  expect(text.replaceAll(/"[^"]*"/g, '""')).not.toMatch(/<script|<style|\sstyle=|<[^>]*\son\w+=|javascript:/i)
  const ids = [...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id)
  expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([])
  return text
}

function send(path: string, fields: Record<string, string>, cookies: Cookies, origin: string | null = appUrl) {
  return call(path, {
    method: 'POST',
    body: new URLSearchParams(fields).toString(),
    headers: {
      'Content-Type': 'application/x-www-form-urlencoded',
      Accept: 'text/html',
      ...(origin === null ? {} : { Origin: origin }),
    },
    cookies,
  })
}

async function seeOther(response: Response | Promise<Response>): Promise<string | null> {
  const answer = await response
  expect(answer.status, await answer.text()).toBe(303)
  return answer.headers.get('Location')
}

interface Seeded {
  readonly owner: string
  readonly email?: string
  readonly status?: string
  readonly history?: readonly { at: string; outcome: string; error: string | null }[]
  readonly dueInSeconds?: number | null
  readonly error?: string | null
}

/** A mailbox with a token row; nothing in it can be opened. */
async function seedMailbox(seed: Seeded): Promise<string> {
  const { owner, email = 'box@gmail.com', status = 'active', history = [], dueInSeconds = null, error = null } = seed
  const [row] = await query<{ id: string }>(
    `WITH box AS (
      INSERT INTO user_mail_accounts (user_id, email_address_txt, provider_cd, provider_subject_txt, status_cd, is_active_flg)
      VALUES ($1, $2, 'google', gen_random_uuid()::text, $3, $3 <> 'disconnected') RETURNING user_mail_account_id
    )
    INSERT INTO oauth_tokens (user_mail_account_id, client_id_txt, refresh_history_json, refresh_due_at_utc, last_error_cd)
    SELECT user_mail_account_id, 'x', $4, now() + make_interval(secs => $5), $6 FROM box RETURNING user_mail_account_id AS id`,
    [owner, email, status, JSON.stringify(history), dueInSeconds, error],
  )
  return row?.id ?? ''
}

/** The beginning of the hour that was `hours` whole hours ago, and minutes within it. */
function hourAgo(hours: number, minutes = 0): Date {
  const now = new Date()
  now.setUTCMinutes(minutes, 0, 0)
  return new Date(now.getTime() - hours * 3_600_000)
}

const everyPage = (id: string) => [
  '/admin/users',
  `/admin/users/${id}`,
  `/admin/users/${id}/delete`,
  '/admin/mailboxes',
  '/admin/keys',
  '/admin/audit',
]

describe('admin pages', () => {
  it('are for administrators', async () => {
    const cookies = await browserOf(admin)
    const id = await provenUser(person)
    for (const path of everyPage(id)) {
      const text = await page(call(path, { cookies }))
      expect(text).toMatch(/href="\/admin\/users" aria-current="page">Admin</)
    }
    expect(await seeOther(call('/admin', { cookies }))).toBe('/admin/users')
  })

  it('lead from one to the other, and say which one this is', async () => {
    const cookies = await browserOf(admin)
    for (const path of ['/admin/users', '/admin/mailboxes', '/admin/keys', '/admin/audit']) {
      const text = await page(call(path, { cookies }))
      const tabs = /<nav class="tabs admin-tabs" aria-label="Admin">(.*?)<\/nav>/.exec(text)?.[1] ?? ''
      expect(tabs.match(/href=/g)).toHaveLength(4)
      expect(tabs).toContain(`<a href="${path}" aria-current="page">`)
    }
  })

  it('are no pages for anybody else, themselves included, and the trail knows who tried', async () => {
    const cookies = await browserOf(person)
    const [own, other] = [await idOf(person), await provenUser('other@example.org')]
    for (const path of [...everyPage(own), `/admin/users/${other}`]) {
      const text = await page(call(path, { cookies }), 403)
      expect(text).toContain('this page is for administrators')
      expect(text).not.toContain('other@example.org')
      expect(text).not.toContain('href="/admin')
    }
    expect(await count('audit_logs', "action_cd = 'admin.refused' AND actor_user_id = $1", [own])).toBeGreaterThan(2)
  })

  it('lead to the sign-in page and back where nobody is signed in', async () => {
    for (const path of everyPage(unknownId)) expect(await seeOther(call(path))).toBe(`/sign-in?return_to=${path}`)
    const fields = { action: 'disable' }
    const path = `/admin/users/${unknownId}`
    expect(await seeOther(send(path, fields, new Map()))).toBe(`/sign-in?return_to=${path}`)
  })

  it.each(['not-a-uuid', "' OR 1=1", unknownId])('know no user %j', async (id) => {
    const cookies = await browserOf(admin)
    const path = `/admin/users/${encodeURIComponent(id)}`
    await page(call(path, { cookies }), 404)
    await page(call(`${path}/delete`, { cookies }), 404)
    await page(send(path, { action: 'disable' }, cookies), 404)
    await page(send(`${path}/delete`, { action: 'delete' }, cookies), 404)
  })

  it('refuse forms that are not our own, and change nothing', async () => {
    const cookies = await browserOf(admin)
    const id = await provenUser(person)
    for (const origin of [null, 'null', 'https://evil.test', 'http://mail.localhost:8787']) {
      for (const action of ['make_admin', 'disable']) {
        const text = await page(send(`/admin/users/${id}`, { action }, cookies, origin), 403)
        expect(text).toContain('did not come from our own page')
      }
      await page(send(`/admin/users/${id}/delete`, { action: 'delete' }, cookies, origin), 403)
    }
    expect(await count('users', "user_id = $1 AND role_cd = 'user' AND is_active_flg", [id])).toBe(1)
  })

  it('refuse the forms of whoever is no administrator (SE-28)', async () => {
    const cookies = await browserOf(person)
    const [own, other] = [await idOf(person), await provenUser('other@example.org')]
    for (const id of [own, other]) {
      for (const action of ['make_admin', 'make_user', 'disable', 'enable', 'unlock']) {
        await page(send(`/admin/users/${id}`, { action }, cookies), 403)
      }
      await page(send(`/admin/users/${id}/delete`, { action: 'delete' }, cookies), 403)
    }
    expect(await count('users', "role_cd = 'user' AND is_active_flg")).toBe(2)
  })

  it('show what others chose as text', async () => {
    const cookies = await browserOf(admin)
    const bad = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    const owner = await provenUser(`${bad}@example.org`)
    await query('UPDATE users SET full_name_txt = $2, username_txt = $2 WHERE user_id = $1', [owner, bad])
    const at = hourAgo(0).toISOString()
    await seedMailbox({ owner, email: bad, error: bad, history: [{ at, outcome: 'retry', error: bad }] })
    await query(
      `INSERT INTO audit_logs (action_cd, outcome_cd, actor_user_id, subject_id_txt, ip_address_txt, user_agent_txt, event_json)
       VALUES ('user.updated', 'success', $1, $2, $2, $2, $3)`,
      [owner, bad, JSON.stringify({ [bad]: bad })],
    )
    const typed = encodeURIComponent(bad)
    for (const path of [
      ...everyPage(owner),
      `/admin/users?q=${typed}&show=${typed}&done=${typed}`,
      `/admin/users/${owner}?done=${typed}`,
    ]) {
      const text = await page(call(path, { cookies }))
      if (path !== '/admin/keys') expect(text, path).toContain('&lt;script&gt;')
      expect(text).not.toContain('<img')
    }
    await page(call(`/admin/audit?actor=${typed}&action=${typed}&after=${typed}`, { cookies }), 422)
  })
})

describe('/admin/users', () => {
  it('finds by part of an address or name, and by what somebody is', async () => {
    const cookies = await browserOf(admin)
    await query("UPDATE users SET full_name_txt = 'The Admin'")
    const grace = await provenUser('grace@example.org')
    await query("UPDATE users SET full_name_txt = 'Grace Hopper', is_active_flg = false WHERE user_id = $1", [grace])
    const found = async (search: string) => {
      const text = await page(call(`/admin/users${search}`, { cookies }))
      return [...text.matchAll(/href="\/admin\/users\/[0-9a-f-]{36}">([^<]+)</g)].map(([, name]) => name)
    }
    expect(await found('')).toEqual(['Grace Hopper', 'The Admin'])
    expect(await found('?q=HOPPER')).toEqual(['Grace Hopper'])
    expect(await found('?q=example.org')).toEqual(['Grace Hopper'])
    expect(await found('?show=admins')).toEqual(['The Admin'])
    expect(await found('?show=disabled')).toEqual(['Grace Hopper'])
    expect(await found('?show=disabled&q=admin')).toEqual([])
    expect(await found('?q=%25')).toEqual([])
    expect(await found('?q=%00')).toEqual(['Grace Hopper', 'The Admin'])
  })

  it('goes on page by page, and the search goes along', async () => {
    const cookies = await browserOf(admin)
    await query(
      `INSERT INTO users (email_address_txt, email_verified_at_utc, email_proof_cd)
       SELECT 'many' || i || '@example.org', now(), 'letter' FROM generate_series(1, 30) i`,
    )
    const seen: string[] = []
    let path: string | undefined = '/admin/users?q=many'
    while (path !== undefined) {
      const text = await page(call(path, { cookies }))
      seen.push(...[...text.matchAll(/href="\/admin\/users\/([0-9a-f-]{36})"/g)].map(([, id]) => id ?? ''))
      path = /href="(\/admin\/users\?[^"]*cursor=[^"]*)"/.exec(text)?.[1]?.replaceAll('&amp;', '&')
      if (path !== undefined) expect(path).toContain('q=many')
    }
    expect(seen).toHaveLength(30)
    expect(new Set(seen).size).toBe(30)
  })
})

describe('/admin/users/{id}', () => {
  it('changes role and access, says so, and says no other thing', async () => {
    const cookies = await browserOf(admin)
    const id = await provenUser(person)
    const path = `/admin/users/${id}`
    const steps: [string, string, string][] = [
      ['make_admin', "role_cd = 'admin'", 'is an administrator now'],
      ['make_user', "role_cd = 'user'", 'no longer an administrator'],
      ['disable', 'NOT is_active_flg', 'This user is disabled'],
      ['enable', 'is_active_flg', 'may sign in again'],
    ]
    for (const [action, state, words] of steps) {
      expect(await page(call(path, { cookies }))).toContain(`name="action" value="${action}"`)
      const location = await seeOther(send(path, { action }, cookies))
      expect(location).toBe(`${path}?done=${action}`)
      expect(await count('users', `user_id = $1 AND ${state}`, [id])).toBe(1)
      expect(await page(call(location ?? '', { cookies }))).toContain(words)
    }
    for (const done of ['nonsense', '__proto__', 'constructor']) {
      expect(await page(call(`${path}?done=${done}`, { cookies }))).not.toContain('role="status"')
    }
    await page(send(path, { action: 'explode' }, cookies), 422)
    await page(send(path, {}, cookies), 422)
  })

  it('shows ways to sign in, mailboxes and sessions', async () => {
    await browserOf(person)
    const owner = await idOf(person)
    await seedMailbox({ owner, status: 'degraded' })
    await seedMailbox({ owner })
    const text = await page(call(`/admin/users/${owner}`, { cookies: await browserOf(admin) }))
    expect(text).toMatch(/Ways to sign in<\/dt><dd><ul class="plain-list"><li>Google/)
    expect(text).toContain(`href="/admin/mailboxes?user=${owner}#list">2 mailboxes</a>`)
    expect(text).toContain('1 active, 1 degraded')
    expect(text).toMatch(/Live sessions<\/dt><dd>1</)
  })

  it('unlocks', async () => {
    const cookies = await browserOf(admin)
    const id = await provenUser(person)
    expect(await page(call(`/admin/users/${id}`, { cookies }))).not.toContain('value="unlock"')
    await query(
      "INSERT INTO login_attempts (user_id, failed_cnt, locked_until_utc) VALUES ($1, 5, now() + interval '30 minutes')",
      [id],
    )
    const text = await page(call(`/admin/users/${id}`, { cookies }))
    expect(text).toContain('Password sign-in is locked')
    expect(text).toContain('value="unlock"')
    const location = await seeOther(send(`/admin/users/${id}`, { action: 'unlock' }, cookies))
    expect(await page(call(location ?? '', { cookies }))).toContain('Password sign-in is open again')
    expect(await count('login_attempts', 'locked_until_utc > now()')).toBe(0)
  })

  it('says in words why it refuses (AP-03)', async () => {
    const cookies = await browserOf(admin)
    const own = await idOf(admin)
    const demoted = await page(send(`/admin/users/${own}`, { action: 'make_user' }, cookies), 409)
    expect(demoted).toMatch(/role="alert".*(ADMIN_EMAILS|one administrator left)/)
    const disabled = await page(send(`/admin/users/${own}`, { action: 'disable' }, cookies), 409)
    expect(disabled).toMatch(/role="alert".*one administrator left/)
    const deleted = await page(send(`/admin/users/${own}/delete`, { action: 'delete' }, cookies), 409)
    expect(deleted).toMatch(/role="alert".*one administrator left/)
    expect(await count('users', "role_cd = 'admin' AND is_active_flg")).toBe(1)
  })

  it('asks before deleting, wants a recent proof of presence, and deletes', async () => {
    const cookies = await browserOf(admin)
    const id = await provenUser(person)
    const path = `/admin/users/${id}/delete`
    expect(await page(call(path, { cookies }))).toContain(`method="post" action="${path}"`)
    await query("UPDATE sessions SET authenticated_at_utc = now() - interval '16 minutes'")
    expect(await seeOther(send(path, { action: 'delete' }, cookies))).toBe(`/step-up?return_to=${path}`)
    expect(await count('users', 'user_id = $1', [id])).toBe(1)
    await query('UPDATE sessions SET authenticated_at_utc = now()')
    await page(send(path, { action: 'other' }, cookies), 422)
    expect(await seeOther(send(path, { action: 'delete' }, cookies))).toBe('/admin/users?done=deleted')
    expect(await count('users', 'user_id = $1', [id])).toBe(0)
    expect(await page(call('/admin/users?done=deleted', { cookies }))).toContain('The user was deleted')
    await page(send(path, { action: 'delete' }, cookies), 404)
  })

  it('lets an administrator go, where another stays', async () => {
    const cookies = await browserOf(admin)
    await provenUser('second@example.org', { role: 'admin' })
    const path = `/admin/users/${await idOf(admin)}/delete`
    expect(await seeOther(send(path, { action: 'delete' }, cookies))).toBe('/sign-in?done=account_deleted')
    expect(cookies.has('session')).toBe(false)
    expect(await count('users', "role_cd = 'admin'")).toBe(1)
  })
})

describe('/admin/mailboxes', () => {
  it('draws the attempts that stand in the histories, hour by hour', async () => {
    const cookies = await browserOf(admin)
    const owner = await provenUser(person)
    const attempt = (hours: number, minutes: number, outcome: string, error: string | null = null) => ({
      at: hourAgo(hours, minutes).toISOString(),
      outcome,
      error,
    })
    await seedMailbox({
      owner,
      history: [
        attempt(2, 50, 'refreshed'),
        attempt(2, 10, 'retry', 'http_503'),
        attempt(2, 5, 'retry', 'timeout'),
        attempt(7, 0, 'refreshed'),
        attempt(30, 0, 'dead', 'too_long_ago'),
      ],
    })
    await seedMailbox({
      owner,
      history: [attempt(2, 20, 'refreshed'), attempt(7, 59, 'misconfigured', 'invalid_client')],
    })
    await seedMailbox({ owner, history: [attempt(2, 30, 'dead', 'invalid_grant'), attempt(7, 1, 'retry', 'http_503')] })
    const text = await page(call('/admin/mailboxes', { cookies }))
    // refreshed, retry, misconfigured, dead, and the share of histories that reach back
    expect(figuresOf(text, hourAgo(2))).toEqual(['2', '2', '0', '1', '100 %'])
    expect(figuresOf(text, hourAgo(7))).toEqual(['1', '1', '1', '0', '100 %'])
    expect(figuresOf(text, hourAgo(5))).toEqual(['0', '0', '0', '0', '100 %'])

    const chart = /<svg class="bars"[^>]*aria-labelledby="outcomes-chart-title".*?<\/svg>/.exec(text)?.[0] ?? ''
    expect(chart).toContain('role="img"')
    expect(chart).toMatch(/<title id="outcomes-chart-title">[^<]+<\/title>/)
    expect(chart).toMatch(/<desc id="outcomes-chart-desc">Renewed: 3\. .*: 3\. .*: 1\. .*: 1\. /)
    const drawn = [...chart.matchAll(/<rect class="bar (\w+)"[^>]* height="([\d.]+)"/g)].map(([, code, height]) => [
      code,
      height,
    ])
    // The taller hour has five, on an axis that ends at six; its neighbour three. 180 pixels are all of the axis.
    expect(drawn).toEqual([
      ['refreshed', '30'],
      ['retry', '30'],
      ['misconfigured', '30'],
      ['refreshed', '60'],
      ['retry', '60'],
      ['dead', '30'],
    ])
    expect(text).toMatch(/Renewed <strong>3<\/strong>/)
    expect(text).toMatch(/Refused for good <strong>1<\/strong>/)
    expect(text).not.toContain('Incomplete hours')
    const errors = /Why attempts failed.*?<\/table>/.exec(text)?.[0] ?? ''
    expect(errors).toMatch(/http_503<\/code><\/th><td class="figure">2<\/td><td class="figure">2</)
    expect(errors).toMatch(/timeout<\/code><\/th><td class="figure">1<\/td><td class="figure">1</)
    expect(errors).not.toContain('too_long_ago')
  })

  it('marks the hours that full histories do not reach back to', async () => {
    const cookies = await browserOf(admin)
    const owner = await provenUser(person)
    const history = Array.from({ length: 10 }, (_, index) => ({
      at: hourAgo(index, 0).toISOString(),
      outcome: 'refreshed',
      error: null,
    }))
    await seedMailbox({ owner, history })
    const text = await page(call('/admin/mailboxes', { cookies }))
    expect(text).toContain('Incomplete hours')
    expect(figuresOf(text, hourAgo(9))).toEqual(['1', '0', '0', '0', '100 %'])
    expect(figuresOf(text, hourAgo(10))).toEqual(['0', '0', '0', '0', '0 %'])
  })

  it('counts states, what is due, and what is late', async () => {
    const cookies = await browserOf(admin)
    const owner = await provenUser(person)
    for (const status of ['active', 'active', 'degraded', 'needs_reauthorization', 'disconnected']) {
      await seedMailbox({ owner, status })
    }
    for (const dueInSeconds of [-300, -5, 60, 90, 15 * 60, 5 * 3_600]) await seedMailbox({ owner, dueInSeconds })
    const text = await page(call('/admin/mailboxes', { cookies }))
    const tiles = [...text.matchAll(/tile-name">([^<]+)<\/span><strong class="tile-figure">(\d+)</g)]
    expect(tiles.map(([, name, figure]) => [name, figure])).toEqual([
      ['Active', '8'],
      ['Degraded', '1'],
      ['Needs re-authorization', '1'],
      ['Disconnected', '1'],
    ])
    expect(text).toMatch(/Overdue<\/dt><dd><strong>2<\/strong>/)
    expect(text).toContain('5 minutes ago')
    const due = /<caption class="sr-only">Tokens by the ten minutes.*?<\/table>/.exec(text)?.[0] ?? ''
    expect([...due.matchAll(/<td class="figure">([^<]+)</g)].map(([, figure]) => figure)).toEqual([
      '2',
      '1',
      ...Array.from({ length: 10 }, () => '0'),
    ])
  })

  it('tells of a circuit that is open', async () => {
    const cookies = await browserOf(admin)
    await query(
      "INSERT INTO provider_states (provider_cd, open_until_utc, configuration_error_cnt) VALUES ('google', now() + interval '4 minutes', 5)",
    )
    const text = await page(call('/admin/mailboxes', { cookies }))
    expect(text).toMatch(/role="alert"><p class="notice-title">Google refuses our own settings/)
    expect(text).toContain('in 3 minutes')
  })

  it('lists by state and by owner, and refuses other filters', async () => {
    const cookies = await browserOf(admin)
    const [ada, eve] = [await provenUser(person), await provenUser('eve@example.org')]
    await seedMailbox({ owner: ada, email: 'ada-one@gmail.com', status: 'degraded', error: 'http_503' })
    await seedMailbox({ owner: ada, email: 'ada-two@gmail.com' })
    await seedMailbox({ owner: eve, email: 'eve-one@gmail.com' })
    const orphan = await seedMailbox({ owner: eve, email: 'orphan@gmail.com', status: 'disconnected' })
    await query('UPDATE user_mail_accounts SET user_id = NULL WHERE user_mail_account_id = $1', [orphan])
    const listed = async (search: string) => {
      const text = await page(call(`/admin/mailboxes${search}`, { cookies }))
      return [...text.matchAll(/<th scope="row" role="rowheader"><span class="address">([^<]+)</g)].map(
        ([, email]) => email,
      )
    }
    expect(await listed('')).toEqual(['eve-one@gmail.com', 'ada-two@gmail.com', 'ada-one@gmail.com'])
    expect(await listed('?status=degraded')).toEqual(['ada-one@gmail.com'])
    expect(await listed('?status=disconnected')).toEqual([])
    expect(await listed(`?user=${ada}`)).toEqual(['ada-two@gmail.com', 'ada-one@gmail.com'])
    expect(await listed(`?user=${unknownId}`)).toEqual([])
    for (const search of ['?status=explode', '?user=1', '?cursor=x']) {
      await page(call(`/admin/mailboxes${search}`, { cookies }), 422)
    }
  })

  it('reads a sample of very many, and says so', async () => {
    const cookies = await browserOf(admin)
    const owner = await provenUser(person)
    await query(
      `WITH boxes AS (
        INSERT INTO user_mail_accounts (user_id, email_address_txt, provider_cd, provider_subject_txt)
        SELECT $1, 'many' || i || '@gmail.com', 'google', 'many' || i FROM generate_series(1, 20000) i RETURNING user_mail_account_id
      )
      INSERT INTO oauth_tokens (user_mail_account_id, client_id_txt, refresh_history_json, refresh_due_at_utc)
      SELECT user_mail_account_id, 'x', jsonb_build_array(jsonb_build_object('at', now(), 'outcome', 'refreshed', 'error', null)), now() + interval '5 minutes' FROM boxes`,
      [owner],
    )
    const text = await page(call('/admin/mailboxes', { cookies }))
    const sampled = Number(/random sample: ([\d,]+) of about 20,000/.exec(text)?.[1]?.replaceAll(',', ''))
    expect(sampled).toBeGreaterThan(3_000)
    expect(sampled).toBeLessThan(18_000)
    // What is counted, and not read from histories, is counted whole.
    expect(text).toContain('<strong class="tile-figure">20,000</strong>')
    expect(text).toMatch(/<td class="figure">20,000<\/td>/)
  })
})

/** One hour's row of the table below the chart. */
function figuresOf(text: string, hour: Date): (string | undefined)[] {
  const row = new RegExp(`<time datetime="${hour.toISOString()}">[^<]*</time></th>(.*?)</tr>`).exec(text)?.[1] ?? ''
  return [...row.matchAll(/<td class="figure">([^<]*)</g)].map(([, figure]) => figure)
}

describe('/admin/audit', () => {
  it('shows the trail by actor, action and day', async () => {
    const cookies = await browserOf(admin)
    const id = await provenUser(person)
    await seeOther(send(`/admin/users/${id}`, { action: 'disable' }, cookies))
    const own = await idOf(admin)
    const today = new Date().toISOString().slice(0, 10)
    const rows = async (search: string) => {
      const text = await page(call(`/admin/audit?${search}`, { cookies }))
      return [...text.matchAll(/<th scope="row" role="rowheader">([^<]+)</g)].map(([, words]) => words)
    }
    const disabled = await rows('action=user.disabled')
    expect(disabled[0]).toBe('User: disabled')
    expect(new Set(disabled).size).toBe(1)
    expect(await rows(`action=user.disabled&actor=${own}&after=${today}`)).toEqual(['User: disabled'])
    expect(await rows(`action=user.disabled&actor=${own}&after=2999-01-01`)).toEqual([])
    expect(await rows(`actor=${id}`)).toEqual([])
    const text = await page(call(`/admin/audit?actor=${own}&action=user.disabled`, { cookies }))
    expect(text).toContain(`<code class="id">${id}</code>`)
    expect(text).toContain(`href="/admin/users/${own}"`)
    expect(text).toContain('<option value="user.disabled" selected="">User: disabled</option>')
  })

  it.each([
    ['actor=nobody', 'This is no user id'],
    ['action=explode', 'There is no such action'],
    ['after=yesterday', 'This is no date'],
    ['after=2026-13-45', 'This is no date'],
  ])('says what is wrong with %s', async (search, words) => {
    const cookies = await browserOf(admin)
    expect(await page(call(`/admin/audit?${search}`, { cookies }), 422)).toContain(words)
  })

  it('goes on page by page with its filter', async () => {
    const cookies = await browserOf(admin)
    const actor = await provenUser(person)
    await query(
      `INSERT INTO audit_logs (action_cd, outcome_cd, actor_user_id) SELECT 'profile.updated', 'success', $1 FROM generate_series(1, 60)`,
      [actor],
    )
    const first = await page(call(`/admin/audit?actor=${actor}`, { cookies }))
    expect(first.match(/role="rowheader"/g)).toHaveLength(50)
    const next = /href="(\/admin\/audit\?[^"]*cursor=[^"]*)"/.exec(first)?.[1]?.replaceAll('&amp;', '&') ?? ''
    expect(next).toContain(`actor=${actor}`)
    const second = await page(call(next, { cookies }))
    expect(second.match(/role="rowheader"/g)).toHaveLength(10)
    expect(second).not.toContain('cursor=')
  })
})

describe('bars', () => {
  it.each([
    [0, [0, 1]],
    [1, [0, 1]],
    [3, [0, 1, 2, 3]],
    [5, [0, 2, 4, 6]],
    [400, [0, 100, 200, 300, 400]],
    [401, [0, 200, 400, 600]],
    [1_000_000, [0, 500_000, 1_000_000]],
  ])('an axis up to %j has whole, round steps', (most, steps) => {
    expect(axisSteps(most)).toEqual(steps)
  })

  it('stand on one another, nothing has no place, and little can still be seen', () => {
    const placed = placeSegments(
      [
        { texture: 'refreshed', count: 90_000 },
        { texture: 'retry', count: 0 },
        { texture: 'dead', count: 1 },
      ],
      100_000,
      192,
    )
    expect(placed).toEqual([
      { texture: 'refreshed', y: 30, height: 162 },
      { texture: 'dead', y: 27, height: 3 },
    ])
  })
})
