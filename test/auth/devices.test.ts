// Readable names of devices, for the user agents people really have.
import { describe, expect, it } from 'vitest'
import { deviceName } from '../../src/auth/devices.ts'

const webkit = 'AppleWebKit/537.36 (KHTML, like Gecko)'
const mac = 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)'
const windows = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64)'
const iphone = 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)'
const android = 'Mozilla/5.0 (Linux; Android 15; Pixel 9)'

describe('deviceName', () => {
  it.each([
    ['Chrome on Windows', `${windows} ${webkit} Chrome/140.0.0.0 Safari/537.36`],
    ['Edge on Windows', `${windows} ${webkit} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0`],
    ['Firefox on Windows', 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:142.0) Gecko/20100101 Firefox/142.0'],
    ['Opera on macOS', `${mac} ${webkit} Chrome/139.0.0.0 Safari/537.36 OPR/123.0.0.0`],
    ['Chrome on macOS', `${mac} ${webkit} Chrome/140.0.0.0 Safari/537.36`],
    ['Safari on macOS', `${mac} AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15`],
    ['Safari on iPhone', `${iphone} Version/18.5 Mobile/15E148 Safari/604.1`],
    ['Chrome on iPhone', `${iphone} CriOS/140.0.7339.39 Mobile/15E148 Safari/604.1`],
    ['Firefox on iPhone', `${iphone} FxiOS/142.0 Mobile/15E148 Safari/605.1.15`],
    ['Edge on iPhone', `${iphone} Version/18.0 EdgiOS/140.0.3485.54 Mobile/15E148 Safari/605.1.15`],
    [
      'Safari on iPad',
      'Mozilla/5.0 (iPad; CPU OS 17_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1',
    ],
    ['Chrome on Android', `${android} ${webkit} Chrome/140.0.0.0 Mobile Safari/537.36`],
    ['Edge on Android', `${android} ${webkit} Chrome/140.0.0.0 Mobile Safari/537.36 EdgA/140.0.0.0`],
    [
      'Samsung Internet on Android',
      `Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S921B) ${webkit} SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36`,
    ],
    ['Firefox on Android', 'Mozilla/5.0 (Android 15; Mobile; rv:142.0) Gecko/142.0 Firefox/142.0'],
    ['Firefox on Linux', 'Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0'],
    ['Chrome on ChromeOS', `Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) ${webkit} Chrome/140.0.0.0 Safari/537.36`],
    ['curl', 'curl/8.9.1'],
    ['Windows', windows],
    ['Unknown device', 'x'],
    ['Unknown device', ''],
    ['Unknown device', null],
  ])('%s', (name, userAgent) => {
    expect(deviceName(userAgent)).toBe(name)
  })
})
