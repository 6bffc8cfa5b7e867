// The bench's world: a PostgreSQL of its own with the durability of production, migrated; the services around the Worker;
// keys and settings; and processes of the Worker and its controls. Everything ends with `close`.
import { createSign, generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { freshKeys } from '../scripts/keys.ts'
import { migrate } from '../scripts/migrate.ts'
import { startPostgres } from '../scripts/postgres.ts'
import { watchdog } from '../scripts/watchdog.ts'
import { type Built, buildAll, type ControlName, controlNames } from './build.ts'
import { type Services, startServices } from './services.ts'
import { startWorkerd, type Workerd } from './workerd.ts'

export const appUrl = 'http://localhost:8787'
export const frontEnd = 'http://localhost:3000/callback'
export const clientId = 'bench-client'
/** Connections to PostgreSQL of each pooler. */
const poolSize = 20

export interface World {
  readonly built: Built
  readonly keys: ReturnType<typeof freshKeys>
  readonly sql: postgres.Sql
  readonly services: Services
  /** Starts a process of the Worker, or of a control; `counted` ones reach PostgreSQL through the counting proxy. */
  start(what: 'candidate' | ControlName, way?: 'direct' | 'counted', heapMegabytes?: number): Promise<Workerd>
  signIdToken(claims: Readonly<Record<string, unknown>>): string
  /** Processor seconds of PostgreSQL so far; null where /proc does not say. */
  databaseCpuSeconds(): Promise<number | null>
  close(): Promise<void>
}

export async function openWorld(
  say: (line: string) => void,
  controls: readonly ControlName[] = controlNames,
): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'gatepost-bench-'))
  watchdog().watchFolder(folder)
  say('building the Worker and its controls')
  const built = await buildAll(folder, controls)
  say('starting PostgreSQL')
  // Not the tests' ephemeral server: fsync and synchronous_commit stay on, as a production server has them.
  const dataDir = `${folder}-postgres`
  watchdog().watchFolder(dataDir)
  const server = await startPostgres({ dataDir })
  await migrate(server.url())
  const sql = postgres(server.url(), { max: 4, onnotice: () => {} })
  await sql`CREATE TABLE bench_control (
    bench_control_id uuid PRIMARY KEY DEFAULT gen_random_uuid(), owner_id uuid NOT NULL, note_txt text NOT NULL,
    created_at_utc timestamptz NOT NULL DEFAULT now())`
  await sql`CREATE INDEX bench_control_owner_ix ON bench_control (owner_id, created_at_utc)`
  const signer = idTokenSigner()
  const services = await startServices({ databaseUrl: server.url(), poolSize, jwks: signer.jwks })
  const keys = freshKeys()
  const settings = {
    ...keys,
    APP_URL: appUrl,
    APP_NAME: 'Gatepost',
    GOOGLE_CLIENT_ID: clientId,
    GOOGLE_CLIENT_SECRET: 'bench-secret',
    GOOGLE_EMULATOR_URL: services.providerOrigin,
    FRONTEND_CALLBACK_URL: frontEnd,
    MAIL_TRANSPORT: 'console',
    // Cron finds no mailbox to bring in step: a tick is what it was before there was mail.
    SYNC_INTERVAL_SECONDS: '0',
    GMAIL_UNITS_PER_MINUTE: '1000000',
    GMAIL_PROJECT_UNITS_PER_MINUTE: '100000000',
  }
  const running = new Set<Workerd>()
  return {
    built,
    keys,
    sql,
    services,
    async start(what, way = 'direct', heapMegabytes) {
      const worker = what === 'candidate' ? built.candidate : built.controls[what]
      if (worker === undefined) throw new Error(`the control ${what} was not built`)
      const compiled = (folder: string) => worker.compiled.map(([name, bytes]) => [`${folder}${name}`, bytes] as const)
      const modules =
        what === 'candidate'
          ? ([['bench/workers/entry.ts', built.entry], ['src/index.ts', worker.bundle], ...compiled('src/')] as const)
          : ([['control.js', worker.bundle], ...compiled('')] as const)
      const databasePort = way === 'direct' ? services.poolPort : services.countedPoolPort
      const { compatibility, assets } = built
      const { kvPort } = services
      const ports = { kvPort, databasePort }
      const started = await startWorkerd({ folder, modules, compatibility, assets, settings, heapMegabytes, ...ports })
      running.add(started)
      return {
        ...started,
        stop: async () => {
          running.delete(started)
          await started.stop()
        },
      }
    },
    signIdToken: (claims) => signer.sign({ iss: services.providerOrigin, aud: clientId, azp: clientId, ...claims }),
    databaseCpuSeconds: () => serverCpuSeconds(dataDir),
    async close() {
      await Promise.all([...running].map((one) => one.stop()))
      await services.stop()
      await sql.end({ timeout: 2 })
      await server.stop()
      await rm(dataDir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
    },
  }
}

function idTokenSigner(): { jwks: string; sign: (claims: object) => string } {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const header = part({ alg: 'RS256', kid: 'bench', typ: 'JWT' })
  return {
    jwks: JSON.stringify({
      keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'bench', use: 'sig', alg: 'RS256' }],
    }),
    sign: (claims) => {
      const words = `${header}.${part(claims)}`
      return `${words}.${createSign('RSA-SHA256').update(words).sign(privateKey, 'base64url')}`
    },
  }
}

/** The server process and all it made: one process a connection. Those that ended meanwhile are missing. */
async function serverCpuSeconds(dataDir: string): Promise<number | null> {
  const pidFile = await readFile(join(dataDir, 'postmaster.pid'), 'utf8').catch(() => '')
  const server = pidFile.split('\n')[0] ?? ''
  const processes = await readdir('/proc').catch(() => [])
  let ticks = 0
  for (const pid of processes.filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (pid === server || fields[1] === server) ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks === 0 ? null : ticks / 100
}
