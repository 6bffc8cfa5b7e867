// Before each file of the tests inside workerd: nothing of the file before it is left. Files share a workerd and its world
// one after another, since starting both takes longer than most files do.
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, vi } from 'vitest'
import { google } from './app.ts'
import { emptyAuditTrail, emptyTables, proxy } from './database.ts'
import { github } from './github.ts'

const stores = env as unknown as { OAUTH_STATE: KVNamespace; CACHE: KVNamespace; AVATARS: R2Bucket }

async function emptyStores(): Promise<void> {
  for (const kv of [stores.OAUTH_STATE, stores.CACHE])
    for (let isWhole = false; !isWhole; ) {
      const { keys, list_complete } = await kv.list()
      await Promise.all(keys.map(({ name }) => kv.delete(name)))
      isWhole = list_complete
    }
  const { objects } = await stores.AVATARS.list()
  await stores.AVATARS.delete(objects.map(({ key }) => key))
}

beforeAll(async () => {
  await proxy.setMode('normal')
  await proxy.setDelay(0)
  await emptyTables()
  await emptyAuditTrail()
  await emptyStores()
  await google.reset()
  await github.reset()
})

afterAll(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})
