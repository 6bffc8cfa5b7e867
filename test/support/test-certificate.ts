// A self-signed certificate made when it is needed (plain Node), so that no key stands in the repository and none ages.
// Just enough X.509 (RFC 5280) in DER: Node signs, but it issues no certificates itself.
import { generateKeyPairSync, sign } from 'node:crypto'

export interface TestCertificate {
  key: string
  cert: string
}

const der = (tag: number, ...contents: Uint8Array[]): Buffer => {
  const body = Buffer.concat(contents)
  const length =
    body.length < 128
      ? [body.length]
      : body.length < 256
        ? [0x81, body.length]
        : [0x82, body.length >> 8, body.length & 255]
  return Buffer.concat([Buffer.from([tag, ...length]), body])
}
const sequence = (...contents: Uint8Array[]): Buffer => der(0x30, ...contents)
const ecdsaWithSha256 = sequence(Buffer.from('06082a8648ce3d040302', 'hex'))
const time = (date: Date): Buffer =>
  der(0x18, Buffer.from(date.toISOString().replace(/[-:T]/g, '').replace(/\.\d+/, '')))

/** For these DNS names (as subject alternative names), from an hour ago until tomorrow. */
export function makeTestCertificate(...names: string[]): TestCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const commonName = sequence(
    der(0x31, sequence(Buffer.from('0603550403', 'hex'), der(0x0c, Buffer.from('gatepost test certificate')))),
  )
  const alternativeNames = sequence(
    Buffer.from('0603551d11', 'hex'),
    der(0x04, sequence(...names.map((name) => der(0x82, Buffer.from(name))))),
  )
  const now = Date.now()
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.from([1])),
    ecdsaWithSha256,
    commonName,
    sequence(time(new Date(now - 3_600_000)), time(new Date(now + 86_400_000))),
    commonName,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(alternativeNames)),
  )
  const signature = der(0x03, Buffer.from([0]), sign('sha256', toBeSigned, privateKey))
  const body = sequence(toBeSigned, ecdsaWithSha256, signature).toString('base64')
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${body.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`,
  }
}
