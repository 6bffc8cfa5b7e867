// The document is OpenAPI 3.1, by a validator that is not ours (it compiles its schemas, which workerd does not allow).
import { Validator } from '@seriousme/openapi-schema-validator'
import { describe, expect, it } from 'vitest'
import { compose } from '../../src/deps.ts'
import type { WorkerEnv } from '../../src/env.ts'
import { createApp } from '../../src/http/app.ts'
import { testKeys } from '../support/keys.ts'

const absent = {}

/** Enough of a platform for a document: nothing of it is asked. */
const env = {
  ...testKeys,
  APP_URL: 'http://localhost:8787',
  HYPERDRIVE: { connectionString: 'postgres://nobody@127.0.0.1:1/nothing' },
  OAUTH_STATE: absent,
  CACHE: absent,
  REFRESH_QUEUE: absent,
  DELIVER_QUEUE: absent,
  SYNC_QUEUE: absent,
  AVATARS: absent,
  ASSETS: absent,
} as unknown as WorkerEnv

async function readDocument(): Promise<Record<string, unknown>> {
  const composed = await compose(env)
  if (!('deps' in composed)) throw new Error(`not composed: ${JSON.stringify(composed.problems)}`)
  const response = await createApp().fetch(new Request('http://localhost:8787/openapi.json'), composed)
  expect(response.status).toBe(200)
  return (await response.json()) as Record<string, unknown>
}

describe('/openapi.json', () => {
  it('is accepted as OpenAPI 3.1', async () => {
    const validator = new Validator()
    const result = await validator.validate(await readDocument())
    expect(result.errors ?? []).toEqual([])
    expect(result.valid).toBe(true)
    expect(validator.version).toBe('3.1')
  })

  it('has no reference that leads nowhere, and would be refused with one', async () => {
    const document = await readDocument()
    const validator = new Validator()
    await validator.validate(document)
    expect(JSON.stringify(validator.resolveRefs())).not.toContain('$ref')
    const broken = structuredClone(document)
    Reflect.set(broken, 'paths', { '/x': { get: { responses: 'none' } } })
    expect((await new Validator().validate(broken)).valid).toBe(false)
  })
})
