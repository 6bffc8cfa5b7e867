// Before each file of the tests inside workerd: nothing of the file before it is left. Files share a workerd and its world
// one after another, since starting both takes longer than most files do.
import { afterAll, beforeAll, vi } from 'vitest'
import { google } from './app.ts'
import { emptyAuditTrail, emptyTables, proxy } from './database.ts'
import { github } from './github.ts'

beforeAll(async () => {
  await proxy.setMode('normal')
  await proxy.setDelay(0)
  await emptyTables()
  await emptyAuditTrail()
  await google.reset()
  await github.reset()
})

afterAll(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.useRealTimers()
})
