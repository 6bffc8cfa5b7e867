// `npm run dev`: everything the Worker needs, on this machine, with one command: PostgreSQL, migrations, assets, a local
// Google and GitHub with demo data, the Worker in `wrangler dev`, and cron every minute. Whatever ends it, nothing is left running.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { buildAssets } from './assets.ts'
import { migrate } from './migrate.ts'
import { developmentDataDir, isPortFree, projectRoot, Refusal, startPostgres } from './postgres.ts'
import {
  assignment,
  describeDatabaseError,
  ensureDevVars,
  isLoopback,
  portFrom,
  readDevVars,
  settingNames,
} from './settings.ts'
import { isAlive, watchdog } from './watchdog.ts'

const DEFAULT_PORT = 8787
const DEFAULT_PG_PORT = 54329
const DEFAULT_GOOGLE_PORT = 9101
const DEFAULT_GITHUB_PORT = 9201
const LOCAL_GITHUB_CLIENT = 'local-github-client'
const READY_TIMEOUT_MS = 90_000
const CRON_INTERVAL_MS = 60_000
const LOCAL_GOOGLE = join(projectRoot, 'scripts', 'local-google', 'server.ts')
const LOCAL_GITHUB = join(projectRoot, 'scripts', 'local-github', 'server.ts')
const STATE_DIR = join(projectRoot, '.gatepost')
// wrangler would send its own requests to the Worker through a proxy; the Worker itself never uses one.
const PROXY_NAMES = ['http_proxy', 'https_proxy', 'all_proxy']

type Settings = Record<string, string>
type LocalProvider = { url: string; port: number; close(): Promise<void> }

// What must be undone, newest last.
const cleanups: (() => Promise<void> | void)[] = []
let ending: Promise<void> | undefined

function say(line: string): void {
  console.log(`gatepost  ${line}`)
}

/** Stops everything in reverse order and leaves. The first caller decides the exit code. */
function end(exitCode: number, reason: string): Promise<void> {
  ending ??= (async () => {
    say(reason)
    for (const undo of cleanups.reverse()) {
      try {
        await undo()
      } catch (error) {
        console.error(error)
      }
    }
    process.exit(exitCode)
  })()
  return ending
}

/** True once the end has begun: a start in progress then goes no further. */
function checkStillWanted(): void {
  if (ending) throw new Refusal('stopped')
}

function stopOnEveryWayOut(): void {
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => void end(0, 'stopping …'))
  const crash = (error: unknown): void => {
    if (!ending) console.error(error instanceof Refusal ? error.message : describeDatabaseError(error))
    void end(1, 'stopping after an error …')
  }
  process.on('uncaughtException', crash)
  process.on('unhandledRejection', crash)
  // A terminal that is gone must not turn our last words into a crash.
  process.stdout.on('error', () => {})
  process.stderr.on('error', () => {})
  watchParents()
}

/** Under npm, an end of npm (kill -9 included) ends us: between npm and us there may be a shell. */
function watchParents(): void {
  if (process.env.npm_lifecycle_event === undefined) return
  const parent = process.ppid
  const watched = [parent]
  try {
    const [above, ...words] = execFileSync('ps', ['-o', 'ppid=,args=', '-p', String(parent)], { encoding: 'utf8' })
      .trim()
      .split(/\s+/)
    if (/(^|\/)(ba|da|z|a)?sh$/.test(words[0] ?? '') && words[1] === '-c') watched.push(Number(above))
  } catch {
    // No `ps` here: the parent alone is watched.
  }
  setInterval(() => {
    if (process.ppid !== parent || !watched.every(isAlive)) void end(0, 'npm is gone, stopping …')
  }, 500).unref()
}

