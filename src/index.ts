// The Worker's entry: three doors. Reads env, composes what verbs take, hands over. No logic.

import { compose } from './deps.ts'
import type { WorkerEnv } from './env.ts'
import { createApp, createBrokenApp } from './http/app.ts'
import { consumeBatch } from './jobs/consume.ts'
import { runSchedule } from './jobs/schedule.ts'

const app = createApp()
const brokenApp = createBrokenApp()

export default {
  async fetch(request, env, context): Promise<Response> {
    const composed = await compose(env)
    return 'deps' in composed ? app.fetch(request, composed, context) : brokenApp.fetch(request, composed, context)
  },

  async scheduled(_event, env): Promise<void> {
    const composed = await compose(env)
    if ('deps' in composed) await runSchedule(composed.deps)
  },

  async queue(batch, env): Promise<void> {
    const composed = await compose(env)
    if ('deps' in composed) await consumeBatch(composed.deps, batch)
    else batch.retryAll({ delaySeconds: 60 })
  },
} satisfies ExportedHandler<WorkerEnv>
