// The rooms of src/ and what each may import, as data, and the pure check of sources against it.
// Reads no file: paths and texts are given, so invented sources can prove that every rule fires.
import { posix } from 'node:path'
import { lineAt, readSource } from '../../scripts/source-text.ts'

export interface SourceFile {
  /** From the root of the repository, with forward slashes: `src/auth/sign-in.ts`. */
  path: string
  text: string
}

export interface Violation {
  path: string
  line: number
  rule: string
  sentence: string
}

export interface Import {
  /** Undefined where the module's name is computed. */
  specifier: string | undefined
  /** `import type` and `export type`. `import { type A }` stays in the output as an import, so it does not count. */
  typeOnly: boolean
  /** Names taken from the module; undefined for a default, a namespace, a side effect or a dynamic import. */
  names: string[] | undefined
  line: number
}

const every = ['errors', 'log', 'type messages']
const domain = ['auth', 'users', 'oauth', 'mail-accounts', 'mail', 'letters', 'ops']
const profile = 'type providers/provider#Profile'

/** `room`, `room/file`, `type …` for types only, `…#Name` for that name only. Inside a room everything is open. */
export const importTable: Readonly<Record<string, readonly string[]>> = {
  crypto: [],
  errors: [],
  log: [],
  messages: [],
  env: every,
  db: ['crypto', ...every],
  providers: ['crypto', ...every],
  letters: ['db', 'crypto', ...every],
  auth: ['db', 'crypto', 'letters', profile, ...every],
  users: ['db', 'crypto', 'letters', 'auth', profile, ...every],
  'mail-accounts': ['db', 'crypto', 'providers', 'letters', ...every],
  oauth: ['auth', 'mail-accounts', 'providers', 'db', 'crypto', ...every],
  mail: ['mail-accounts/access-token', 'providers', 'db', 'crypto', ...every],
  ops: ['db', 'crypto', ...every],
  http: [...domain, 'messages', 'type deps#Deps', ...every],
  jobs: [...domain, 'messages', 'type deps#Deps', ...every],
  deps: [...domain, 'providers', 'db', 'crypto', 'messages', 'env', ...every],
  index: ['env', 'deps', 'http/app', 'jobs', ...every],
}

interface PackageRule {
  matches: RegExp
  allows: (path: string) => boolean
  sentence: string
}

const packageRules: readonly PackageRule[] = [
  {
    matches: /^(?:postgres|drizzle-orm\/postgres-js)(?:\/|$)/,
    allows: () => false,
    sentence: 'postgres.js is for scripts and tests; the Worker speaks pg',
  },
  {
    matches: /^(?:drizzle-orm|pg)(?:\/|$)/,
    allows: (path) => path.startsWith('src/db/') || path.endsWith('.sql.ts'),
    sentence: 'only *.sql.ts and db/ import Drizzle or the driver',
  },
  {
    matches: /^(?:hono|@hono\/[^/]+)(?:\/|$)/,
    allows: (path) => path.startsWith('src/http/'),
    sentence: 'only http/ imports Hono',
  },
  {
    matches: /^arctic(?:\/|$)/,
    allows: (path) => path === 'src/providers/oauth2.ts',
    sentence: 'only providers/oauth2.ts imports Arctic, so that leaving it is one file',
  },
  {
    matches: /^worker-mailer$/,
    allows: (path) => path === 'src/letters/smtp-message.ts' || path === 'src/mail/send/mime-message.ts',
    sentence: 'only those who write a message import worker-mailer, for its MIME; its connection is not safe to use',
  },
  {
    matches: /^cloudflare:sockets$/,
    allows: (path) => path === 'src/letters/smtp.ts',
    sentence: 'only letters/smtp.ts opens sockets',
  },
  {
    matches: /^cloudflare:workers$/,
    allows: (path) => path === 'src/index.ts',
    sentence: 'only index.ts imports cloudflare:workers; everybody else is handed what it needs',
  },
]

const forbiddenWords = /(?:^|[-.])(?:utils?|helpers?|services|types|managers?|enhanced|improved)(?=[-.]|$)/
const maxLines = 300

