// Proves that every rule of the configuration lint fires on a bad sample and is silent on a good one.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: samples are sources, some of them with templates
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  consoleCalls,
  databaseClients,
  type Finding,
  hyperdriveCommands,
  lint,
  passwordHashes,
  sessionSql,
  trackedSecrets,
  webAssembly,
  wranglerSecrets,
  wranglerSettings,
} from '../../scripts/lint-rules.ts'

const root = join(import.meta.dirname, '../..')
const lines = (findings: Finding[]): number[] => findings.map(({ line }) => line)

describe('hyperdrive-cache', () => {
  it.each([
    ['README.md', '```sh\nnpx wrangler hyperdrive create gatepost --connection-string="$URL"\n```'],
    ['docs/operations.md', 'Then run `wrangler hyperdrive create gatepost` and go on.'],
    ['docs/operations.md', 'Then run wrangler hyperdrive create gatepost and go on.'],
    ['docs/operations.md', '`hyperdrive create gatepost` (with --caching-disabled)'],
    ['docs/operations.md', '```\nwrangler hyperdrive create gatepost --caching-disabled=false\n```'],
    ['docs/operations.md', '```\nwrangler hyperdrive create gatepost \\\n  --connection-string=x\n```'],
    ['scripts/deploy.sh', 'wrangler hyperdrive create "$NAME"'],
    ['scripts/deploy.ts', "spawn('wrangler', ['hyperdrive', 'create', 'gatepost'])"],
    ['package.json', '{ "scripts": { "db:create": "wrangler hyperdrive create gatepost" } }'],
    ['wrangler.toml', '# npx wrangler hyperdrive create gatepost --connection-string=x'],
    ['docs/operations.md', '```\nwrangler hyperdrive update 0123 --caching-disabled false\n```'],
    ['docs/operations.md', '```\nwrangler hyperdrive update 0123 --max-age 60\n```'],
    ['scripts/deploy.ts', "spawn('wrangler', ['hyperdrive', 'update', id, '--caching-disabled', 'false'])"],
  ])('fires in %s: %s', (path, text) => {
    expect(hyperdriveCommands({ path, text })).toHaveLength(1)
  })

  it.each([
    ['README.md', '```sh\nnpx wrangler hyperdrive create gatepost --connection-string="$URL" --caching-disabled\n```'],
    [
      'docs/operations.md',
      '```\nwrangler hyperdrive create gatepost \\\n  --connection-string=x \\\n  --caching-disabled\n```',
    ],
    ['docs/operations.md', 'The command `hyperdrive create` caches unless `--caching-disabled` stands there.'],
    ['docs/operations.md', 'A hyperdrive create command caches by default.'],
    ['docs/operations.md', '```\nwrangler hyperdrive update 0123 --origin-password x\n```'],
    ['docs/operations.md', '```\nwrangler hyperdrive update 0123 --caching-disabled\n```'],
    ['scripts/deploy.ts', "spawn('wrangler', ['hyperdrive', 'create', 'gatepost', '--caching-disabled'])"],
    ['wrangler.toml', '#   npx wrangler hyperdrive create gatepost --connection-string="x" --caching-disabled'],
  ])('is silent in %s: %s', (path, text) => {
    expect(hyperdriveCommands({ path, text })).toEqual([])
  })
})

