// Enforces the layout of src/: who may import whom, where packages may be used, how files are named and begin.
// The second half feeds invented sources to the same check, since a rule that cannot fail proves nothing.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { checkLayout, importsOf, printViolation, type SourceFile } from '../support/import-table.ts'

const root = join(import.meta.dirname, '../..')

function sources(): SourceFile[] {
  return readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?tsx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .map((path) => ({
      path: path.slice(root.length + 1).replaceAll('\\', '/'),
      text: readFileSync(path, 'utf8'),
    }))
}

/** The rules that an invented file breaks; the leading comment is given, so that only the point in question is tried. */
function brokenBy(path: string, code: string): string[] {
  return checkLayout([{ path, text: `// Invented.\n${code}\n` }]).map(({ rule }) => rule)
}

describe('src/', () => {
  it('keeps the import table and the rules of its layout', () => {
    const files = sources()
    expect(files.length).toBeGreaterThan(0)
    expect(checkLayout(files).map(printViolation)).toEqual([])
  })
})

describe('the imports that are found', () => {
  it.each([
    ["import a from './a.ts'", './a.ts', false, undefined],
    ["import a, { b } from './a.ts'", './a.ts', false, undefined],
    ["import * as z from 'zod'", 'zod', false, undefined],
    ["import {\n  a,\n  type B as C,\n} from './a.ts'", './a.ts', false, ['a', 'B']],
    ["import type { A } from './a.ts'", './a.ts', true, ['A']],
    ["import { type A } from './a.ts'", './a.ts', false, ['A']],
    ["import './a.ts'", './a.ts', false, undefined],
    ["import wasm from '@x/y.wasm'", '@x/y.wasm', false, undefined],
    ["export * from './a.ts'", './a.ts', false, undefined],
    ["export { a as b } from './a.ts'", './a.ts', false, ['a']],
    ["export type { A } from './a.ts'", './a.ts', true, ['A']],
    ["const a = await import('./a.ts')", './a.ts', false, undefined],
    ['const a = await import(`./a.ts`)', './a.ts', false, undefined],
    ['const a = await import(name)', undefined, false, undefined],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the source of a template, on purpose
    ['const a = await import(`./${name}.ts`)', undefined, false, undefined],
    ["type A = typeof import('./a.ts')", './a.ts', true, undefined],
    ["const a = require('./a.ts')", './a.ts', false, undefined],
    ["const quote = /['\"`]/g; import './a.ts'", './a.ts', false, undefined],
  ])('%j', (code, specifier, typeOnly, names) => {
    expect(importsOf(code)).toEqual([{ specifier, typeOnly, names, line: 1 }])
  })

  it.each([
    "// import a from './a.ts'",
    "/* import a from './a.ts' */",
    'const words = "import a from \'./a.ts\'"',
    "const words = `\nimport a from './a.ts'\n`",
    "loader.import('./a.ts')",
    "const imported = from('./a.ts')",
    "export const from = 'x'",
  ])('are none in %j', (code) => {
    expect(importsOf(code)).toEqual([])
  })

  it('carry their line', () => {
    expect(importsOf("/*\n*/\nconst a = `\n`\nimport './a.ts'\n").map(({ line }) => line)).toEqual([5])
  })
})

