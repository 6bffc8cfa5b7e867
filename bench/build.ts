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

export const controlNames = ['empty', 'kv', 'query', 'insert', 'fetch'] as const
export type ControlName = (typeof controlNames)[number]

export interface Built {
  readonly bundle: string
  /** Compiled modules that the bundle imports, by the name it calls them. */
  readonly compiled: readonly (readonly [name: string, bytes: Buffer])[]
  /** The bundle and its compiled modules. */
  readonly bundleBytes: number
  readonly gzipBytes: number
  /** Bytes in the bundle by package (or room of ours), largest first. */
  readonly parts: readonly (readonly [name: string, bytes: number])[]
  readonly controls: Readonly<Record<ControlName, string>>
  readonly entry: string
  readonly compatibility: { readonly date: string; readonly flags: readonly string[] }
}

const metafile = z.object({
  outputs: z.record(z.string(), z.object({ inputs: z.record(z.string(), z.object({ bytesInOutput: z.number() })) })),
})

/** Builds everything into `folder`. */
export async function buildAll(folder: string): Promise<Built> {
  if (!existsSync(join(projectRoot, 'public', 'assets'))) await buildAssets()
  const settings = await readFile(join(projectRoot, 'wrangler.toml'), 'utf8')
  const date = /^compatibility_date = "(.+)"/m.exec(settings)?.[1] ?? ''
  const flags = [...(/^compatibility_flags = \[(.*)\]/m.exec(settings)?.[1] ?? '').matchAll(/"([^"]+)"/g)].map(
    (match) => match[1] ?? '',
  )
  const candidate = join(folder, 'candidate')
  await dryRun(['--outdir', candidate, '--metafile'])
  const bundle = await readFile(join(candidate, 'index.js'), 'utf8')
  const names = (await readdir(candidate)).filter((name) => name.endsWith('.wasm'))
  const compiled = await Promise.all(names.map(async (name) => [name, await readFile(join(candidate, name))] as const))
  const uploaded = [Buffer.from(bundle), ...compiled.map(([, bytes]) => bytes)]
  const total = (sizeOf: (bytes: Buffer) => number): number => uploaded.reduce((sum, bytes) => sum + sizeOf(bytes), 0)
  const controls = await Promise.all(controlNames.map((name) => buildControl(folder, name, date, flags)))
  return {
    bundle,
    compiled,
    bundleBytes: total((bytes) => bytes.length),
    gzipBytes: total((bytes) => gzipSync(bytes).length),
    parts: partsOf(metafile.parse(JSON.parse(await readFile(join(candidate, 'bundle-meta.json'), 'utf8')))),
    controls: Object.fromEntries(controls) as Record<ControlName, string>,
    entry: stripTypeScriptTypes(await readFile(join(import.meta.dirname, 'workers', 'entry.ts'), 'utf8')),
    compatibility: { date, flags },
  }
}

async function buildControl(
  folder: string,
  name: ControlName,
  date: string,
  flags: readonly string[],
): Promise<[ControlName, string]> {
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
  return [name, await readFile(join(own, `control-${name}.js`), 'utf8')]
}

async function dryRun(options: readonly string[]): Promise<void> {
  const wrangler = join(projectRoot, 'node_modules', 'wrangler', 'bin', 'wrangler.js')
  await promisify(execFile)(process.execPath, [wrangler, 'deploy', '--dry-run', ...options], {
    cwd: projectRoot,
    env: { ...process.env, WRANGLER_SEND_METRICS: 'false', CI: 'true' },
  })
}

function partsOf(meta: z.infer<typeof metafile>): [string, number][] {
  const sums = new Map<string, number>()
  for (const output of Object.values(meta.outputs)) {
    for (const [path, { bytesInOutput }] of Object.entries(output.inputs)) {
      const name =
        /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? (path.includes('src/') ? 'our own code' : 'glue')
      sums.set(name, (sums.get(name) ?? 0) + bytesInOutput)
    }
  }
  return [...sums].sort((a, b) => b[1] - a[1])
}