async function main(): Promise<void> {
  stopOnEveryWayOut()
  const port = portFrom('PORT', DEFAULT_PORT)
  if (!(await isPortFree(port)) || !(await isPortFree(port, '::1'))) {
    throw new Refusal(
      `Port ${port} is taken, and the Worker was to listen there. Stop what runs on it, or set PORT to a free port.`,
    )
  }
  const pgPort = portFrom('GATEPOST_PG_PORT', DEFAULT_PG_PORT)
  const googlePort = await chooseProviderPort('Google', 'GOOGLE', DEFAULT_GOOGLE_PORT)
  const githubPort = await chooseProviderPort('GitHub', 'GITHUB', DEFAULT_GITHUB_PORT)

  const devVars = await ensureDevVars()
  if (devVars === 'created') say('made .dev.vars with fresh random keys')
  if (devVars === 'completed') say('put fresh random keys into .dev.vars')
  const settings = await readSettings(port, { googlePort, githubPort })
  await checkSettings(settings.effective)

  const [databaseUrl] = await Promise.all([prepareDatabase(pgPort), buildAssets()])
  checkStillWanted()
  if (settings.googlePort !== undefined) {
    await startGoogle(settings.googlePort, settings.effective)
    checkStillWanted()
  }
  if (settings.githubPort !== undefined) {
    await startGithub(settings.githubPort, settings.effective)
    checkStillWanted()
  }

  say('starting the Worker …')
  const worker = await startWorker(port, settings.overrides, databaseUrl)
  await untilReady(port, worker)
  const cron = startCron(port)
  printWelcome(port, settings, databaseUrl, cron)
}

async function chooseProviderPort(name: string, prefix: 'GOOGLE' | 'GITHUB', fallback: number): Promise<number> {
  const setting = `GATEPOST_${prefix}_PORT`
  const wanted = portFrom(setting, fallback)
  if (process.env[`${prefix}_EMULATOR_URL`]) return wanted
  // Nothing but our own settings knows this port, so by default a second start simply takes the next one.
  const candidates = process.env[setting] ? [wanted] : Array.from({ length: 20 }, (_, offset) => wanted + offset)
  for (const candidate of candidates) if (await isPortFree(candidate)) return candidate
  throw new Refusal(
    `Port ${wanted} is taken, and the local ${name} was to listen there. Set ${setting} to a free port, or ${prefix}_EMULATOR_URL to use another emulator.`,
  )
}

interface ReadSettings {
  /** What the Worker will see. */
  effective: Settings
  /** What must be said beside `.dev.vars`. */
  overrides: Settings
  /** Where to start the local Google; undefined when it is not ours to start. */
  googlePort: number | undefined
  /** The same of the local GitHub. */
  githubPort: number | undefined
}

/** The environment wins over `.dev.vars`, and what neither says is filled in from the ports. */
async function readSettings(
  port: number,
  { googlePort, githubPort }: { googlePort: number; githubPort: number },
): Promise<ReadSettings> {
  const file = await readDevVars()
  const names = new Set([...(await settingNames()), ...Object.keys(file)])
  const overrides: Settings = {}
  // The second reader expands $NAME in .dev.vars; said again in our file, such a value stays what it is.
  for (const [name, value] of Object.entries(file)) if (value.includes('$')) overrides[name] = value
  for (const name of names) {
    const given = process.env[name]
    if (given !== undefined) overrides[name] = given
  }
  const value = (name: string): string => overrides[name] ?? file[name] ?? ''
  const fill = (name: string, computed: string): void => {
    if (!value(name)) overrides[name] = computed
    else if (process.env[name] === undefined) overrides[name] = followPort(value(name), port)
  }
  fill('APP_URL', `http://localhost:${port}`)
  const origin = value('APP_URL').replace(/\/+$/, '')
  fill('GOOGLE_REDIRECT_URI', `${origin}/auth/google/callback`)
  fill('GITHUB_REDIRECT_URI', `${origin}/auth/github/callback`)

  // Real credentials mean the real Google; emulators are for loopback only (the Worker refuses them elsewhere).
  const isLocal = URL.canParse(origin) && isLoopback(new URL(origin).hostname)
  const isReal = value('GOOGLE_CLIENT_ID').endsWith('.apps.googleusercontent.com')
  const isOurs = existsSync(LOCAL_GOOGLE) && isLocal && !isReal
  const startsGoogle = isOurs && !value('GOOGLE_EMULATOR_URL') && value('GOOGLE_CLIENT_ID') !== ''
  if (startsGoogle) overrides.GOOGLE_EMULATOR_URL = `http://127.0.0.1:${googlePort}`
  // Real client ids have no prefix to know them by: only the one of .dev.vars.example means the local GitHub.
  const startsGithub = isLocal && !value('GITHUB_EMULATOR_URL') && value('GITHUB_CLIENT_ID') === LOCAL_GITHUB_CLIENT
  if (startsGithub) overrides.GITHUB_EMULATOR_URL = `http://127.0.0.1:${githubPort}`
  return {
    effective: { ...file, ...overrides },
    overrides,
    googlePort: startsGoogle ? googlePort : undefined,
    githubPort: startsGithub ? githubPort : undefined,
  }
}

