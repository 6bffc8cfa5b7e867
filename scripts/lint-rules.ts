// What production refuses or punishes and a local run does not show: rules over settings, sources and commands.
// Pure: paths and texts come in, findings go out. Reading files and printing is the work of lint.ts.
import { type Literal, lineAt, readSource } from './source-text.ts'

export interface TextFile {
  /** From the root of the repository, with forward slashes. */
  path: string
  text: string
}

export interface Finding {
  path: string
  line: number
  rule: string
  sentence: string
}

/** All rules over all files; `tracked` are the paths git has, empty where there is no git. */
export function lint(files: readonly TextFile[], tracked: readonly string[]): Finding[] {
  const wrangler = files.find(({ path }) => path === 'wrangler.toml')
  return [
    ...files.flatMap((file) => [
      ...hyperdriveCommands(file),
      ...sessionSql(file),
      ...databaseClients(file),
      ...passwordHashes(file),
      ...consoleCalls(file),
      ...webAssembly(file),
    ]),
    ...(wrangler === undefined
      ? [{ path: 'wrangler.toml', line: 1, rule: 'wrangler-settings', sentence: 'the file is missing' }]
      : [...wranglerSecrets(wrangler), ...wranglerSettings(wrangler)]),
    ...trackedSecrets(tracked),
  ]
}

const inSource = (path: string): boolean => /^src\/.*\.[cm]?tsx?$/.test(path)

