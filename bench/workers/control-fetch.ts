// Control: the empty Hono Worker with one fetch to the provider stub.
import { Hono } from 'hono'

const app = new Hono<{ Bindings: { GOOGLE_EMULATOR_URL: string } }>()

app.get('/', async (c) => {
  const answer = await fetch(`${c.env.GOOGLE_EMULATOR_URL}/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=refresh_token&refresh_token=control&client_id=bench&client_secret=bench',
  })
  const { expires_in } = (await answer.json()) as { expires_in: number }
  return c.json({ expires_in })
})

export default app
