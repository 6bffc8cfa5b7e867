// One process of `workerd serve` with a configuration of its own, and what /proc says of it. No development server.
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { watchdog } from '../scripts/watchdog.ts'

export interface WorkerdSetup {
  /** The folder that the process gets one of its own under. */
  readonly folder: string
  /** Modules by name, the entry first; bytes are a compiled one. */
  readonly modules: readonly (readonly [name: string, source: string | Uint8Array])[]
  readonly compatibility: { readonly date: string; readonly flags: readonly string[] }
  /** The folder of the static files behind `ASSETS`. */
  readonly assets: string
  readonly kvPort: number
  readonly databasePort: number
  readonly settings: Readonly<Record<string, string>>
  /** Of V8's heap, at most; as in production where it is not given. */
  readonly heapMegabytes?: number | undefined
}

export interface Workerd {
  readonly port: number
  /** Milliseconds from the start of the process until it listened. */
  readonly listenedAfterMs: number
  /** Processor seconds used so far; null where /proc does not say. */
  cpuSeconds(): Promise<number | null>
  /** The errors it logged last. */
  loggedErrors(): Promise<string>
  /** Resident bytes; null where /proc does not say. */
  residentBytes(): Promise<number | null>
  memory(): Promise<Memory | null>
  stop(): Promise<void>
}

/** Of a process: what it has and had at most, resident, and as address space. */
export interface Memory {
  readonly residentBytes: number
  readonly peakResidentBytes: number
  readonly reservedBytes: number
  readonly peakReservedBytes: number
}

const clockTicks = 100
/** What production gives an isolate; without it V8 lets the heap grow to several times that before it tidies up. */
const isolateHeapMegabytes = 128

/** Starts the process and resolves when it listens. Its log goes to a file in its folder. */
export async function startWorkerd(setup: WorkerdSetup): Promise<Workerd> {
  const own = await mkdtemp(join(setup.folder, 'workerd-'))
  await Promise.all([
    ...setup.modules.map(([, source], index) => writeFile(join(own, `module-${index}.js`), source)),
    writeFile(join(own, 'config.capnp'), configuration(setup)),
  ])
  const startedAt = performance.now()
  const log = await open(join(own, 'log'), 'w')
  const child = spawn(workerdBinary(), ['serve', '--control-fd=3', join(own, 'config.capnp')], {
    stdio: ['ignore', log.fd, 'pipe', 'pipe'],
  })
  const port = await listening(child)
  await log.close()
  const listenedAfterMs = performance.now() - startedAt
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  // However the bench ends: an interrupt, or a kill.
  const forget = child.pid === undefined ? () => undefined : watchdog().watchProcess(child.pid)
  return {
    port,
    listenedAfterMs,
    cpuSeconds: () => readCpuSeconds(child.pid ?? 0),
    loggedErrors: async () => {
      const lines = (await readFile(join(own, 'log'), 'utf8')).split('\n')
      return lines
        .filter((line) => line.includes('"level":"error"'))
        .slice(-5)
        .join('\n')
    },
    residentBytes: async () => (await readMemory(child.pid ?? 0))?.residentBytes ?? null,
    memory: () => readMemory(child.pid ?? 0),
    stop: async () => {
      child.kill('SIGKILL')
      await exited
      forget()
      await rm(own, { recursive: true, force: true })
    },
  }
}

function workerdBinary(): string {
  const fromWrangler = createRequire(createRequire(import.meta.url).resolve('wrangler/package.json'))
  const { default: path } = fromWrangler('workerd') as { default: string }
  return path
}

function listening(child: ChildProcess): Promise<number> {
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4_000)
  })
  return new Promise((resolve, reject) => {
    let text = ''
    const control = child.stdio[3] as Readable
    control.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const port = /"event":"listen","socket":"http","port":(\d+)/.exec(text)?.[1]
      if (port !== undefined) resolve(Number(port))
    })
    child.once('exit', (code) => reject(new Error(`workerd ended with ${code}:\n${errors}`)))
  })
}

const text = (value: string): string => JSON.stringify(value)

function configuration(setup: WorkerdSetup): string {
  const compatibility = `compatibilityDate = ${text(setup.compatibility.date)}, compatibilityFlags = [${setup.compatibility.flags.map(text).join(', ')}]`
  const modules = setup.modules.map(
    ([name, source], index) =>
      `(name = ${text(name)}, ${typeof source === 'string' ? 'esModule' : 'wasm'} = embed ${text(`module-${index}.js`)})`,
  )
  const settings = Object.entries(setup.settings).map(
    ([name, value]) => `(name = ${text(name)}, text = ${text(value)})`,
  )
  const hyperdrive = JSON.stringify({
    connectionString: `postgres://gatepost:gatepost@127.0.0.1:${setup.databasePort}/gatepost`,
  })
  return `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "assets", disk = (path = ${text(setup.assets)}, writable = false)),
    (name = "kv", external = (address = "127.0.0.1:${setup.kvPort}", http = ())),
    (name = "internet", network = (allow = ["local", "private", "public"])),
  ],
  v8Flags = ["--max-heap-size=${setup.heapMegabytes ?? isolateHeapMegabytes}"],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [${modules.join(', ')}],
  bindings = [
    (name = "HYPERDRIVE", json = ${text(hyperdrive)}),
    (name = "ASSETS", service = "assets"),
    (name = "OAUTH_STATE", kvNamespace = "kv"),
    (name = "CACHE", kvNamespace = "kv"),
    ${settings.join(',\n    ')}
  ],
  ${compatibility},
);
`
}

async function readCpuSeconds(pid: number): Promise<number | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  if (stat === null) return null
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / clockTicks
}

async function readMemory(pid: number): Promise<Memory | null> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  const bytes = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) * 1_024
  const [residentBytes, peakResidentBytes] = [bytes('VmRSS'), bytes('VmHWM')]
  const [reservedBytes, peakReservedBytes] = [bytes('VmSize'), bytes('VmPeak')]
  const memory = { residentBytes, peakResidentBytes, reservedBytes, peakReservedBytes }
  return Object.values(memory).some(Number.isNaN) ? null : memory
}