/** A localhost address with the default port means "this Worker", wherever it listens. */
function followPort(text: string, port: number): string {
  if (!URL.canParse(text)) return text
  const url = new URL(text)
  if (!isLoopback(url.hostname) || url.port !== String(DEFAULT_PORT)) return text
  return text.replace(`:${DEFAULT_PORT}`, `:${port}`)
}

async function checkSettings(settings: Settings): Promise<void> {
  const { checkSettingsAndKeys } = await import('../src/deps.ts')
  const problems = await checkSettingsAndKeys(settings)
  if (problems.length === 0) return
  throw new Refusal(
    [
      'The settings are not complete:',
      ...problems.map((problem) => `  - ${problem}`),
      'They stand in .dev.vars, or in the environment, which wins.',
    ].join('\n'),
  )
}

async function prepareDatabase(pgPort: number): Promise<string> {
  const given = process.env.DATABASE_URL
  if (given) {
    say('using the PostgreSQL of DATABASE_URL')
    await migrate(given)
    return given
  }
  say(`starting PostgreSQL on port ${pgPort} …`)
  const server = await startPostgres({ port: pgPort, dataDir: developmentDataDir(pgPort), statementStatistics: true })
  if (ending) {
    await server.stop()
    checkStillWanted()
  }
  cleanups.push(() => server.stop())
  void server.exited.then(() => end(1, 'PostgreSQL ended, stopping …'))
  await migrate(server.url())
  return server.url()
}

async function startGoogle(port: number, settings: Settings): Promise<void> {
  say(`starting the local Google on port ${port} …`)
  const module: { startLocalGoogle(options: object): Promise<LocalProvider> } = await import(
    pathToFileURL(LOCAL_GOOGLE).href
  )
  const google = await module.startLocalGoogle({ port, demo: true, clients: googleClients(settings) })
  cleanups.push(() => google.close())
}

async function startGithub(port: number, settings: Settings): Promise<void> {
  say(`starting the local GitHub on port ${port} …`)
  const module: { startLocalGithub(options: object): Promise<LocalProvider> } = await import(
    pathToFileURL(LOCAL_GITHUB).href
  )
  const client = {
    clientId: settings.GITHUB_CLIENT_ID,
    clientSecret: settings.GITHUB_CLIENT_SECRET,
    redirectUris: [settings.GITHUB_REDIRECT_URI],
  }
  const github = await module.startLocalGithub({ port, demo: true, clients: [client] })
  cleanups.push(() => github.close())
}

function googleClients(settings: Settings): object[] {
  return [
    {
      clientId: settings.GOOGLE_CLIENT_ID,
      clientSecret: settings.GOOGLE_CLIENT_SECRET,
      redirectUris: [settings.GOOGLE_REDIRECT_URI],
    },
  ]
}

