// The configuration lint of `npm run check`: reads the repository, applies lint-rules.ts, prints, exits 1 on any finding.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { lint, type TextFile } from './lint-rules.ts'

const root = join(import.meta.dirname, '..')
const unread = /(?:^|\/)(?:node_modules|public|coverage|dist|\.git|\.wrangler|\.gatepost)\/|^test\/|package-lock\.json$/
const texts = /\.(?:[cm]?[jt]sx?|json|jsonc|toml|ya?ml|md|sh|sql)$|(?:^|\/)(?:Dockerfile|Makefile)$/

const listed = gitFiles(['--cached', '--others', '--exclude-standard'])
const paths = (listed ?? walk()).filter(
  (path) => !unread.test(path) && texts.test(path) && existsSync(join(root, path)),
)
const files: TextFile[] = paths.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
const findings = lint(files, gitFiles(['--cached']) ?? [])

for (const { path, line, rule, sentence } of findings) console.error(`${path}:${line}: ${rule}: ${sentence}`)
if (findings.length === 0) console.log(`lint: ${files.length} files, nothing found`)
process.exitCode = findings.length === 0 ? 0 : 1

/** Paths that git lists, or nothing where this folder is no checkout (an unpacked archive, say). */
function gitFiles(options: string[]): string[] | undefined {
  try {
    const output = execFileSync('git', ['ls-files', '-z', ...options], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return [...new Set(output.toString('utf8').split('\0'))].filter((path) => path !== '')
  } catch {
    return undefined
  }
}

function walk(folder = ''): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (!entry.isDirectory()) return [path]
    return unread.test(`${path}/`) ? [] : walk(path)
  })
}
