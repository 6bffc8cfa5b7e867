// Control: the empty Hono Worker with one indexed insert by `pg`: a named statement, one client a request.
import { Hono } from 'hono'
import { Client } from 'pg'

const app = new Hono<{ Bindings: { HYPERDRIVE: Hyperdrive } }>()

app.get('/:id', async (c) => {
  const client = new Client({ connectionString: c.env.HYPERDRIVE.connectionString })
  await client.connect()
  const { rows } = await client.query({
    name: 'control-insert',
    text: 'INSERT INTO bench_control (owner_id, note_txt) VALUES ($1, $2) RETURNING bench_control_id',
    values: [c.req.param('id'), 'as long as the detail of an audit row usually is'],
  })
  return c.json(rows[0])
})

export default app