async function startWorker(port: number, overrides: Settings, databaseUrl: string): Promise<ChildProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-dev-'))
  const forgetFolder = watchdog().watchFolder(folder)
  cleanups.push(async () => {
    await rm(folder, { recursive: true, force: true })
    forgetFolder()
  })
  const overrideFile = join(folder, 'vars')
  const lines = Object.entries(overrides).map(([name, value]) => assignment(name, value))
  await writeFile(overrideFile, `${lines.join('\n')}\n`, { mode: 0o600 })
  checkStillWanted()

  const cli = join(dirname(createRequire(import.meta.url).resolve('wrangler/package.json')), 'bin', 'wrangler.js')
  const args = [cli, 'dev', '--port', String(port), '--ip', 'localhost', '--show-interactive-dev-session=false']
  // Any free port for the inspector: a fixed one is raced for where two of us start at once.
  args.push('--inspector-port', '0')
  args.push('--env-file', '.dev.vars', '--env-file', overrideFile)
  args.push('--persist-to', join(STATE_DIR, `worker-${port}`), '--log-level', 'log')
  const child = spawn(process.execPath, args, {
    cwd: projectRoot,
    env: workerEnvironment(port, overrides, databaseUrl),
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own group: Ctrl-C reaches only us, and we stop it, its bundler and its runtime together.
    detached: true,
  })
  const pid = child.pid
  if (pid === undefined) throw new Refusal('wrangler could not be started.')
  const forgetGroup = watchdog().watchGroup(pid)
  cleanups.push(async () => {
    await stopGroup(pid)
    forgetGroup()
  })
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => {
      const kept = keepLine(line)
      if (kept !== undefined) console.log(kept)
      // wrangler restarts a crashed runtime, but nothing answers any more after that.
      if (line.includes('runtime crashed unexpectedly')) void end(1, 'the Worker crashed, stopping …')
    })
  }
  child.once('exit', (code) => void end(1, `the Worker ended (code ${code}), stopping …`))
  return child
}

function workerEnvironment(port: number, overrides: Settings, databaseUrl: string): NodeJS.ProcessEnv {
  const hidden = new Set([...Object.keys(overrides), 'DATABASE_URL'])
  const kept = Object.entries(process.env).filter(
    ([name]) => !hidden.has(name) && !PROXY_NAMES.includes(name.toLowerCase()),
  )
  return {
    ...Object.fromEntries(kept),
    CLOUDFLARE_HYPERDRIVE_LOCAL_CONNECTION_STRING_HYPERDRIVE: databaseUrl,
    CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV: 'true',
    CLOUDFLARE_INCLUDE_PROCESS_ENV: 'false',
    CLOUDFLARE_CF_FETCH_ENABLED: 'false',
    WRANGLER_SEND_METRICS: 'false',
    WRANGLER_SEND_ERROR_REPORTS: 'false',
    WRANGLER_HIDE_BANNER: 'true',
    WRANGLER_LOG_PATH: join(STATE_DIR, 'logs'),
    WRANGLER_REGISTRY_PATH: join(STATE_DIR, `registry-${port}`),
    FORCE_COLOR: '0',
    NO_COLOR: '1',
  }
}

const NOISE = [
  /^\s*$/,
  /^⎔ /,
  /^Cloudflare collects anonymous telemetry/,
  /Your types might be out of date/,
  /^🪵/,
  /^Your Worker has access to the following bindings:/,
  /^Binding\s+Resource\s/,
  /^env\.[A-Z]/,
  /^\[wrangler:info\] /,
  /^Using secrets defined in /,
  /^Found a non-empty CLOUDFLARE_HYPERDRIVE/,
  /Scheduled Workers are not automatically triggered/,
  /^\s+To manually trigger a scheduled event/,
  /^\s+curl "http:\/\/localhost/,
  /^\s+For more details, see https:\/\/developers\.cloudflare\.com\/workers\/configuration\/cron/,
]

/** What of wrangler's output is worth a line here: the Worker's log and errors. */
function keepLine(raw: string): string | undefined {
  const line = stripVTControlCharacters(raw)
  if (NOISE.some((pattern) => pattern.test(line))) return undefined
  return line
    .replace(/^▲ \[WARNING\] /, 'warning: ')
    .replace(/^✘ \[ERROR\] /, 'error: ')
    .replace(/^\[wrangler:error\] /, 'error: ')
}

