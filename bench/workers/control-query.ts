// Control: the empty Hono Worker with one indexed query by `pg`: a named statement, one client a request.
import { Hono } from 'hono'
import { Client } from 'pg'

const app = new Hono<{ Bindings: { HYPERDRIVE: Hyperdrive } }>()

app.get('/:id', async (c) => {
  const client = new Client({ connectionString: c.env.HYPERDRIVE.connectionString })
  await client.connect()
  const { rows } = await client.query({
    name: 'control-query',
    text: 'SELECT user_id, email_address_txt, role_cd, created_at_utc FROM users WHERE user_id = $1',
    values: [c.req.param('id')],
  })
  return c.json(rows[0])
})

export default app