describe('the import table', () => {
  it.each([
    ['src/crypto/seal.ts', "import { AppError } from '../errors.ts'"],
    ['src/db/client.ts', "import { claim } from '../auth/sessions.ts'"],
    ['src/providers/google.ts', "import { db } from '../db/client.ts'"],
    ['src/letters/deliver.ts', "import { google } from '../providers/google.ts'"],
    ['src/auth/sign-in.ts', "import { vend } from '../mail-accounts/access-token.ts'"],
    ['src/auth/sign-in.ts', "import { profile } from '../users/profile.ts'"],
    ['src/auth/link-decision.ts', "import { Profile } from '../providers/provider.ts'"],
    ['src/auth/link-decision.ts', "import { type Profile } from '../providers/provider.ts'"],
    ['src/auth/link-decision.ts', "import type { Provider } from '../providers/provider.ts'"],
    ['src/auth/link-decision.ts', "import type { Profile } from '../providers/google.ts'"],
    ['src/users/profile.ts', "import { start } from '../oauth/start.ts'"],
    ['src/mail-accounts/vault.ts', "import { session } from '../auth/sessions.ts'"],
    ['src/oauth/start.ts', "import { letter } from '../letters/outgoing.ts'"],
    ['src/mail/sync/on-demand.ts', "import { open } from '../../mail-accounts/vault.ts'"],
    ['src/mail/sync/on-demand.ts', "import { vend } from '../../mail-accounts/access-token.sql.ts'"],
    ['src/ops/health.ts', "import { registry } from '../providers/registry.ts'"],
    ['src/ops/health.ts', "import { refreshMessage } from '../messages.ts'"],
    ['src/ops/health.ts', "export * from '../env.ts'"],
    ['src/ops/health.ts', "const deps = await import('../deps.ts')"],
    ['src/auth/sign-in.ts', "import type { Deps } from '../deps.ts'"],
    ['src/auth/sign-in.ts', "import type { Env } from '../env.ts'"],
    ['src/http/app.ts', "import type { Db } from '../db/client.ts'"],
    ['src/http/routes/keys.ts', "import { seal } from '../../crypto/seal.ts'"],
    ['src/http/routes/keys.ts', "import { registry } from '../../providers/registry.ts'"],
    ['src/http/context.ts', "import { makeDeps } from '../deps.ts'"],
    ['src/http/context.ts', "import type { Deps, Settings } from '../deps.ts'"],
    ['src/http/context.ts', "import type { Env } from '../env.ts'"],
    ['src/http/app.ts', "import '../jobs/consume.ts'"],
    ['src/jobs/consume.ts', "import { app } from '../http/app.ts'"],
    ['src/deps.ts', "import { app } from './http/app.ts'"],
    ['src/index.ts', "import { respond } from './http/respond-error.ts'"],
    ['src/index.ts', "import { db } from './db/client.ts'"],
    ['src/env.ts', "import { db } from './db/client.ts'"],
  ])('refuses in %s: %s', (path, code) => {
    expect(brokenBy(path, code)).toEqual(['import'])
  })

  it.each([
    ['src/auth/sign-in.ts', "import { AppError } from '../errors.ts'\nimport { log } from '../log.ts'"],
    ['src/auth/sign-in.ts', "import type { Message } from '../messages.ts'"],
    ['src/auth/link-decision.ts', "import type { Profile } from '../providers/provider.ts'"],
    ['src/auth/sign-in.ts', "import { charge } from './sign-in.sql.ts'\nimport { caller } from '../db/caller.ts'"],
    ['src/users/profile.ts', "import { endSessions } from '../auth/sessions.ts'"],
    ['src/oauth/complete.ts', "import { a } from '../auth/a.ts'\nimport { b } from '../mail-accounts/b.ts'"],
    ['src/mail/sync/on-demand.ts', "import { accessToken } from '../../mail-accounts/access-token.ts'"],
    ['src/http/context.ts', "import type { Deps } from '../deps.ts'"],
    ['src/http/routes/ops.ts', "import { readiness } from '../../ops/health.ts'"],
    ['src/jobs/consume.ts', "import { message } from '../messages.ts'"],
    ['src/deps.ts', "import { env } from './env.ts'\nimport { db } from './db/client.ts'"],
    ['src/index.ts', "import { app } from './http/app.ts'\nimport { consume } from './jobs/consume.ts'"],
  ])('allows in %s: %s', (path, code) => {
    expect(brokenBy(path, code)).toEqual([])
  })
})

describe('the other rules', () => {
  it.each([
    ['package', 'src/auth/sign-in.ts', "import { eq } from 'drizzle-orm'"],
    ['package', 'src/auth/sign-in.ts', "import type { Client } from 'pg'"],
    ['package', 'src/db/client.ts', "import postgres from 'postgres'"],
    ['package', 'src/db/client.ts', "import { drizzle } from 'drizzle-orm/postgres-js'"],
    ['package', 'src/auth/sign-in.ts', "import type { Context } from 'hono'"],
    ['package', 'src/jobs/consume.ts', "import { zValidator } from '@hono/zod-validator'"],
    ['package', 'src/letters/templates.tsx', 'export const letter = 1'],
    ['package', 'src/providers/google.ts', "import { Google } from 'arctic'"],
    ['package', 'src/deps.ts', "import { env } from 'cloudflare:workers'"],
    ['zod', 'src/env.ts', "import { z } from 'zod'"],
    ['outside', 'src/deps.ts', "import { seed } from '../scripts/dev.ts'"],
    ['outside', 'src/auth/sign-in.ts', "import { fake } from '../../test/support/fake.ts'"],
    ['computed', 'src/auth/sign-in.ts', 'await import(name)'],
    ['barrel', 'src/auth/index.ts', 'export const a = 1'],
    ['name', 'src/auth/utils.ts', 'export const a = 1'],
    ['name', 'src/auth/token-helpers.ts', 'export const a = 1'],
    ['name', 'src/auth/types.ts', 'export const a = 1'],
    ['name', 'src/auth/session-manager.ts', 'export const a = 1'],
    ['name', 'src/http/services/keys.ts', 'export const a = 1'],
    ['room', 'src/common/words.ts', 'export const a = 1'],
    ['length', 'src/auth/sign-in.ts', '\n'.repeat(300)],
  ])('%s: refuses in %s: %s', (rule, path, code) => {
    expect(brokenBy(path, code)).toEqual([rule])
  })

  it('comment: refuses a file that begins with code', () => {
    const broken = checkLayout([{ path: 'src/auth/sign-in.ts', text: 'export const a = 1 // late\n' }])
    expect(broken.map(({ rule }) => rule)).toEqual(['comment'])
  })

  it.each([
    ['src/auth/sign-in.sql.ts', "import { sql } from 'drizzle-orm'\nimport { users } from '../db/schema/users.ts'"],
    ['src/db/client.ts', "import { Client } from 'pg'\nimport { drizzle } from 'drizzle-orm/node-postgres'"],
    ['src/http/pages/sign-in.tsx', "import { html } from 'hono/html'"],
    ['src/providers/oauth2.ts', "import { OAuth2Client } from 'arctic'"],
    ['src/index.ts', "import { env } from 'cloudflare:workers'"],
    ['src/env.ts', "import * as z from 'zod'"],
    ['src/auth/service-keys.ts', "import { jwtVerify } from 'jose'"],
    ['src/auth/sign-in.ts', '\n'.repeat(298)],
  ])('allow in %s: %s', (path, code) => {
    expect(brokenBy(path, code)).toEqual([])
  })
})