async function stopGroup(pid: number): Promise<void> {
  for (const [name, patienceMs] of [
    ['SIGTERM', 5000],
    ['SIGKILL', 2000],
  ] as const) {
    try {
      process.kill(-pid, name)
    } catch {
      return
    }
    const deadline = Date.now() + patienceMs
    while (isAlive(-pid) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** GET on the Worker, never through a proxy. Answers the status, or 0 when nobody listens. */
async function ask(port: number, path: string, timeoutMs: number): Promise<number> {
  return new Promise((resolve) => {
    const request = get({ host: 'localhost', port, path, agent: new Agent(), timeout: timeoutMs }, (response) => {
      response.resume()
      response.once('close', () => resolve(response.statusCode ?? 0))
    })
    request.once('timeout', () => request.destroy())
    request.once('error', () => resolve(0))
  })
}

async function untilReady(port: number, worker: ChildProcess): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS
  while (worker.exitCode === null && Date.now() < deadline) {
    checkStillWanted()
    if ((await ask(port, '/health/liveness', 10_000)) === 200) {
      watchWorker(port)
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 150))
  }
  checkStillWanted()
  throw new Refusal(`The Worker did not answer /health/liveness within ${READY_TIMEOUT_MS / 1000} seconds.`)
}

/** wrangler outlives a crash of its runtime in silence: then nobody listens on the port any more. */
function watchWorker(port: number): void {
  let refused = 0
  const timer = setInterval(() => {
    const socket = connect({ host: 'localhost', port })
    socket.once('connect', () => {
      refused = 0
      socket.destroy()
    })
    socket.once('error', () => {
      refused += 1
      if (refused === 3) void end(1, `the Worker no longer listens on port ${port}, stopping …`)
    })
  }, 2000)
  cleanups.push(() => clearInterval(timer))
}

/** Fires the Worker's cron at every full minute, as in production. */
function startCron(port: number): boolean {
  if (process.env.DEV_CRON === 'off') return false
  let timer: NodeJS.Timeout
  let failed = false
  const plan = (): void => {
    timer = setTimeout(fire, CRON_INTERVAL_MS - (Date.now() % CRON_INTERVAL_MS))
  }
  const fire = async (): Promise<void> => {
    const status = await ask(port, '/cdn-cgi/handler/scheduled', CRON_INTERVAL_MS)
    const fails = status !== 200
    if (fails && !failed && !ending) say(`cron failed (status ${status}); it is tried again every minute`)
    failed = fails
    if (!ending) plan()
  }
  plan()
  cleanups.push(() => clearTimeout(timer))
  return true
}

function printWelcome(port: number, settings: ReadSettings, databaseUrl: string, cron: boolean): void {
  const own = settings.effective.APP_URL ?? ''
  const database = new URL(databaseUrl)
  const admin = settings.effective.ADMIN_EMAILS?.split(',')[0]?.trim()
  const next =
    settings.googlePort === undefined
      ? 'create an account, or sign in with a provider you configured'
      : `choose "Sign in with Google" and be ${admin}: an administrator with a demo mailbox`
  const rows = [
    ['open', own || `http://localhost:${port}`],
    ['next step', next],
    ['API', `http://localhost:${port}/docs`],
    ...(settings.effective.MAIL_TRANSPORT === 'console' ? [['letters', `http://localhost:${port}/dev/letters`]] : []),
    ['database', `${database.hostname}:${database.port || 5432}${database.pathname} (npm run db:psql)`],
    ...(settings.googlePort === undefined
      ? []
      : [['Google', `http://127.0.0.1:${settings.googlePort} (local, strict)`]]),
    ...(settings.githubPort === undefined
      ? []
      : [['GitHub', `http://127.0.0.1:${settings.githubPort} (local, strict)`]]),
    ['cron', cron ? 'every minute' : 'off (DEV_CRON=off)'],
    ['stop', 'Ctrl-C'],
  ]
  const lines = rows.map(([name = '', text = '']) => `    ${name.padEnd(11)}${text}`)
  console.log(['', '  Gatepost is running.', '', ...lines, ''].join('\n'))
}

try {
  await main()
} catch (error) {
  if (!ending) console.error(error instanceof Refusal ? error.message : describeDatabaseError(error))
  await end(1, 'not started')
}