describe('session-sql', () => {
  it.each([
    ['src/a.sql.ts', 'sql`select pg_advisory_xact_lock(1)`'],
    ['src/a.sql.ts', 'sql`select pg_try_advisory_lock(${key})`'],
    ['scripts/db.ts', "await client.query('listen jobs')"],
    ['scripts/db.ts', "const words = 'LISTEN jobs'"],
    ['scripts/db.ts', 'await sql`notify jobs`'],
    ['scripts/db.ts', "const words = 'UNLISTEN *'"],
    ['src/a.sql.ts', "sql`select pg_notify('a', 'b')`"],
    ['src/db/client.ts', "await client.query('set statement_timeout = 5000')"],
    ['src/db/client.ts', "const words = 'SET search_path TO gatepost'"],
    ['src/db/client.ts', "const words = 'SET SESSION statement_timeout = 1'"],
    ['src/db/client.ts', "const words = 'select 1; SET statement_timeout = 1'"],
    ['src/db/client.ts', 'sql`SET TIME ZONE UTC`'],
    ['src/a.sql.ts', "sql`select set_config('gatepost.user', ${id}, false)`"],
    ['src/a.sql.ts', 'sql`PREPARE vend AS select 1`'],
    ['src/a.sql.ts', 'sql`execute vend(1)`'],
    ['src/a.sql.ts', 'sql`DEALLOCATE ALL`'],
    ['scripts/db.ts', "await client.query('DISCARD ALL')"],
    ['migrations/0001_a.sql', "SET lock_timeout = '5s';"],
    ['migrations/0001_a.sql', 'select pg_advisory_lock(1);'],
    ['migrations/0001_a.sql', 'do $$ begin execute plan; end $$;'],
  ])('fires in %s: %s', (path, text) => {
    expect(sessionSql({ path, text })).toHaveLength(1)
  })

  it.each([
    ['src/a.sql.ts', 'sql`update ${users} set is_active_flg = false`'],
    ['src/a.sql.ts', 'sql`\n  update users\n  set role_cd = 1\n  where true`'],
    ['src/a.sql.ts', 'sql`insert into a values (1) on conflict (b) do update set c = 1`'],
    ['src/a.sql.ts', 'sql`SET LOCAL statement_timeout = 5000`'],
    ['src/a.sql.ts', "sql`select set_config('gatepost.user', ${id}, true)`"],
    ['src/a.sql.ts', 'db.select().from(users).prepare("who")'],
    ['src/a.ts', '// LISTEN and pg_advisory_lock do not work here\nexport const a = 1'],
    ['src/a.ts', "const words = 'listen to what the provider says'"],
    ['scripts/dev.ts', "server.listen(8787)\nconst words = 'Set a password'"],
    ['scripts/dev.ts', "const words = 'set MAIL_FROM = something'"],
    ['migrations/0001_a.sql', '-- SET search_path = x\nALTER TABLE a ALTER COLUMN b SET DEFAULT 1;'],
    ['migrations/0001_a.sql', 'create trigger keep before delete on a\nfor each row EXECUTE FUNCTION keep();'],
    [
      'migrations/0001_a.sql',
      "create function keep() returns trigger\nset search_path = ''\nas $$ begin return null; end $$;",
    ],
    ['migrations/0001_a.sql', "do $$ begin raise exception 'SET x = 1; LISTEN'; end $$;"],
    ['migrations/0001_a.sql', 'grant execute on function keep() to gatepost;'],
    ['docs/a.md', 'select pg_advisory_lock(1)'],
  ])('is silent in %s: %s', (path, text) => {
    expect(sessionSql({ path, text })).toEqual([])
  })

  it('names the line inside a template', () => {
    expect(lines(sessionSql({ path: 'src/a.sql.ts', text: '// a\nsql`\n  select 1;\n  SET a.b = 1`' }))).toEqual([4])
  })
})

describe('database-client', () => {
  it.each([
    ['src/auth/sign-in.sql.ts', 'function f() {\n  return new Client({})\n}'],
    ['src/deps.ts', 'export const make = () => new pg.Pool()'],
    ['src/deps.ts', 'function f() {\n  return postgres(url)\n}'],
    ['src/deps.ts', 'function f() {\n  return drizzle(client)\n}'],
    ['src/deps.ts', "import { Client as Pg } from 'pg'\nfunction f() {\n  return new Pg({})\n}"],
    ['src/db/client.ts', 'export const client = new Client({})'],
    ['src/db/client.ts', 'export const all = {\n  db: drizzle(url),\n}'],
    ['src/db/client.ts', 'if (url) {\n  start(new Client(url))\n}'],
    ['src/db/client.ts', 'let client: Client | undefined'],
  ])('fires in %s: %s', (path, text) => {
    expect(databaseClients({ path, text })).toHaveLength(1)
  })

  it('fires twice for a client in module scope elsewhere', () => {
    expect(databaseClients({ path: 'src/deps.ts', text: 'const db = drizzle(client)' })).toHaveLength(2)
  })

  it.each([
    [
      'src/db/client.ts',
      'export async function connect(url: string): Promise<Db> {\n  return drizzle(new Client(url))\n}',
    ],
    [
      'src/db/client.ts',
      'export function make(url: string): { db: Db } {\n  const c = new Client(url)\n  return { db: drizzle(c) }\n}',
    ],
    [
      'src/db/client.ts',
      'export function make(\n  url: string,\n): Db {\n  if (url) {\n    return drizzle(new Client(url))\n  }\n}',
    ],
    ['src/db/client.ts', 'export const make = (url: string): Db => drizzle(new Client(url))'],
    ['src/db/client.ts', 'export const make = async (url: string): Promise<Db> => {\n  return drizzle(url)\n}'],
    ['src/providers/oauth2.ts', 'const client = new OAuth2Client(id, secret, uri)'],
    ['src/auth/a.ts', "// new Client()\nconst words = 'drizzle('\nimport { drizzle } from 'drizzle-orm/node-postgres'"],
    ['scripts/db.ts', 'const sql = postgres(url)'],
  ])('is silent in %s: %s', (path, text) => {
    expect(databaseClients({ path, text })).toEqual([])
  })
})

