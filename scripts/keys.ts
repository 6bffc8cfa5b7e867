// `npm run keys`: prints fresh keys for a deployment. The development script takes its keys from here too.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { fileURLToPath } from 'node:url'

/** Fresh random values of the three settings that hold keys, by name. Nothing is stored. */
export function freshKeys(): Record<'TOKEN_ENCRYPTION_KEYS' | 'JWT_SIGNING_KEYS' | 'CODE_PEPPER', string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { kty, crv, d, x, y } = privateKey.export({ format: 'jwk' })
  const signingKey = { kty, crv, d, x, y, kid: freshKeyId(), alg: 'ES256', use: 'sig' }
  return {
    TOKEN_ENCRYPTION_KEYS: `${freshKeyId()}:${randomBytes(32).toString('base64')}`,
    JWT_SIGNING_KEYS: JSON.stringify({ keys: [signingKey] }),
    CODE_PEPPER: randomBytes(32).toString('base64'),
  }
}

function freshKeyId(): string {
  return `k${randomBytes(4).toString('hex')}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  console.log('Fresh keys. Set each with `npx wrangler secret put NAME`; they are shown only here and now.')
  console.log('To rotate, put the new key before the old ones and keep those (docs/operations.md).\n')
  for (const [name, value] of Object.entries(freshKeys())) console.log(`${name}\n${value}\n`)
}
