// Fixed keys for tests. The signing key is the published example of RFC 7515, appendix A.3: nobody can mistake it for a
// secret.
const sealingKey = Buffer.alloc(32, 'gatepost test sealing key')
const pepper = Buffer.alloc(32, 'gatepost test pepper')

/** The settings that hold keys, by name. */
export const testKeys = {
  TOKEN_ENCRYPTION_KEYS: `test1:${sealingKey.toString('base64')}`,
  JWT_SIGNING_KEYS: JSON.stringify({
    keys: [
      {
        kty: 'EC',
        crv: 'P-256',
        x: 'f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU',
        y: 'x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0',
        d: 'jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI',
        kid: 'test-signing-1',
        alg: 'ES256',
        use: 'sig',
      },
    ],
  }),
  CODE_PEPPER: pepper.toString('base64'),
}
