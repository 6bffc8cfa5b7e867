// `npm run assets`: builds `public/`, which git ignores: Swagger UI and ReDoc from their npm packages, the common
// passwords from theirs, our style sheet and the small scripts of our own pages. Running it again writes only what
// changed and removes what no longer belongs.
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { dictionary } from '@zxcvbn-ts/language-common'
import { projectRoot } from './postgres.ts'

const require = createRequire(import.meta.url)

/** Builds `public/` and returns the files that changed, relative to it. */
export async function buildAssets(root = projectRoot): Promise<string[]> {
  const target = join(root, 'public')
  const wanted = await listAssets(root)
  const changed: string[] = []
  for (const [name, content] of generated) {
    const path = join(target, name)
    if ((await readFile(path, 'utf8').catch(() => undefined)) === content) continue
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
    changed.push(name)
  }
  for (const [name, source] of wanted) {
    const path = join(target, name)
    if (await isSame(source, path)) continue
    await mkdir(dirname(path), { recursive: true })
    await copyFile(source, path)
    changed.push(name)
  }
  await mkdir(target, { recursive: true })
  for (const entry of await readdir(target, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const name = path.slice(target.length + 1)
    if (entry.isFile() && !wanted.has(name) && !generated.has(name)) await rm(path)
  }
  return changed
}

/**
 * What our rule of length would let pass, in lower case as it is compared, a line each with a line end at both ends of
 * the file (src/auth/common-passwords.ts reads it).
 */
function commonPasswords(): string {
  const long = dictionary['passwords-common']
    .map((entry) => String(entry).toLowerCase())
    .filter((entry) => [...entry].length >= 8)
  return `\n${[...new Set(long)].join('\n')}\n`
}

const generated: ReadonlyMap<string, string> = new Map([[join('assets', 'common-passwords.txt'), commonPasswords()]])

async function listAssets(root: string): Promise<Map<string, string>> {
  const swagger = dirname(require.resolve('swagger-ui-dist/package.json'))
  const redoc = dirname(require.resolve('redoc/package.json'))
  const pages = join(root, 'src', 'http', 'pages')
  const wanted = new Map<string, string>()
  for (const name of ['swagger-ui.css', 'swagger-ui-bundle.js', 'favicon-32x32.png', 'LICENSE', 'NOTICE']) {
    wanted.set(join('assets', 'swagger-ui', name), join(swagger, name))
  }
  for (const name of ['redoc.standalone.js', 'redoc.standalone.js.LICENSE.txt']) {
    wanted.set(join('assets', 'redoc', name), join(redoc, 'bundles', name))
  }
  if ((await names(pages)).includes('style.css')) wanted.set(join('assets', 'style.css'), join(pages, 'style.css'))
  for (const name of await names(join(pages, 'assets'))) wanted.set(join('assets', name), join(pages, 'assets', name))
  return wanted
}

async function names(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
}

async function isSame(source: string, target: string): Promise<boolean> {
  const [left, right] = await Promise.all([readFile(source), readFile(target).catch(() => undefined)])
  return right?.equals(left) ?? false
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const changed = await buildAssets()
  console.log(changed.length === 0 ? 'public/ is up to date.' : `public/: ${changed.length} files written.`)
}
