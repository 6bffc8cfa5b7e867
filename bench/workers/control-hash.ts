// Control: the empty Hono Worker with one argon2id computation, the Worker's own.
import { Hono } from 'hono'
import { verifyPassword } from '../../src/crypto/password.ts'
import { benchPassword, benchPasswordHash } from '../password.ts'

const app = new Hono()
app.get('/', (c) => c.json({ ok: verifyPassword(benchPasswordHash, benchPassword) }))

export default app
