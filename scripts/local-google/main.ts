// Runs the local Google on its own: node scripts/local-google/main.ts --port 9101. Client id and secret come from the
// environment, redirect URIs may be any loopback address. Ends on SIGINT and SIGTERM.
import { parseArgs } from 'node:util'
import { startLocalGoogle } from './server.ts'

const { values } = parseArgs({ options: { port: { type: 'string', default: '9101' }, empty: { type: 'boolean' } } })
const port = Number(values.port)
if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error('--port takes a number from 0 to 65535')

const google = await startLocalGoogle({
  port,
  demo: values.empty !== true,
  clients: [
    {
      clientId: process.env.GOOGLE_CLIENT_ID || 'local-google-client',
      clientSecret: process.env.GOOGLE_CLIENT_SECRET || 'local-google-secret',
      redirectUris: 'any-loopback',
    },
  ],
  log: (line) => console.error(line),
})
console.log(`local Google ready at ${google.url}`)
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void google.close().then(() => process.exit(0)))
}