describe('password-hash', () => {
  it.each([
    "await crypto.subtle.deriveBits({ name: 'PBKDF2', salt, iterations: 600000 }, key, 256)",
    'const hash = pbkdf2Sync(password, salt, 100000)',
    "import argon2 from '@phi-ag/argon2'\nhash(password, { memory: 12_288, t: 3, p: 1 })",
    "import argon2 from '@phi-ag/argon2'\nhash(password, { memoryCost: 19456, timeCost: 1 })",
    "const decoy = '$argon2id$v=19$m=4096,t=3,p=1$'",
    "const decoy = '$argon2i$v=19$m=19456,t=2,p=1$'",
    'scryptSync(password, salt, 32)',
    'scrypt(password, salt, 32, { N: 16384, r: 8, p: 1 })',
    'scrypt(password, salt, 32, { N: 2 ** 13, r: 8, p: 10 })',
    'scrypt(password, salt, 32, { N: 2 ** 17, r: 8, p: 2 })',
  ])('fires: %s', (text) => {
    expect(passwordHashes({ path: 'src/crypto/password.ts', text })).toHaveLength(1)
  })

  it.each([
    '// PBKDF2 is not an answer\nexport const a = 1',
    "import argon2 from '@phi-ag/argon2'\nhash(password, { memory: 19_456, t: 2, p: 1 })",
    "const decoy = '$argon2id$v=19$m=19456,t=2,p=1$'",
    'scrypt(password, salt, 32, { N: 2 ** 14, r: 8, p: 5 })',
    'scrypt(password, salt, 32, { N: 1 << 17, r: 8, p: 1, maxmem: 1 << 28 })',
    'const size = { m: 1, t: 1 }',
  ])('is silent: %s', (text) => {
    expect(passwordHashes({ path: 'src/crypto/password.ts', text })).toEqual([])
  })
})

describe('console', () => {
  it('fires in src and names the line', () => {
    const text = '// a\nexport const f = () => console.log(1)\nconsole["error"](2)\n'
    expect(lines(consoleCalls({ path: 'src/auth/sign-in.ts', text }))).toEqual([2, 3])
  })

  it('is silent in log.ts, in scripts, in comments and in words', () => {
    expect(consoleCalls({ path: 'src/log.ts', text: 'console.log(line)' })).toEqual([])
    expect(consoleCalls({ path: 'scripts/dev.ts', text: 'console.log(line)' })).toEqual([])
    expect(consoleCalls({ path: 'src/env.ts', text: "// console.log\nconst transport = 'console.'" })).toEqual([])
  })
})

describe('webassembly', () => {
  it.each([
    'await WebAssembly.compile(bytes)',
    'await WebAssembly.instantiate(bytes, {})',
    'await WebAssembly.instantiateStreaming(fetch(url))',
    'const module = new WebAssembly.Module(bytes)',
  ])('fires: %s', (text) => {
    expect(webAssembly({ path: 'src/crypto/password.ts', text })).toHaveLength(1)
  })

  it.each([
    "import wasm from '@phi-ag/argon2/argon2.wasm'\nawait WebAssembly.instantiate(wasm, {})",
    "import wasm from '@phi-ag/argon2/argon2.wasm'\nnew WebAssembly.Instance(wasm)",
    '// WebAssembly.compile(bytes) is refused',
  ])('is silent: %s', (text) => {
    expect(webAssembly({ path: 'src/crypto/password.ts', text })).toEqual([])
  })
})

