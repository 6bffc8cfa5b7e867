// Pictures over HTTP: put, shown, replaced, removed, and what strangers try to have served from our origin (SECURITY
// AP-16). R2 is asked directly for what lies there.
import { createScheduledController } from 'cloudflare:test'
import { env } from 'cloudflare:workers'
import { beforeEach, describe, expect, it } from 'vitest'
import worker from '../../src/index.ts'
import { call, count, eventually, google, json, newKey, newPerson, refusal, workerEnv } from '../support/app.ts'
import { emptyTables, proxy, query } from '../support/database.ts'
import { someId } from '../support/operations.ts'
import {
  exif,
  impostors,
  join,
  jpeg,
  jpegSegment,
  png,
  pngChunk,
  textOf,
  webp,
  webpChunk,
} from '../support/pictures.ts'
import { auditOf, consume, heldQueue } from '../support/vault.ts'

const bucket = (env as unknown as { AVATARS: R2Bucket }).AVATARS

beforeEach(async () => {
  await emptyTables()
  await google.reset()
  await proxy.setDelay(0)
  for (const { key } of (await bucket.list()).objects) await bucket.delete(key)
})

interface MeJson {
  id: string
  avatar_url: string | null
}

const mark = 'MARKED-SECRET'
const person = (email = 'ada@gmail.com') => newPerson(email, { query: { scopes: 'identity' } })
const stored = async () => (await bucket.list()).objects.map(({ key }) => key)

function put(bearer: string, body: BodyInit, options: Parameters<typeof call>[1] = {}): Promise<Response> {
  return call('/auth/me/avatar', { method: 'PUT', bearer, body, ...options })
}

function formWith(fields: Record<string, Uint8Array | string>): FormData {
  const form = new FormData()
  for (const [name, value] of Object.entries(fields))
    form.append(name, typeof value === 'string' ? value : new File([value], 'me.svg', { type: 'image/svg+xml' }))
  return form
}

const nameOf = (me: MeJson): string =>
  /^http:\/\/localhost:8787\/avatars\/([0-9a-f-]{36})$/.exec(me.avatar_url ?? '')?.[1] ?? ''

describe('putting and showing', () => {
  it.each([
    ['image/png', 'png', png()],
    ['image/jpeg', 'jpg', jpeg()],
    ['image/webp', 'webp', webp()],
  ])('a %s is shown as what it is, whatever it was called', async (contentType, extension, bytes) => {
    const { access_token, userId } = await person()
    const me = await json<MeJson>(put(access_token, bytes, { headers: { 'Content-Type': 'text/html' } }))
    expect(me).toMatchObject({ id: userId, email: 'ada@gmail.com' })
    expect(me).toEqual(await json(call('/auth/me', { bearer: access_token })))
    const shown = await call(`/avatars/${nameOf(me)}`)
    expect(shown.status).toBe(200)
    expect(new Uint8Array(await shown.arrayBuffer())).toEqual(bytes)
    expect(Object.fromEntries(shown.headers)).toMatchObject({
      'content-type': contentType,
      'cache-control': 'public, max-age=31536000, immutable',
      'content-security-policy': "default-src 'none'; sandbox; frame-ancestors 'none'",
      'x-content-type-options': 'nosniff',
      'content-disposition': `inline; filename="avatar.${extension}"`,
      'cross-origin-resource-policy': 'cross-origin',
    })
    expect(shown.headers.getSetCookie()).toEqual([])
    expect(await auditOf(userId)).toContainEqual(
      expect.objectContaining({ action: 'avatar.changed', outcome: 'success', actor: userId }),
    )
  })

  it('a copy that is still the same is not sent again', async () => {
    const { access_token } = await person()
    const path = `/avatars/${nameOf(await json<MeJson>(put(access_token, png())))}`
    const etag = (await call(path)).headers.get('ETag') ?? ''
    expect(etag).toMatch(/^"[^"]+"$/)
    for (const known of [etag, `W/${etag}`]) {
      const again = await call(path, { headers: { 'If-None-Match': known } })
      expect([again.status, await again.text(), again.headers.get('ETag')]).toEqual([304, '', etag])
    }
    for (const other of ['"other"', '*', 'garbage', `${etag}, "other"`])
      expect((await call(path, { headers: { 'If-None-Match': other } })).status).toBe(200)
    expect((await call(path, { method: 'HEAD' })).status).toBe(200)
  })

  it('the picture comes as multipart field `avatar`, too, and with no other', async () => {
    const { access_token } = await person()
    const me = await json<MeJson>(put(access_token, formWith({ avatar: png() })))
    expect((await call(`/avatars/${nameOf(me)}`)).headers.get('Content-Type')).toBe('image/png')
    const two = formWith({ avatar: png() })
    two.append('avatar', new File([png()], 'b.png'))
    for (const form of [formWith({}), formWith({ avatar: 'text' }), formWith({ avatar: png(), role: 'admin' }), two])
      expect(await refusal(put(access_token, form))).toEqual([422, 'invalid_input'])
    const broken = { headers: { 'Content-Type': 'multipart/form-data; boundary=x' } }
    expect(await refusal(put(access_token, 'nonsense', broken))).toEqual([400, 'malformed_request'])
    expect(await stored()).toEqual([nameOf(me)])
  })

  it('what a camera and an editor wrote into it is not stored', async () => {
    const { access_token } = await person()
    const pictures = [
      png({ extra: [pngChunk('tEXt', mark), pngChunk('eXIf', mark)] }),
      jpeg({ extra: [jpegSegment(0xe1, exif(6, mark)), jpegSegment(0xfe, mark)] }),
      webp([webpChunk('EXIF', mark), webpChunk('XMP ', mark)]),
    ]
    for (const picture of pictures) {
      const name = nameOf(await json<MeJson>(put(access_token, picture)))
      const object = await bucket.get(name)
      expect(textOf(new Uint8Array((await object?.arrayBuffer()) ?? []))).not.toContain(mark)
    }
  })

  it('nothing else is found under /avatars', async () => {
    for (const name of [someId, 'not-a-uuid', '..%2f..%2fetc', '%00', 'x'.repeat(10_000)])
      expect(await refusal(call(`/avatars/${name}`))).toEqual([404, 'not_found'])
    // An object that is no picture of ours is not served as one.
    await bucket.put(someId, '<script>', { httpMetadata: { contentType: 'text/html' } })
    expect(await refusal(call(`/avatars/${someId}`))).toEqual([404, 'not_found'])
  })
})

