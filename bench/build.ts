// Builds what is measured: the Worker exactly as `wrangler deploy` would upload it, and the controls the same way.
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gzipSync } from 'node:zlib'
import * as z from 'zod'
import { buildAssets } from '../scripts/assets.ts'
import { projectRoot } from '../scripts/postgres.ts'

export const controlNames = ['empty', 'hash', 'kv', 'query', 'insert', 'fetch'] as const
export type ControlName = (typeof controlNames)[number]

export interface BuiltWorker {
  readonly bundle: string
  /** Compiled modules that the bundle imports, by the name it calls them. */
  readonly compiled: readonly (readonly [name: string, bytes: Buffer])[]
}

export interface Built {
  readonly candidate: BuiltWorker
  /** Of the Worker as it is uploaded: the bundle and its compiled modules. */
  readonly bundleBytes: number
  readonly gzipBytes: number
  /** Bytes by package (or room of ours), largest first; a compiled module stands by its own name. */
  readonly parts: readonly (readonly [name: string, bytes: number])[]
  /** Those that were wanted. */
  readonly controls: Readonly<Partial<Record<ControlName, BuiltWorker>>>
  readonly entry: string
  /** The folder of the static files. */
  readonly assets: string
  readonly compatibility: { readonly date: string; readonly flags: readonly string[] }
}

const metafile = z.object({
  outputs: z.record(z.string(), z.object({ inputs: z.record(z.string(), z.object({ bytesInOutput: z.number() })) })),
})

/** Builds the Worker and these controls into `folder`. */
export async function buildAll(folder: string, wanted: readonly ControlName[]): Promise<Built> {
  const assets = join(projectRoot, 'public')
  if (!existsSync(join(assets, 'assets', 'common-passwords.txt'))) await buildAssets()
  const settings = await readFile(join(projectRoot, 'wrangler.toml'), 'utf8')
  const date = /^compatibility_date = "(.+)"/m.exec(settings)?.[1] ?? ''
  const flags = [...(/^compatibility_flags = \[(.*)\]/m.exec(settings)?.[1] ?? '').matchAll(/"([^"]+)"/g)].map(
    (match) => match[1] ?? '',
  )
  const own = join(folder, 'candidate')
  await dryRun(['--outdir', own, '--metafile'])
  const candidate = await readBuilt(own, 'index.js')
  const uploaded = [Buffer.from(candidate.bundle), ...candidate.compiled.map(([, bytes]) => bytes)]
  const total = (sizeOf: (bytes: Buffer) => number): number => uploaded.reduce((sum, bytes) => sum + sizeOf(bytes), 0)
  const controls = await Promise.all(wanted.map((name) => buildControl(folder, name, date, flags)))
  const meta = metafile.parse(JSON.parse(await readFile(join(own, 'bundle-meta.json'), 'utf8')))
  return {
    candidate,
    bundleBytes: total((bytes) => bytes.length),
    gzipBytes: total((bytes) => gzipSync(bytes).length),
    parts: partsOf(meta, candidate),
    controls: Object.fromEntries(controls),
    entry: stripTypeScriptTypes(await readFile(join(import.meta.dirname, 'workers', 'entry.ts'), 'utf8')),
    assets,
    compatibility: { date, flags },
  }
}

/** What the dry run left: the bundle, and beside it what it imports as compiled modules. */
async function readBuilt(folder: string, main: string): Promise<BuiltWorker> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.wasm'))
  return {
    bundle: await readFile(join(folder, main), 'utf8'),
    compiled: await Promise.all(names.map(async (name) => [name, await readFile(join(folder, name))] as const)),
  }
}

async function buildControl(
  folder: string,
  name: ControlName,
  date: string,
  flags: readonly string[],
): Promise<[ControlName, BuiltWorker]> {
  const own = join(folder, `control-${name}`)
  await mkdir(own, { recursive: true })
  const config = join(own, 'wrangler.json')
  await writeFile(
    config,
    JSON.stringify({
      name: `control-${name}`,
      main: join(import.meta.dirname, 'workers', `control-${name}.ts`),
      compatibility_date: date,
      compatibility_flags: flags,
    }),
  )
  await dryRun(['--config', config, '--outdir', own])
  return [name, await readBuilt(own, `control-${name}.js`)]
}

async function dryRun(options: readonly string[]): Promise<void> {
  const wrangler = join(projectRoot, 'node_modules', 'wrangler', 'bin', 'wrangler.js')
  await promisify(execFile)(process.execPath, [wrangler, 'deploy', '--dry-run', ...options], {
    cwd: projectRoot,
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: 'true' },
  })
}

function partsOf(meta: z.infer<typeof metafile>, { compiled }: BuiltWorker): [string, number][] {
  // wrangler puts the hash of its content before a compiled module's name.
  const sums = new Map(compiled.map(([name, bytes]) => [name.replace(/^[0-9a-f]{40}-/, ''), bytes.length]))
  for (const output of Object.values(meta.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
      const name =
        /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? (path.includes('src/') ? 'our own code' : 'glue')
      sums.set(name, (sums.get(name) ?? 0) + bytesInOutput)
    }
  }
  return [...sums].sort((a, b) => b[1] - a[1])
}
