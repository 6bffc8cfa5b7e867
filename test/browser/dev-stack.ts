// The whole product for a browser test: what `npm run dev` starts, on free ports and a database of its own. Ends with the
// test, and with the test run's process if that dies first.
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { projectRoot } from '../../scripts/postgres.ts'
import { startDatabaseProxy, throughProxy } from '../support/database-proxy.ts'

export interface DevStack {
  /** The Worker's origin. */
  readonly url: string
  readonly googleUrl: string
  stop(): Promise<void>
}

/** The demo person of the local Google, an administrator here. */
export const demoPerson = 'demo.gatepost@gmail.com'

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

/** `CHROMIUM_PATH` first, then the usual names; null where there is none. */
export function findChromium(): string | null {
  const folders = (process.env.PATH ?? '').split(':').filter((folder) => folder !== '')
  const usual = names.flatMap((name) => folders.map((folder) => join(folder, name)))
  const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
  const candidates = [process.env.CHROMIUM_PATH ?? '', ...usual, mac]
  return candidates.find((path) => path !== '' && existsSync(path)) ?? null
}

export const chromiumArgs = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** A port nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no free port')
  return address.port
}

/** A port that was free a moment ago may be taken by now: then all of it begins again, on others. */
const starts = 3

/** `settings` win over those of every browser test. */
export async function startDevStack(
  databaseUrl: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<DevStack> {
  for (let start = 1; ; start += 1) {
    try {
      return await startOnce(databaseUrl, settings)
    } catch (error) {
      if (start === starts || !/in use|is taken/.test(String(error))) throw error
    }
  }
}

async function startOnce(databaseUrl: string, settings: Readonly<Record<string, string>>): Promise<DevStack> {
  const port = await freePort()
  const googlePort = await freePort()
  const githubPort = await freePort()
  const proxy = await startDatabaseProxy(databaseUrl)
  const child = spawn(process.execPath, [join(projectRoot, 'scripts', 'dev.ts')], {
    cwd: projectRoot,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      ...ownSettings,
      ...settings,
      PORT: String(port),
      GATEPOST_GOOGLE_PORT: String(googlePort),
      GATEPOST_GITHUB_PORT: String(githubPort),
      DATABASE_URL: throughProxy(databaseUrl, proxy),
      DEV_CRON: 'off',
      // The script then watches us, and ends when we do.
      npm_lifecycle_event: 'test:browser',
    },
  })
  const stop = async (): Promise<void> => {
    await ended(child)
    await proxy.close()
    for (const name of [`worker-${port}`, `registry-${port}`]) {
      await rm(join(projectRoot, '.gatepost', name), { recursive: true, force: true })
    }
  }
  try {
    return { url: await readAddress(child), googleUrl: `http://127.0.0.1:${googlePort}`, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

// What a developer wrote into .dev.vars must not decide how a test ends.
const ownSettings = {
  APP_URL: '',
  APP_NAME: 'Gatepost',
  GOOGLE_CLIENT_ID: 'local-google-client',
  GOOGLE_CLIENT_SECRET: 'local-google-secret',
  GOOGLE_REDIRECT_URI: '',
  GOOGLE_EMULATOR_URL: '',
  GITHUB_CLIENT_ID: 'local-github-client',
  GITHUB_CLIENT_SECRET: 'local-github-secret',
  GITHUB_REDIRECT_URI: '',
  GITHUB_EMULATOR_URL: '',
  TRUSTED_EMAIL_PROVIDERS: '',
  FRONTEND_CALLBACK_URL: '',
  RETURN_URLS: '',
  CORS_ORIGINS: '',
  HANDOFF_CHALLENGE: '',
  ADMIN_EMAILS: demoPerson,
}

/** Waits for the line that says where to open it. */
function readAddress(child: ChildProcess): Promise<string> {
  const said: string[] = []
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        said.push(line)
        const address = /^\s*open\s+(http:\/\/localhost:\d+)/.exec(line)?.[1]
        if (address !== undefined) resolve(address)
      })
    }
    child.once('exit', (code) => reject(new Error(`it ended with ${code}:\n${said.slice(-20).join('\n')}`)))
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await exit
}