describe('AP-16 what is no picture', () => {
  it('AP-16 impostors are refused, as body and as field, and nothing of them stays', async () => {
    const { access_token } = await person()
    const found: Record<string, unknown> = {}
    for (const [what, bytes] of Object.entries(impostors)) {
      const types = ['image/png', 'image/svg+xml', undefined]
      const type = types[Object.keys(found).length % 3]
      const options = type === undefined ? {} : { headers: { 'Content-Type': type } }
      const body = type === undefined ? formWith({ avatar: bytes }) : bytes
      found[what] = await refusal(put(access_token, body, { ...options }))
    }
    expect(found).toEqual(Object.fromEntries(Object.keys(impostors).map((what) => [what, [422, 'picture_refused']])))
    expect(await stored()).toEqual([])
    expect(await count('users', 'avatar_id IS NOT NULL')).toBe(0)
  })

  it('AP-16 a film behind a photograph is cut off, and never served', async () => {
    const { access_token } = await person()
    const me = await json<MeJson>(put(access_token, join(jpeg(), '<script>alert(1)</script>')))
    expect(new Uint8Array(await (await call(`/avatars/${nameOf(me)}`)).arrayBuffer())).toEqual(jpeg())
  })

  it('AP-16 more than 2 MB is 413, announced or streamed, as body and as field', async () => {
    const { access_token } = await person()
    const big = new Uint8Array(2 * 1_024 * 1_024 + 1)
    expect(await refusal(put(access_token, big))).toEqual([413, 'body_too_large'])
    expect(await refusal(put(access_token, formWith({ avatar: join(png(), big) })))).toEqual([413, 'body_too_large'])
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(65_536)),
    })
    expect(await refusal(put(access_token, endless))).toEqual([413, 'body_too_large'])
    const announced = { headers: { 'Content-Length': String(50 * 1_024 * 1_024) } }
    expect((await put(access_token, png(), announced)).status).toBeGreaterThanOrEqual(400)
    expect(await stored()).toEqual([])
  })

  it('strangers, keys and ended sessions leave nothing behind', async () => {
    expect(await refusal(call('/auth/me/avatar', { method: 'PUT', body: png() }))).toEqual([401, 'unauthorized'])
    const { access_token } = await person('admin@gmail.com')
    const { key } = await newKey(access_token)
    expect(await refusal(put(key, png()))).toEqual([403, 'forbidden'])
    await call('/auth/logout', { method: 'POST', bearer: access_token })
    expect(await refusal(put(access_token, png()))).toEqual([401, 'unauthorized'])
    expect(await refusal(call('/auth/me/avatar', { method: 'DELETE', bearer: access_token }))).toEqual([
      401,
      'unauthorized',
    ])
    expect(await stored()).toEqual([])
  })
})