describe('wrangler-secret', () => {
  it.each([
    'GOOGLE_CLIENT_SECRET = "x"',
    'vars = { CODE_PEPPER = "x" }',
    '"JWT_SIGNING_KEYS" = "x"',
    'OTHER = """-----BEGIN PRIVATE KEY-----"""',
    'localConnectionString = "postgres://gatepost:hunter2@127.0.0.1:5432/gatepost"',
    'localConnectionString = "postgres://gatepost:gatepost@db.example.com/gatepost"',
    'localConnectionString = "postgres://gatepost:gatepost@127.0.0.1.evil.test/gatepost"',
    '# DATABASE was postgres://admin:hunter2@db.example.com/gatepost',
    `KEY = "${'0123456789abcdef'.repeat(4)}"`,
    `KEY = "k1:${Buffer.from('Gatepost tests: no key of anyone').toString('base64')}"`,
    'MAIL = "smtps://post:hunter2@mail.example.com"',
  ])('fires: %s', (text) => {
    expect(wranglerSecrets({ path: 'wrangler.toml', text })).toHaveLength(1)
  })

  it.each([
    '# GOOGLE_CLIENT_SECRET = set with wrangler secret put',
    'GOOGLE_CLIENT_ID = "1234-abc.apps.googleusercontent.com"',
    'localConnectionString = "postgres://gatepost:gatepost@127.0.0.1:54329/gatepost"',
    'id = "00000000000000000000000000000000"',
    'preview_id = "0123456789abcdef0123456789abcdef"',
    '# npx wrangler hyperdrive create gatepost --connection-string="postgres://USER:PASSWORD@HOST/gatepost"',
    'APP_URL = "https://gatepost.example.com"',
  ])('is silent: %s', (text) => {
    expect(wranglerSecrets({ path: 'wrangler.toml', text })).toEqual([])
  })
})

describe('wrangler-settings', () => {
  const good = readFileSync(join(root, 'wrangler.toml'), 'utf8')

  it('is silent on the file that is deployed', () => {
    expect(wranglerSettings({ path: 'wrangler.toml', text: good })).toEqual([])
  })

  it.each(['nodejs_compat', '"* * * * *"', 'binding = "HYPERDRIVE"', 'binding = "OAUTH_STATE"', 'binding = "CACHE"'])(
    'fires without %s, and where it is only a comment',
    (part) => {
      expect(good).toContain(part)
      expect(wranglerSettings({ path: 'wrangler.toml', text: good.replaceAll(part, '') })).toHaveLength(1)
      const commented = good.replace(new RegExp(`^(?=.*${part.replace(/[*"]/g, '\\$&')})`, 'gm'), '# ')
      expect(wranglerSettings({ path: 'wrangler.toml', text: commented })).toHaveLength(1)
    },
  )

  it('fires where the file is missing', () => {
    expect(lint([], []).map(({ rule }) => rule)).toEqual(['wrangler-settings'])
  })
})

describe('tracked-secret', () => {
  it('fires on local settings and not on their example', () => {
    const tracked = ['.dev.vars', '.dev.vars.staging', 'bench/.dev.vars', '.dev.vars.example', 'src/env.ts']
    expect(trackedSecrets(tracked).map(({ path }) => path)).toEqual(tracked.slice(0, 3))
  })
})

describe('the command', () => {
  it('does not trip over its own rules', () => {
    const own = [
      'scripts/lint.ts',
      'scripts/lint-rules.ts',
      'scripts/source-text.ts',
      'docs/operations.md',
      'wrangler.toml',
    ]
    const files = own.map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }))
    expect(lint(files, own)).toEqual([])
  })

  it('runs, and prints file, line and rule', () => {
    let output = ''
    try {
      output = execFileSync(process.execPath, ['scripts/lint.ts'], { cwd: root, stdio: 'pipe' }).toString()
    } catch (failure) {
      output = (failure as { stderr: Buffer }).stderr.toString()
    }
    expect(output).toMatch(/^(?:lint: \d+ files, nothing found|(?:[^\n:]+:\d+: [a-z-]+: [^\n]+\n?)+)$/m)
  })
})