/** Every import of one source: static, side effect, re-export, dynamic and require. Comments and strings are no code. */
export function importsOf(source: string): Import[] {
  const { code, literals } = readSource(source)
  const specifierOf = (index: string | undefined): string | undefined =>
    index === undefined ? undefined : literals[Number(index)]?.text
  const found: Import[] = []

  const withClause = /(?<![.\w$])(?:import|export)\s+(type\s+)?((?:[\w$*]|\{[^}]*\})[^'`;()=]*?)\s*\bfrom\s*'#(\d+)'/g
  for (const match of code.matchAll(withClause)) {
    found.push({
      specifier: specifierOf(match[3]),
      typeOnly: match[1] !== undefined,
      names: namesOf(match[2] ?? ''),
      line: lineAt(code, match.index),
    })
  }
  for (const match of code.matchAll(/(?<![.\w$])import\s*'#(\d+)'/g)) {
    found.push({
      specifier: specifierOf(match[1]),
      typeOnly: false,
      names: undefined,
      line: lineAt(code, match.index),
    })
  }
  const dynamic = /(\btypeof\s+)?(?<![.\w$])(?:import|require)\s*\(\s*(?:(?:'#(\d+)'|`#(\d+)`)\s*[,)])?/g
  for (const match of code.matchAll(dynamic)) {
    found.push({
      specifier: specifierOf(match[2] ?? match[3]),
      typeOnly: match[1] !== undefined,
      names: undefined,
      line: lineAt(code, match.index),
    })
  }
  return found.sort((one, other) => one.line - other.line)
}

/** Checks all sources of src/ against the table and the other rules of its layout. */
export function checkLayout(files: readonly SourceFile[]): Violation[] {
  return files.flatMap((file) => [...checkFile(file), ...importsOf(file.text).flatMap((it) => checkImport(file, it))])
}

/** One line a violation, as compilers print it. */
export function printViolation({ path, line, rule, sentence }: Violation): string {
  return `${path}:${line}: ${rule}: ${sentence}`
}

function namesOf(clause: string): string[] | undefined {
  const braces = /^\{([^}]*)\}$/.exec(clause.trim())
  if (braces === null) return undefined
  return (braces[1] ?? '')
    .split(',')
    .map((name) =>
      (
        name
          .trim()
          .replace(/^type\s+/, '')
          .split(/\s+as\s+/)[0] ?? ''
      ).trim(),
    )
    .filter((name) => name !== '')
}

function checkFile({ path, text }: SourceFile): Violation[] {
  const violations: Violation[] = []
  const report = (line: number, rule: string, sentence: string): void => {
    violations.push({ path, line, rule, sentence })
  }
  const room = roomOf(path)
  if (importTable[room] === undefined) report(1, 'room', `"${room}" is no room of the import table`)
  for (const name of path.split('/').slice(1)) {
    if (forbiddenWords.test(name)) report(1, 'name', `"${name}" is named for a pattern, not for the work`)
  }
  if (/\/index\.[cm]?tsx?$/.test(path) && path !== 'src/index.ts') report(1, 'barrel', 'only src/index.ts is an index')
  if (path.endsWith('.tsx') && room !== 'http') report(1, 'package', 'JSX is compiled to hono/jsx: only http/ has it')
  if (!/^(?:#![^\n]*\n)?\s*\/[/*]/.test(text))
    report(1, 'comment', 'a file begins with a comment that says what it does')
  const lines = text.replace(/\n$/, '').split('\n').length
  if (lines > maxLines) report(lines, 'length', `${lines} lines; more than ${maxLines} is two subjects`)
  return violations
}

function checkImport(file: SourceFile, found: Import): Violation[] {
  const report = (rule: string, sentence: string): Violation[] => [
    { path: file.path, line: found.line, rule, sentence },
  ]
  const { specifier } = found
  if (specifier === undefined)
    return report('computed', 'the name of an imported module is written out, so it can be checked')
  if (!/^\.{0,2}\//.test(specifier) && specifier !== '.' && specifier !== '..')
    return checkPackage(file, found, specifier)

  const target = posix.normalize(posix.join(posix.dirname(file.path), specifier))
  if (!target.startsWith('src/')) return report('outside', `"${specifier}" lies outside src/`)
  const from = roomOf(file.path)
  const to = roomOf(target)
  if (from === to) return []
  const grants = (importTable[from] ?? []).map(readGrant).filter((grant) => grant.room === to)
  if (grants.some((grant) => permits(grant, target, found))) return []
  if (grants.length > 0)
    return report('import', `${from} may import of ${to} only ${grants.map(sayGrant).join(' and ')}`)
  return report('import', `${from} may not import ${to}`)
}

function checkPackage(file: SourceFile, found: Import, specifier: string): Violation[] {
  const report = (rule: string, sentence: string): Violation[] => [
    { path: file.path, line: found.line, rule, sentence },
  ]
  const rule = packageRules.find(({ matches }) => matches.test(specifier))
  if (rule !== undefined && !rule.allows(file.path)) return report('package', rule.sentence)
  if (/^zod(?:\/|$)/.test(specifier) && found.names !== undefined && !found.typeOnly) {
    return report('zod', 'import * as z: a named import keeps all of zod in the bundle')
  }
  return []
}

interface Grant {
  room: string
  file: string | undefined
  name: string | undefined
  typeOnly: boolean
}

function readGrant(text: string): Grant {
  const [, type, room = '', file, name] = /^(type )?([\w-]+)(?:\/([\w-]+))?(?:#(\w+))?$/.exec(text) ?? []
  return { room, file, name, typeOnly: type !== undefined }
}

function sayGrant({ room, file, name, typeOnly }: Grant): string {
  const place = file === undefined ? room : `${room}/${file}`
  return `${typeOnly ? `the type${name === undefined ? 's' : ` ${name}`} of ` : ''}${place}`
}

function permits(grant: Grant, target: string, found: Import): boolean {
  if (grant.typeOnly && !found.typeOnly) return false
  if (grant.file !== undefined && target.replace(/\.tsx?$/, '') !== `src/${grant.room}/${grant.file}`) return false
  return grant.name === undefined || found.names?.every((name) => name === grant.name) === true
}

/** The first folder under src/, or the name of a file that lies there itself. */
function roomOf(path: string): string {
  return (path.split('/')[1] ?? '').replace(/\.[cm]?tsx?$/, '')
}