/** Hyperdrive caches reads for 60 s unless the command that creates it says otherwise, and knows nothing of writes. */
export function hyperdriveCommands({ path, text }: TextFile): Finding[] {
  if (inSource(path) || path.startsWith('test/')) return []
  const joined = text.replace(/\\\r?\n/g, (wrap) => `${' '.repeat(wrap.length - 1)}\v`)
  const findings: Finding[] = []
  const judge = (verb: string, options: string, at: number): void => {
    const off = /--caching-disabled(?![\w-])(?!["']?[=\s,"']+false)/.test(options)
    const on =
      /--no-caching-disabled|--caching-disabled["']?[=\s,"']+false|--caching-disabled-?(?:no|off)|--max-age|--swr/
    const line = lineAt(text, at)
    if (verb === 'create' && !off) {
      findings.push({ path, line, rule: 'hyperdrive-cache', sentence: 'a Hyperdrive is made with --caching-disabled' })
    } else if (on.test(options)) {
      findings.push({ path, line, rule: 'hyperdrive-cache', sentence: 'the query cache of Hyperdrive stays off' })
    }
  }
  for (const match of joined.matchAll(/\bhyperdrive[ \t\v]+(create|update)[ \t\v]+(?=[\w"'$<{[-])([^\n]*)/g)) {
    const rest = match[2] ?? ''
    const prose = path.endsWith('.md') && !inFence(joined, match.index) ? codeSpanRest(joined, match.index) : rest
    const options = prose ?? (/\bwrangler(?:@\S+)?[ \t\v]+$/.test(joined.slice(0, match.index)) ? rest : undefined)
    if (options !== undefined) judge(match[1] ?? '', options, match.index)
  }
  for (const match of text.matchAll(/['"]hyperdrive['"]\s*,\s*['"](create|update)['"]([^\]]*)/g)) {
    judge(match[1] ?? '', match[2] ?? '', match.index)
  }
  return findings
}

function inFence(text: string, at: number): boolean {
  return (text.slice(0, at).match(/^[ \t]*(?:```|~~~)/gm)?.length ?? 0) % 2 === 1
}

/** What follows in the code span of Markdown that `at` lies in; undefined outside one, where words are only words. */
function codeSpanRest(text: string, at: number): string | undefined {
  const lineStart = text.lastIndexOf('\n', at) + 1
  if ((text.slice(lineStart, at).split('`').length - 1) % 2 === 0) return undefined
  return /^[^`\n]*/.exec(text.slice(at))?.[0]
}

const statementStart = '(?:^|;|\\$\\w*\\$|\\b(?:BEGIN|THEN|ELSE)\\b)\\s*'
const sessionStatements: readonly { pattern: RegExp; sentence: string }[] = [
  {
    pattern: new RegExp(`${statementStart}(?:LISTEN|NOTIFY|UNLISTEN)\\s+["\\w*]`, 'g'),
    sentence: 'notifications belong to one connection, which a pool in transaction mode does not keep',
  },
  {
    pattern: new RegExp(
      `${statementStart}SET\\s+(?!LOCAL\\b|CONSTRAINTS\\b|TRANSACTION\\b)` +
        '(?:SESSION\\b|TIME\\s+ZONE\\b|ROLE\\b|NAMES\\b|["\\w.{}]+\\s*(?:=|\\bTO\\b))',
      'g',
    ),
    sentence: 'a setting of the session leaks to, or is lost for, whoever has the connection next: SET LOCAL',
  },
  {
    pattern: new RegExp(
      `${statementStart}(?:PREPARE\\s+["\\w]|EXECUTE\\s+(?!FUNCTION\\b|PROCEDURE\\b)["\\w]|` +
        'DEALLOCATE\\s+["\\w]|DISCARD\\s+(?:ALL|PLANS|TEMP|TEMPORARY|SEQUENCES)\\b)',
      'g',
    ),
    sentence: 'Hyperdrive does not take prepared statements as SQL; the driver names them in the protocol',
  },
]
const anywhere: readonly { pattern: RegExp; sentence: string }[] = [
  { pattern: /\bpg_(?:try_)?advisory_\w+/gi, sentence: 'Hyperdrive has no advisory locks: a row with a lease' },
  { pattern: /\bpg_notify\s*\(/gi, sentence: 'notifications belong to one connection, and Hyperdrive has none' },
  {
    pattern: /\bset_config\s*\([^()]*,\s*false\s*\)/gi,
    sentence: 'a setting of the session; pass true, so that it ends with the transaction',
  },
]
const sqlBefore =
  /(?:\b(?:sql|raw|query|execute|unsafe|named|begin)|\b(?:sql|client|pool|db|tx))\s*(?:<[^>]*>)?\s*\(?\s*$/

/** Statements that need a session of their own: Hyperdrive pools by transaction and refuses or forgets them. */
export function sessionSql({ path, text }: TextFile): Finding[] {
  if (/^(?:src|scripts|migrations)\/.*\.sql$/.test(path)) {
    const statements = text
      .replace(/\/\*[\s\S]*?\*\/|--[^\n]*/g, (comment) => comment.replace(/[^\n]/g, ' '))
      .replace(/'(?:[^']|'')*'/g, (words) => words.replace(/[^\n]/g, '0'))
    return sqlFindings(path, statements, 1, true)
  }
  if (!/^(?:src|scripts)\/.*\.[cm]?[jt]sx?$/.test(path)) return []
  const { code, literals } = readSource(text)
  const called = anywhere.flatMap(({ pattern, sentence }) =>
    [...code.matchAll(pattern)].map((match) => ({
      path,
      line: lineAt(code, match.index),
      rule: 'session-sql',
      sentence,
    })),
  )
  const isSql = ({ before }: Literal): boolean => sqlBefore.test(before.trimEnd().replace(/`$/, ''))
  return [...called, ...literals.flatMap((one) => sqlFindings(path, one.text, one.line, isSql(one)))]
}

/** In words that are not known to be SQL only capitals count: "listen on" may be a sentence of ours. */
function sqlFindings(path: string, text: string, line: number, isSql: boolean): Finding[] {
  return [...sessionStatements, ...anywhere].flatMap(({ pattern, sentence }) => {
    const found = text.matchAll(isSql ? new RegExp(pattern.source, 'gi') : pattern)
    return [...found].map(({ index, 0: statement }) => ({
      path,
      line: line + lineAt(text, index + statement.length) - 1,
      rule: 'session-sql',
      sentence,
    }))
  })
}

/** A database client is made once an invocation, in db/client.ts: one kept across requests fails every second time. */
export function databaseClients({ path, text }: TextFile): Finding[] {
  if (!inSource(path)) return []
  const { code } = readSource(text)
  const alias = [...code.matchAll(/\b(?:Client|Pool|drizzle)\s+as\s+(\w+)/g)].map((match) => match[1] ?? '')
  const made = new RegExp(
    ['\\bnew\\s+(?:\\w+\\.)?(?:Client|Pool)\\b', '(?<![.\\w$])(?:postgres|drizzle)\\s*(?:<[^;()]*>)?\\(']
      .concat(alias.map((name) => `(?<![.\\w$])(?:new\\s+)?${name}\\s*\\(`))
      .join('|'),
    'g',
  )
  const home = path === 'src/db/client.ts'
  const report = (at: number, sentence: string): Finding => ({
    path,
    line: lineAt(code, at),
    rule: 'database-client',
    sentence,
  })
  const findings = [...code.matchAll(made)].flatMap(({ index }) => [
    ...(home ? [] : [report(index, 'a database client is made in src/db/client.ts and nowhere else')]),
    ...(inFunction(code, index) ? [] : [report(index, 'a database client is never made in module scope')]),
  ])
  if (!home) return findings
  const kept = [...code.matchAll(/^(?:export\s+)?(?:let|var)\s/gm)]
  return [...findings, ...kept.map(({ index }) => report(index, 'a variable of the module would keep a client'))]
}

/** Whether a position runs only when something is called. Reads indented code as Biome leaves it. */
function inFunction(code: string, at: number): boolean {
  const opened: boolean[] = []
  let statement = 0
  for (let index = 0; index < at; index++) {
    if (code[index] === '\n' && /[^\s)}\]]/.test(code[index + 1] ?? ' ')) statement = index + 1
    if (code[index] === '{') opened.push(opensBody(code.slice(Math.max(statement, index - 600), index)))
    if (code[index] === '}') opened.pop()
  }
  return opened.includes(true) || /=>(?![\s\S]*[;{}])/.test(code.slice(statement, at))
}

function opensBody(before: string): boolean {
  const lastLine = before.slice(before.lastIndexOf('\n') + 1)
  return (
    /=>\s*$/.test(before) ||
    /\bfunction\b[^;]*\)\s*(?::[^;]*)?$/.test(before) ||
    /^\s*(?!(?:if|for|while|switch|catch)\b)(?:(?:async|static|get|set|private|override)\s+)*[#\w$]+\([^;]*\)\s*(?::[^;]*)?$/.test(
      lastLine,
    )
  )
}

const argon2Floor = [
  { name: /\b(?:m|memory\w*|memLimit|mem)\s*[:=]\s*([\d_]+)/g, least: 19_456, words: 'memory, 19456 KiB at least' },
  { name: /\b(?:t|time\w*|passes|iterations|opsLimit)\s*[:=]\s*([\d_]+)/g, least: 2, words: 'passes, 2 at least' },
  { name: /\b(?:p|parallelism|lanes)\s*[:=]\s*([\d_]+)/g, least: 1, words: 'lanes, 1 at least' },
]

/** Password hashing no weaker than argon2id m=19456 KiB, t=2, p=1, and never what production caps. */
export function passwordHashes({ path, text }: TextFile): Finding[] {
  if (!inSource(path)) return []
  const { code, literals } = readSource(text)
  const findings: Finding[] = []
  const report = (line: number, sentence: string): void => {
    findings.push({ path, line, rule: 'password-hash', sentence })
  }
  const eachPlace = (pattern: RegExp, act: (match: RegExpMatchArray, line: number) => void): void => {
    for (const match of code.matchAll(pattern)) act(match, lineAt(code, match.index))
    for (const one of literals) for (const match of one.text.matchAll(pattern)) act(match, one.line)
  }
  eachPlace(/pbkdf2/gi, (_, line) =>
    report(line, 'PBKDF2 is capped at 100,000 rounds in production, a sixth of enough'),
  )

  const words = `${code}\n${literals.map((one) => one.text).join('\n')}`
  if (/argon2/i.test(words)) {
    for (const { name, least, words } of argon2Floor) {
      eachPlace(name, ([, figure = ''], line) => {
        if (Number(figure.replaceAll('_', '')) < least) report(line, `argon2id is too weak: ${words}`)
      })
    }
    eachPlace(/\$argon2[id]\$/g, (_, line) => report(line, 'argon2id, neither argon2i nor argon2d'))
  }
  for (const call of code.matchAll(/(?<!\bfunction\s+)\bscrypt(?:Sync)?\s*\(/g)) {
    const sentence = weakScrypt(code)
    if (sentence !== undefined) report(lineAt(code, call.index), sentence)
  }
  return findings
}

/** OWASP's scrypt is N=2^14, r=8, p=5 or its equals; production refuses N·r·p above 2^20. */
function weakScrypt(code: string): string | undefined {
  const figure = (name: string, absent: number): number => {
    const [, base = '', operator, power] =
      new RegExp(`\\b(?:${name})\\s*[:=]\\s*([\\d_]+)\\s*(\\*\\*|<<)?\\s*(\\d+)?`).exec(code) ?? []
    const value = base === '' ? absent : Number(base.replaceAll('_', ''))
    if (operator === '**') return value ** Number(power)
    return operator === '<<' ? value * 2 ** Number(power) : value
  }
  const [cost, block, lanes] = [figure('N|cost', 16_384), figure('r|blockSize', 8), figure('p|parallelization', 1)]
  if (cost < 16_384 || block < 8 || cost * block * lanes < 655_360) return 'scrypt is weaker than N=2^14, r=8, p=5'
  return cost * block * lanes > 1_048_576 ? 'scrypt above N·r·p = 1,048,576 is refused in production' : undefined
}

/** One logger with an allow-list of fields; the console takes anything. */
export function consoleCalls({ path, text }: TextFile): Finding[] {
  if (!inSource(path) || path === 'src/log.ts') return []
  const { code } = readSource(text)
  return [...code.matchAll(/(?<![.\w$])(?:globalThis\s*\.\s*)?console\s*(?:\?\.|\.|\[)/g)].map(({ index }) => ({
    path,
    line: lineAt(code, index),
    rule: 'console',
    sentence: 'log through src/log.ts, which lets only known fields pass',
  }))
}

/** Production refuses WebAssembly compiled at run time; a module imported from a .wasm file is compiled at deploy. */
export function webAssembly({ path, text }: TextFile): Finding[] {
  if (!inSource(path)) return []
  const { code, literals } = readSource(text)
  const modules = [...code.matchAll(/\bimport\s+(\w+)\s+from\s*'#(\d+)'/g)]
    .filter((match) => /\.wasm(?:\?module)?$/.test(literals[Number(match[2])]?.text ?? ''))
    .map((match) => match[1])
  const used = /\bWebAssembly\s*\.\s*(compile|compileStreaming|instantiate|instantiateStreaming|Module)\s*\(\s*(\w*)/g
  return [...code.matchAll(used)]
    .filter((match) => !(match[1] === 'instantiate' && modules.includes(match[2])))
    .map(({ index }) => ({
      path,
      line: lineAt(code, index),
      rule: 'webassembly',
      sentence: 'production compiles no WebAssembly at run time: import the .wasm file and instantiate that',
    }))
}

const secretNames = [
  'GOOGLE_CLIENT_SECRET',
  'GITHUB_CLIENT_SECRET',
  'TOKEN_ENCRYPTION_KEYS',
  'JWT_SIGNING_KEYS',
  'CODE_PEPPER',
  'RESEND_API_KEY',
  'SMTP_URL',
  'DATABASE_URL',
]
const namedSecret = new RegExp(`(?<![\\w-])["']?(${secretNames.join('|')})["']?\\s*=`)
const localDatabase = /^postgres(?:ql)?:\/\/gatepost:gatepost@127\.0\.0\.1(?=[:/]|$)/
const bearer = /-----BEGIN[ A-Z]*PRIVATE KEY|"kty"|\bGOCSPX-|\bre_[A-Za-z0-9_]{16,}|\bgh[pousr]_\w{20,}|\bgp_\w{20,}/

/** Secrets are set with `wrangler secret put`; nothing of them stands in a file that is committed, in a comment either. */
export function wranglerSecrets({ path, text }: TextFile): Finding[] {
  return text.split('\n').flatMap((line, index) => {
    const [setting, comment] = splitComment(line)
    const name = namedSecret.exec(setting)?.[1]
    const sentence =
      name === undefined ? (looksSecret(setting) ?? looksSecret(comment)) : `${name} is a secret: wrangler secret put`
    return sentence === undefined ? [] : [{ path, line: index + 1, rule: 'wrangler-secret', sentence }]
  })
}

function looksSecret(words: string): string | undefined {
  if (bearer.test(words)) return 'this looks like a private key or an API key'
  for (const [url, password = ''] of words.matchAll(/\b[a-z]+:\/\/[^\s:/@"']*:([^\s@"']+)@[^\s"']*/g)) {
    const placeholder = /^(?:[<{$…*]|PASSWORD\b)/.test(password)
    if (!placeholder && !localDatabase.test(url)) return 'this address carries a password'
  }
  const isId = /^\s*(?:preview_|account_|zone_|namespace_|database_)?id\s*=/.test(words)
  if (!isId && /(?<![\w-])[0-9a-f]{32,}(?![\w-])/i.test(words)) return 'this looks like a key in hex'
  const long = words.match(/[A-Za-z0-9+/_-]{32,}={0,2}/g) ?? []
  const mixed = long.some((value) => /[a-z]/.test(value) && /[A-Z]/.test(value) && /\d/.test(value))
  return mixed ? 'this looks like a key in base64' : undefined
}

/** A line of TOML without its comment, and the comment. */
function splitComment(line: string): [string, string] {
  const [setting = ''] = /^(?:[^#"']|"(?:[^"\\]|\\.)*"|'[^']*')*/.exec(line) ?? []
  return [setting, line.slice(setting.length)]
}

/** What the Worker cannot run without: node APIs, the clock of every minute, the database and both KV namespaces. */
export function wranglerSettings({ path, text }: TextFile): Finding[] {
  let section = ''
  const settings = text.split('\n').map((line) => {
    const setting = splitComment(line)[0].trim()
    const header = /^\[\[?\s*([\w.-]+)\s*\]\]?$/.exec(setting)?.[1]
    section = header ?? section
    return `${section} ${setting}`
  })
  // An array may go over several lines: what follows its name is read until the bracket closes.
  const whole = settings.join('\n')
  const wanted: readonly [RegExp, string][] = [
    [/^ compatibility_flags\s*=\s*\[[^\]]*["']nodejs_compat["']/m, 'compatibility_flags needs nodejs_compat'],
    [/^(?:triggers | triggers\.)crons\s*=\s*\[[^\]]*["']\* \* \* \* \*["']/m, 'cron fires every minute: "* * * * *"'],
    [/^hyperdrive binding\s*=\s*["']HYPERDRIVE["']/m, 'the binding HYPERDRIVE is missing'],
    [/^kv_namespaces binding\s*=\s*["']OAUTH_STATE["']/m, 'the KV binding OAUTH_STATE is missing'],
    [/^kv_namespaces binding\s*=\s*["']CACHE["']/m, 'the KV binding CACHE is missing'],
  ]
  return wanted
    .filter(([pattern]) => !pattern.test(whole))
    .map(([, sentence]) => ({ path, line: 1, rule: 'wrangler-settings', sentence }))
}

/** Local settings hold real keys as soon as somebody tries a real provider. */
export function trackedSecrets(tracked: readonly string[]): Finding[] {
  return tracked
    .filter((path) => /(?:^|\/)\.(?:dev\.vars|env)(?:\.[\w-]+)?$/.test(path) && !path.endsWith('.example'))
    .map((path) => ({ path, line: 1, rule: 'tracked-secret', sentence: 'local settings are never committed' }))
}
