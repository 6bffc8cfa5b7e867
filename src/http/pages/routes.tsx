// Draft.

import { Hono } from 'hono'
import type { AppEnv } from '../context.ts'

export function pages(): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.get('/', (c) => c.html(<p>soon</p>))
  return app
}
