// Control: the empty Hono Worker with one KV put, of a value as long as a flow record.
import { Hono } from 'hono'

const app = new Hono<{ Bindings: { OAUTH_STATE: KVNamespace } }>()
const value = 'x'.repeat(450)

app.get('/', async (c) => {
  await c.env.OAUTH_STATE.put(`flow:${crypto.randomUUID()}`, value, { expirationTtl: 600 })
  return c.json({ ok: true })
})

export default app