describe('replacing and removing', () => {
  it('a new picture takes the place of the old one, which is erased', async () => {
    const { access_token } = await person()
    const first = nameOf(await json<MeJson>(put(access_token, png())))
    const second = nameOf(await json<MeJson>(put(access_token, jpeg())))
    expect(second).not.toBe(first)
    await eventually(async () => ((await count('erasures')) === 0 ? true : null))
    expect(await stored()).toEqual([second])
    expect((await call(`/avatars/${first}`)).status).toBe(404)
  })

  it('removed is removed: row, object and trail; again is well and tells nothing', async () => {
    const { access_token, userId } = await person()
    await json(put(access_token, png()))
    for (let times = 0; times < 2; times += 1)
      expect((await call('/auth/me/avatar', { method: 'DELETE', bearer: access_token })).status).toBe(204)
    expect((await json<MeJson>(call('/auth/me', { bearer: access_token }))).avatar_url).toBeNull()
    await eventually(async () => ((await stored()).length === 0 ? true : null))
    expect((await auditOf(userId)).filter(({ action }) => action === 'avatar.removed')).toHaveLength(1)
  })

  it('two put at once, with the database 20 ms away: one is left, in row and in R2', async () => {
    const { access_token } = await person()
    await proxy.setDelay(20)
    await Promise.all([png(), jpeg(), webp(), png()].map((bytes) => json(put(access_token, bytes))))
    await proxy.setDelay(0)
    await eventually(async () => ((await count('erasures')) === 0 ? true : null))
    const [row] = await query<{ avatar_id: string }>('SELECT avatar_id FROM users')
    expect(await stored()).toEqual([row?.avatar_id])
  })

  it('a message that was lost is found by cron; doubled, late or foreign ones do nothing', async () => {
    const { access_token } = await person()
    const lost = workerEnv({ DELIVER_QUEUE: { sendBatch: () => Promise.reject(new Error('lost')) } })
    await json(put(access_token, png()))
    await json(put(access_token, jpeg(), { env: lost }))
    const [erasure] = await query<{ id: string }>('SELECT erasure_id AS id FROM erasures')
    expect(await stored()).toHaveLength(2)
    const queue = heldQueue()
    const message = await tickFinds(queue)
    expect(message).toEqual({ kind: 'erase_avatar', erasure_id: erasure?.id })
    // As a grant it is none.
    expect(await consume({ kind: 'erase', erasure_id: erasure?.id })).toBe(true)
    expect(await stored()).toHaveLength(2)
    for (let times = 0; times < 2; times += 1) expect(await consume(message)).toBe(true)
    expect(await consume({ kind: 'erase_avatar', erasure_id: someId })).toBe(true)
    expect(await stored()).toHaveLength(1)
    expect(await count('erasures')).toBe(0)
  })

  it('while R2 refuses, the row stays and is tried again later', async () => {
    const { access_token } = await person()
    const queue = heldQueue()
    await json(put(access_token, png()))
    await json(put(access_token, jpeg(), { env: workerEnv({ DELIVER_QUEUE: queue }) }))
    const [message] = queue.bodies
    const broken = { AVATARS: { delete: () => Promise.reject(new Error('no')) } }
    expect(await consume(message, broken)).toBe(true)
    const waiting = `due_at_utc > now() AND attempt_cnt = 1 AND last_error_cd = 'storage_unavailable'`
    expect(await count('erasures', waiting)).toBe(1)
    // Not before its time.
    expect(await consume(message)).toBe(true)
    expect(await stored()).toHaveLength(2)
    await query(`UPDATE erasures SET due_at_utc = now()`)
    expect(await consume(message)).toBe(true)
    expect([(await stored()).length, await count('erasures')]).toEqual([1, 0])
  })

  it('where R2 does not take it, nothing changes', async () => {
    const { access_token } = await person()
    const broken = workerEnv({ AVATARS: { put: () => Promise.reject(new Error('no')) } })
    expect(await refusal(put(access_token, png(), { env: broken }))).toEqual([503, 'unavailable'])
    expect(await count('users', 'avatar_id IS NOT NULL')).toBe(0)
  })
})

/** The one picture that a tick finds due. */
async function tickFinds(queue: ReturnType<typeof heldQueue>): Promise<unknown> {
  const tick = createScheduledController({ scheduledTime: new Date(), cron: '* * * * *' })
  await worker.scheduled(tick, workerEnv({ DELIVER_QUEUE: queue }))
  expect(queue.bodies).toHaveLength(1)
  return queue.bodies[0]
}
